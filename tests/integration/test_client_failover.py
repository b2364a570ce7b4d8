"""Clients of a real cluster whose leader dies or freezes: nothing lost, nothing done twice."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import coord
from coord import aio
from coord.testing.local_cluster import LocalProcesses, started_cluster

pytestmark = pytest.mark.integration

WORKERS = 50
PUTS_EACH = 60
TIMEOUT_MS = 30_000


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalProcesses]:
    with started_cluster(tmp_path) as running:
        yield running


async def write_under_trouble(
    cluster: LocalProcesses, trouble: signal.Signals
) -> tuple[Counter[bytes], list[bytes], bool]:
    """Write from many tasks, follow by watch, hold a session; make trouble on the way.

    Returns:
        How often each value stands in the store, the values the watch told in order, and whether
        the session was lost.
    """
    async with aio.connect(cluster.endpoints, timeout_ms=TIMEOUT_MS) as client:
        watch = await client.watch("seq/", prefix=True)
        session = await client.session(20_000)
        warm = asyncio.Event()
        count = 0

        async def work(number: int) -> None:
            nonlocal count
            for at in range(PUTS_EACH):
                await client.put("seq/", f"{number}-{at}", sequence=True)
                count += 1
                if count == WORKERS * PUTS_EACH // 3:
                    warm.set()

        leader = cluster.pid(cluster.leader)
        assert leader is not None

        async def disturb() -> None:
            await warm.wait()
            os.kill(leader, trouble)

        try:
            await asyncio.gather(disturb(), *(work(number) for number in range(WORKERS)))
        finally:
            with suppress(ProcessLookupError):
                os.kill(leader, signal.SIGCONT)  # what it still holds must change nothing
        await client.put("after", "all")
        told: list[bytes] = []
        while len(told) < WORKERS * PUTS_EACH:
            batch = await watch.take(TIMEOUT_MS)
            assert batch is not None, f"the watch told {len(told)} events and fell silent"
            told += [event.kv.value for event in batch.events]
        stored = await client.get("seq/", prefix=True)
        lost = session.lost.is_set()
        assert [kv.value for kv in stored.kvs] == told, "not in the order of the store"
        return Counter(kv.value for kv in stored.kvs), told, lost


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP])
def test_every_write_is_done_once_though_the_leader_goes(
    cluster: LocalProcesses, trouble: signal.Signals
) -> None:
    stored, told, lost = asyncio.run(write_under_trouble(cluster, trouble))
    assert len(stored) == WORKERS * PUTS_EACH
    assert set(stored.values()) == {1}
    assert len(told) == len(set(told))
    assert not lost


def test_leadership_moves_on_request_and_requests_go_on(cluster: LocalProcesses) -> None:
    with coord.connect(cluster.endpoints, timeout_ms=TIMEOUT_MS) as client:
        client.put("k", "1")
        before = client.status().leader
        target = next(m.node for m in client.status().members if m.node != before)
        client.transfer_leader(target)
        client.put("k", "2")
        assert client.get("k").kvs[0].value == b"2"
        statuses = client.statuses()
        assert len(statuses) == 3
        assert all(isinstance(answer, coord.StatusReply) for answer in statuses.values())


def test_a_cluster_without_majority_says_unavailable_or_maybe(cluster: LocalProcesses) -> None:
    with coord.connect(cluster.endpoints, timeout_ms=1_500) as client:
        client.put("k", "1")
        pids = [cluster.pid(node["name"]) for node in cluster.state["nodes"]]
        for pid in pids[:2]:
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises((coord.Unavailable, coord.MaybeDone)):
                client.put("k", "2")
            with pytest.raises(coord.Unavailable):
                client.get("k")
        finally:
            for pid in pids[:2]:
                assert pid is not None
                os.kill(pid, signal.SIGCONT)
        client.put("k", "3", timeout_ms=TIMEOUT_MS)
        assert client.get("k", timeout_ms=TIMEOUT_MS).kvs[0].value == b"3"
