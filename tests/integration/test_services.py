"""Real instances that are killed or stopped, and what real balancers and readers see of it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from coord import aio
from coord.testing.local_cluster import LocalProcesses, started_cluster
from recipes.balancer import Balancer
from recipes.board import Notice, NoticeBoard
from recipes.registry import Instances, Registry

pytestmark = pytest.mark.integration

TTL_S = 1.0
SLACK_S = 0.5
BALANCERS = 3
READERS = 50


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcesses]:
    with started_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def _register(cluster: LocalProcesses, address: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "coord.cli", "service", "register", "search", address),
            *("--ttl", str(TTL_S)),
        ],
        stdout=subprocess.PIPE,
        env=os.environ | {"COORD_ENDPOINTS": cluster.endpoints},
    )


def _sees(instances: Instances, count: int) -> Callable[[], bool]:
    return lambda: len(instances.living) == count


async def _all_see(lists: list[Instances], count: int, within_s: float) -> float:
    """Wait until every list has `count` instances; return after how many seconds."""
    began_s = time.monotonic()
    async with asyncio.timeout(within_s):
        for instances in lists:
            await instances.until(_sees(instances, count))
    return time.monotonic() - began_s


async def _lose_instances(
    cluster: LocalProcesses, processes: dict[str, subprocess.Popen[bytes]]
) -> tuple[float, float, set[str]]:
    killed, stopped, _ = processes.values()
    async with AsyncExitStack() as stack:
        lists = []
        for _ in range(BALANCERS):
            client = await stack.enter_async_context(aio.connect(cluster.endpoints))
            lists.append(await stack.enter_async_context(Registry(client).follow("search")))
        await _all_see(lists, 3, 20)
        killed.kill()
        gone_s = await _all_see(lists, 2, 20)
        stopped.terminate()
        left_s = await _all_see(lists, 1, 20)
        balancers = [Balancer(instances) for instances in lists]
        return gone_s, left_s, {balancer.pick().address for balancer in balancers}


def test_a_killed_instance_leaves_every_balancer_within_its_ttl_and_a_stopped_one_at_once(
    cluster: LocalProcesses,
) -> None:
    addresses = [f"127.0.0.1:{port}" for port in (9001, 9002, 9003)]
    processes = {address: _register(cluster, address) for address in addresses}
    try:
        gone_s, left_s, picked = asyncio.run(_lose_instances(cluster, processes))
        assert gone_s <= TTL_S + SLACK_S
        assert left_s <= SLACK_S
        assert picked == {addresses[2]}
        assert processes[addresses[1]].wait(10) == 128 + signal.SIGTERM
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


async def _tell_fifty(endpoints: str) -> list[list[Notice]]:
    async with AsyncExitStack() as stack:
        console = await stack.enter_async_context(aio.connect(endpoints))
        board = NoticeBoard(console, "board/")
        bookmark = await board.write("mail", "0")

        async def read() -> list[Notice]:
            async with aio.connect(endpoints) as client:
                seen: list[Notice] = []
                pages = NoticeBoard(client, "board/").follow(bookmark)
                while len(seen) < 10:
                    seen.extend(await anext(pages))
                await pages.aclose()
                return seen

        readers = [asyncio.create_task(read()) for _ in range(READERS)]
        for number in range(1, 11):
            await board.write("mail", str(number))
        return await asyncio.gather(*readers)


def test_fifty_clients_see_each_change_of_a_board_once_and_in_order(
    cluster: LocalProcesses,
) -> None:
    seen = asyncio.run(_tell_fifty(cluster.endpoints))
    wanted = [str(number).encode() for number in range(1, 11)]
    assert [[notice.body for notice in notices] for notices in seen] == [wanted] * READERS
