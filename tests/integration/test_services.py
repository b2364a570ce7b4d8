"""Real instances that are killed or stopped, and what real balancers and readers see of it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from coord import aio
from coord.testing.local_cluster import LocalProcesses, started_cluster
from recipes.balancer import Balancer
from recipes.board import Notice, NoticeBoard
from recipes.live import Live
from recipes.partitioner import Partitioner, Share
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


MEMBER = """
import asyncio
from coord import aio
from recipes.partitioner import Partitioner

async def main():
    async with aio.connect() as client:
        part = Partitioner(client, "parts/", "doomed", ttl_ms=1000)
        await part.run(lambda share: asyncio.Event().wait())

asyncio.run(main())
"""


async def _lose_a_member(cluster: LocalProcesses, doomed: subprocess.Popen[bytes]) -> float:
    """Hold items beside another member, kill that, and time until all are held again."""

    async def work(share: Share) -> None:
        await asyncio.Event().wait()

    async with aio.connect(cluster.endpoints) as client, Live(client, "parts/claims/") as claims:
        part = Partitioner(client, "parts/", "survivor", ttl_ms=1000)
        for number in range(6):
            await part.add(f"i{number}")
        running = asyncio.create_task(part.run(work))
        async with asyncio.timeout(30):
            await claims.until(lambda: _holders(claims) == [3, 3])
            doomed.kill()
            began_s = time.monotonic()
            await claims.until(lambda: _holders(claims) == [6])
        took_s = time.monotonic() - began_s
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await claims.until(lambda: not claims.keys)
        return took_s


def _holders(claims: Live) -> list[int]:
    """Return how many items each holder has."""
    return list(Counter(kv.lease for kv in claims.keys.values()).values())


def test_a_killed_members_items_are_held_by_others_within_its_ttl(cluster: LocalProcesses) -> None:
    environment = os.environ | {"COORD_ENDPOINTS": cluster.endpoints}
    doomed = subprocess.Popen([sys.executable, "-c", MEMBER], env=environment)
    try:
        assert asyncio.run(_lose_a_member(cluster, doomed)) <= TTL_S + SLACK_S
    finally:
        doomed.kill()
        doomed.wait()
