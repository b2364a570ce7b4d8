"""A process that holds a lock, or an office, until it is told that it does not; then it writes.

    python -m tests.bench.holder lock reports/nightly tcp://127.0.0.1:7412 '{}'

It prints `holds TOKEN`, `told SECONDS` (by the machine's monotonic clock, as soon as its session is
lost), and, after a line on stdin, `wrote True` or `wrote False`: whether its guarded write, which
comes too late, was carried out. The last argument says through which relay each node is reached.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Mapping
from typing import Protocol

from coord import ops
from coord.client.channel import LoopChannel, LoopDialer, new_dialer
from coord.client.client import Client
from coord.client.settings import Settings
from coord.requests import Compare
from recipes.election import Election
from recipes.lock import Lock
from recipes.port import KeptLease

TTL_MS = 1000


class Held(Protocol):
    """A hold or a leadership."""

    @property
    def token(self) -> int:
        """The fencing token."""
        ...

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail once it has ended."""
        ...


class RelayedDialer:
    """Reaches each node through its relay, whatever address the node itself gives."""

    def __init__(self, relays: Mapping[str, str]) -> None:
        self._relays = relays
        self._inner: LoopDialer = new_dialer()

    def dial(self, address: str) -> LoopChannel:
        """See LoopDialer."""
        return self._inner.dial(self._relays.get(address, address))

    def close(self) -> None:
        """See LoopDialer."""
        self._inner.close()


async def hold(client: Client, session: KeptLease, kind: str, name: str) -> Held:
    """Wait until the lock, or the office, is held."""
    if kind == "lock":
        return await Lock(client, name).acquire(session)
    return await Election(client, f"{name}/").campaign(session, "holder")


async def main(kind: str, name: str, endpoints: str, relays: Mapping[str, str]) -> None:
    """Hold, be told, write too late."""
    settings = Settings(
        endpoints=tuple(endpoints.split(",")),
        timeout_ms=30_000,
        make_dialer=lambda: RelayedDialer(relays),
        draw=random.SystemRandom().randint,
    )
    async with Client(settings) as client:
        session = await client.session(TTL_MS)
        held = await hold(client, session, kind, name)
        _say("holds", held.token)
        await session.lost.wait()
        _say("told", time.monotonic())
        await asyncio.to_thread(sys.stdin.readline)
        reply = await client.txn([held.guard()], [ops.put(effect_key(name), "stale")])
        _say("wrote", reply.succeeded)


def effect_key(name: str) -> str:
    """Return the key that holders of `name` write."""
    return f"{name}-effect"


def _say(what: str, value: object) -> None:
    sys.stdout.write(f"{what} {value}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    KIND, NAME, ENDPOINTS, RELAYS = sys.argv[1:]
    asyncio.run(main(KIND, NAME, ENDPOINTS, json.loads(RELAYS)))
