"""The asyncio face: `async with coord.aio.connect("tcp://127.0.0.1:2379") as client`."""

from coord.client.client import Client
from coord.client.connecting import connect
from coord.client.session import Session
from coord.client.watch import Watch, WatchBatch

__all__ = ["Client", "Session", "Watch", "WatchBatch", "connect"]
