"""What follows the store, on the real client, over connections that break again and again."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from coord.client.client import Client
from coord.client.settings import Settings
from coord.testing.instant_node import InstantDialer, InstantNode
from recipes.board import Notice, NoticeBoard
from recipes.config import Config
from recipes.monitor import Monitor, Sighting, What
from recipes.registry import Instance, Registry

NODE = "tcp://node:1"
CHANGES = 40
Script = Callable[[Client, InstantNode], Coroutine[Any, Any, None]]


def _run(script: Script) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        node = InstantNode(lambda: loop.time() * 1000.0)
        settings = Settings(
            endpoints=(NODE,),
            timeout_ms=5000.0,
            make_dialer=lambda: InstantDialer({NODE: node}),
            draw=random.Random(7).randint,
        )
        async with Client(settings) as client:
            await asyncio.wait_for(script(client, node), 20)

    asyncio.run(main())


def _break_now_and_then(node: InstantNode, luck: random.Random) -> None:
    if luck.random() < 0.3:
        for channel in list(node.channels):
            channel.cut()


def test_a_setting_ends_with_the_last_value_and_never_steps_back() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        luck = random.Random(1)
        config = Config(client, "c/")
        rate = config.setting("rate", int, 0)
        heard: list[int] = []
        rate.on_change(heard.append)
        async with config:
            for number in range(1, CHANGES + 1):
                await client.put("c/rate", str(number))
                _break_now_and_then(node, luck)
            await config.until(lambda: rate.value == CHANGES)
            await asyncio.sleep(0)
        assert heard == list(range(1, CHANGES + 1))

    _run(script)


def test_a_board_tells_each_change_once_and_in_order() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        luck = random.Random(2)
        board = NoticeBoard(client, "b/")
        pages = board.follow(await board.write("s", "start"))
        seen: list[Notice] = []

        async def read() -> None:
            while len(seen) < CHANGES:
                seen.extend(await anext(pages))

        reading = asyncio.create_task(read())
        for number in range(CHANGES):
            await board.write("s", str(number))
            _break_now_and_then(node, luck)
        await reading
        await pages.aclose()
        assert [notice.body for notice in seen] == [str(n).encode() for n in range(CHANGES)]

    _run(script)


def test_an_instance_whose_lease_was_taken_registers_again_and_the_monitor_tells_both() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        registry = Registry(client)
        seen: list[Sighting] = []
        async with (
            Monitor(client, "services/s/") as monitor,
            registry.follow("s") as instances,
            registry.register("s", Instance("10.0.0.1:80"), ttl_ms=150) as presence,
        ):
            monitor.on(seen.append)
            await instances.until(lambda: len(instances.living) == 1)
            for channel in list(node.channels):
                channel.cut()
            await client.revoke(presence.lease)
            await instances.until(lambda: len(instances.living) == 0)
            await instances.until(lambda: len(instances.living) == 1)
            await monitor.until(lambda: monitor.present == ("10.0.0.1:80",))
            await presence.here()
            await asyncio.sleep(0)
            assert presence.appearances == 2
            assert [sighting.what for sighting in seen][-2:] == [What.LEFT, What.CAME]

    _run(script)
