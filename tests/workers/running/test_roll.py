"""The roll of living workers: entries, names, orders, stacks."""

import asyncio
import os
import signal
from pathlib import Path

import msgspec
import pytest

from coord.errors import ErrorCode, Unavailable
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from workers.model.job import Job
from workers.model.places import Places
from workers.model.states import State
from workers.running.notice import Notice, Urgency
from workers.running.registration import Registration
from workers.running.roll import (
    Order,
    WorkerEntry,
    give_order,
    living_workers,
    read_entry,
    read_order,
)
from workers.store.jobs import JobStore
from workers.testing.at_work import working
from workers.testing.endings import DEADLINE_S, ended, shows

PLACES = Places()
ENTRY = WorkerEntry("w", "host", 1, "1.0", ("default",), 2)


def obey_nothing(order: Order) -> None:
    raise AssertionError(order)


@in_loop
async def test_a_worker_is_on_the_roll_for_as_long_as_its_session_lasts() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        await Registration(client, session, PLACES, lambda: ENTRY, obey_nothing).enter()
        assert await living_workers(client, PLACES) == [ENTRY]
    assert await living_workers(client, PLACES) == []


@in_loop
async def test_a_second_worker_of_a_name_waits_until_the_first_is_gone() -> None:
    client = LocalCluster().client()
    second = msgspec.structs.replace(ENTRY, pid=2)
    async with client.session() as waits:
        async with client.session() as session:
            await Registration(client, session, PLACES, lambda: ENTRY, obey_nothing).enter()
            late = Registration(client, waits, PLACES, lambda: second, obey_nothing)
            entering = asyncio.create_task(late.enter())
            await settle()
            assert not entering.done()
        assert await entering
        assert await living_workers(client, PLACES) == [second]


@in_loop
async def test_orders_reach_a_living_worker_once_and_old_ones_do_not() -> None:
    client = LocalCluster().client()
    obeyed: list[Order] = []
    assert await give_order(client, PLACES, "w", Order.STOP) == 0
    await client.put(PLACES.order("w"), Order.STOP.value)
    async with client.session() as session:
        registration = Registration(client, session, PLACES, lambda: ENTRY, obeyed.append)
        await registration.enter()
        following = asyncio.create_task(registration.follow_orders())
        assert await give_order(client, PLACES, "w", Order.DRAIN) > 0
        await client.put(PLACES.order("w"), "nonsense")
        await settle()
        following.cancel()
    assert obeyed == [Order.DRAIN]
    assert not (await client.get(PLACES.order("w"))).kvs


def test_values_that_are_neither_entry_nor_order_are_passed_over() -> None:
    assert read_entry(b"no entry") is None
    assert read_order(b"no order") is None
    assert read_order(b"\xff") is None


@in_loop
async def test_notice_only_becomes_more_urgent() -> None:
    notice = Notice()
    waiting = asyncio.create_task(notice.at_least(Urgency.STOP))
    notice.give(Urgency.DRAIN)
    await settle()
    assert not waiting.done()
    notice.give(Urgency.NOW)
    await waiting
    notice.give(Urgency.DRAIN)
    assert notice.urgency is Urgency.NOW


@pytest.mark.integration
@in_loop
async def test_a_worker_waiting_for_its_name_can_be_told_to_end(app: str) -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        await client.put(PLACES.workers + b"w", b"other", lease=session.lease)
        async with asyncio.timeout(DEADLINE_S), working(client, app) as worker:
            while not worker.pids:
                await settle()


class OutOfReach(LocalClient):
    """A cluster that cannot be reached."""

    tries = 0

    def session(self, ttl_ms: int = 10_000) -> LocalSession:
        self.tries += 1
        raise Unavailable("nobody there", ErrorCode.TIMED_OUT)


@pytest.mark.integration
@in_loop
async def test_a_worker_without_a_cluster_tries_again_until_told_to_end(app: str) -> None:
    client = OutOfReach(LocalCluster())
    async with asyncio.timeout(DEADLINE_S), working(client, app):
        while client.tries < 2:
            await settle()


@pytest.mark.integration
@in_loop
async def test_term_sent_to_a_whole_group_leaves_the_jobs_to_the_worker(
    app: str, tmp_path: Path
) -> None:
    store = JobStore(LocalCluster().client())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    job = await store.enqueue("default", Job("read", {"pipe": str(pipe)}, attempts_max=1))
    async with working(store.client, app) as worker:
        await shows(store, "reading")
        for pid in worker.pids:
            os.kill(pid, signal.SIGTERM)
        await asyncio.to_thread(pipe.write_text, "read")
        assert (await store.wait(job)).state is State.DONE


@pytest.mark.integration
@in_loop
async def test_two_workers_share_a_queue_and_each_job_ends_once(app: str) -> None:
    cluster = LocalCluster()
    store = JobStore(cluster.client())
    async with (
        working(cluster.client(), app, name="a", slots=2) as first,
        working(cluster.client(), app, name="b", slots=2) as second,
    ):
        for _ in range(3):
            jobs = [await store.enqueue("default", Job("noop")) for _ in range(50)]
            async with asyncio.timeout(DEADLINE_S):
                endings = [await store.wait(job) for job in jobs]
            assert {ending.attempt for ending in endings} == {1}
        await ended(store, Job("double", {"number": 1}))
        assert first.tally.done + second.tally.done == 151
        idle = await store.client.get("coord/queue/default/idle/", prefix=True)
        assert idle.count <= 2
