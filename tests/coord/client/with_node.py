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


async def until(holds: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Let the loop go on until `holds()`; TimeoutError if it does not for too long."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - the instant node rings no bell
            await asyncio.sleep(0)
