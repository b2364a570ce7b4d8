"""A script of requests, run with a client of one node in the same process."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from coord.client.client import Client
from coord.client.settings import Settings
from coord.testing.instant_node import InstantDialer, InstantNode

NODE, NOBODY = "tcp://node:1", "tcp://nobody:1"
Script = Callable[[Client, InstantNode], Coroutine[Any, Any, None]]


def run(script: Script, *, timeout_ms: float = 5_000.0, at: str = NODE) -> None:
    """Run a script with a client of one instant node."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        node = InstantNode(lambda: loop.time() * 1000.0)
        settings = Settings(
            endpoints=(at,),
            timeout_ms=timeout_ms,
            make_dialer=lambda: InstantDialer({NODE: node}),
            draw=random.Random(7).randint,
        )
        async with Client(settings) as client:
            await script(client, node)

    asyncio.run(main())
