"""Many who wait for jobs of one queue: few requests, and each is told what those alone are told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from coord import ops
from coord.errors import Refused, Unavailable
from coord.requests import TxnReply
from coord.testing.local import LocalClient, LocalCluster, LocalWatch, in_loop, settle
from workers.errors import NotKept, UnknownJob
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.job import Job
from workers.model.states import State
from workers.store.jobs import ALONE_MAX, JobStore
from workers.store.new import NewJob
from workers.testing.hand_timer import HandTimer
from workers.testing.hand_worker import HandWorker

MANY = 100
NOBODY = JobId("mail", "4" + "0" * 20)


class CountingClient(LocalClient):
    """Counts what is asked, and can be made to fail."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.watches = 0
        self.reads = 0
        self.broken = False

    def watch(self, *args: object, **options: object) -> LocalWatch:
        self.watches += 1
        return super().watch(*args, **options)  # type: ignore[arg-type]

    async def txn(self, *args: object, **options: object) -> TxnReply:
        self.reads += 1
        if self.broken:
            raise Unavailable("nobody is there")
        return await super().txn(*args, **options)  # type: ignore[arg-type]


class Crowd:
    """A store, many jobs, and somebody waiting for each."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.client = CountingClient(self.cluster)
        self.store = JobStore(self.client, timer=HandTimer())
        self.ids: list[JobId] = []
        self.waits: list[asyncio.Task[Ending]] = []

    async def gather(self, job: Job = Job("send")) -> None:  # noqa: B008
        """Enqueue many jobs and begin to wait for them."""
        self.ids = await self.store.enqueue_many([NewJob("mail", job)] * MANY)
        self.client.watches = self.client.reads = 0
        await self.wait_for(self.ids)

    async def wait_for(self, ids: Sequence[JobId]) -> None:
        """Begin to wait for some more."""
        self.waits += [asyncio.create_task(self.store.wait(job_id)) for job_id in ids]
        await settle()

    async def end(self, count: int) -> None:
        """Complete the first ready jobs."""
        client = self.cluster.client()
        async with client.session() as session:
            worker = HandWorker(client, session.lease)
            for held in await worker.take("mail", count):
                assert await worker.complete(held)
        await settle()

    async def disperse(self) -> None:
        """End all waits."""
        for wait in self.waits:
            wait.cancel()
        await asyncio.gather(*self.waits, return_exceptions=True)


@in_loop
async def test_many_waits_share_one_watch_and_few_reads_and_each_is_told() -> None:
    crowd = Crowd()
    await crowd.gather()
    assert crowd.client.watches == ALONE_MAX + 1
    assert crowd.client.reads < ALONE_MAX + 4
    await crowd.end(60)
    assert [wait.done() for wait in crowd.waits] == [True] * 60 + [False] * 40
    await crowd.end(40)
    assert {wait.result().state for wait in crowd.waits} == {State.DONE}


@in_loop
async def test_what_ended_before_the_watch_stood_is_found_by_looking() -> None:
    crowd = Crowd()
    crowd.ids = await crowd.store.enqueue_many([NewJob("mail", Job("send"))] * MANY)
    await crowd.end(MANY)
    await crowd.wait_for(crowd.ids)
    assert all(wait.done() for wait in crowd.waits)


@in_loop
async def test_two_who_wait_for_the_same_job_are_both_told_though_a_third_goes_away() -> None:
    crowd = Crowd()
    await crowd.gather()
    await crowd.wait_for([crowd.ids[50], crowd.ids[50]])
    crowd.waits[50].cancel()
    await crowd.end(MANY)
    assert [wait.result().state for wait in crowd.waits[-2:]] == [State.DONE] * 2
    await crowd.disperse()


@in_loop
async def test_once_nobody_waits_nothing_is_followed_and_waiting_can_begin_again() -> None:
    crowd = Crowd()
    await crowd.gather()
    await crowd.disperse()
    watches = crowd.client.watches
    crowd.waits.clear()
    await crowd.wait_for(crowd.ids)
    assert crowd.client.watches > watches
    await crowd.end(MANY)
    assert all(wait.done() for wait in crowd.waits)


@in_loop
async def test_in_a_crowd_too_nobody_waits_for_what_will_never_be_told() -> None:
    crowd = Crowd()
    await crowd.gather()
    unkept = [NewJob("mail", Job("send", result_ttl_ms=0))] * 2
    ready, held = await crowd.store.enqueue_many(unkept)
    at = crowd.store.places.queue("mail")
    async with crowd.cluster.client().session() as session:
        # Claims take the first: the one that is to be held goes before all others.
        (kv,) = (await crowd.client.get(at.ready + held.item.encode())).kvs
        first = JobId("mail", "0" + held.item[1:])
        crowd.cluster.write(ops.put(at.ready + first.item.encode(), kv.value))
        await crowd.client.claim(at.ready, at.held_by("w"), session.lease)
        await crowd.wait_for([NOBODY, ready, first])
    nobody, of_ready, of_held = crowd.waits[-3:]
    assert isinstance(nobody.exception(), UnknownJob)
    assert isinstance(of_ready.exception(), NotKept)
    assert isinstance(of_held.exception(), NotKept)
    assert not crowd.waits[0].done()
    await crowd.disperse()


@in_loop
async def test_a_crowd_outlives_compaction() -> None:
    crowd = Crowd()
    await crowd.gather()
    crowd.cluster.cut_watches()
    await crowd.end(MANY)
    assert not any(wait.done() for wait in crowd.waits)
    crowd.cluster.fail_cut_watches()
    await settle()
    assert all(wait.done() for wait in crowd.waits)


@in_loop
async def test_a_cluster_that_is_away_fails_those_who_ask_and_no_other() -> None:
    crowd = Crowd()
    await crowd.gather()
    crowd.client.broken = True
    await crowd.wait_for([NOBODY])
    with pytest.raises(Unavailable):
        await crowd.waits[-1]
    crowd.client.broken = False
    await crowd.end(MANY)
    assert all(wait.done() for wait in crowd.waits)


@in_loop
async def test_jobs_too_large_for_one_look_are_looked_for_in_parts() -> None:
    crowd = Crowd()
    await crowd.gather(Job("send", {"text": "x" * 500_000}))
    for _ in range(MANY // 20):
        await crowd.end(20)
    assert {wait.result().state for wait in crowd.waits} == {State.DONE}


@in_loop
async def test_when_the_watch_ends_for_good_everybody_is_told() -> None:
    crowd = Crowd()
    await crowd.gather()
    crowd.cluster.cut_watches()
    for watch in crowd.cluster._cut:
        watch.fail(Unavailable("the client is closed"))
    await settle()
    assert all(isinstance(wait.exception(), Unavailable) for wait in crowd.waits)


@in_loop
async def test_an_ending_that_cannot_be_read_is_said_to_be_so() -> None:
    crowd = Crowd()
    await crowd.gather()
    done = crowd.store.places.queue("mail").done
    for job_id in crowd.ids:
        crowd.cluster.write(ops.put(done + job_id.item.encode(), "rubbish"))
    await settle()
    failures = [wait.exception() for wait in crowd.waits]
    assert all(isinstance(failure, Refused) for failure in failures)


class LateClient(CountingClient):
    """Lets something happen between two reads of one look."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.meanwhile: list[Callable[[], Awaitable[object]]] = []

    async def txn(self, *args: object, **options: object) -> TxnReply:
        reply = await super().txn(*args, **options)
        if self.meanwhile:
            await self.meanwhile.pop()()
        return reply


@in_loop
async def test_a_job_that_ends_unkept_while_it_is_looked_for_keeps_nobody_waiting() -> None:
    cluster = LocalCluster()
    client, other = LateClient(cluster), cluster.client()
    store = JobStore(client, timer=HandTimer())
    kept = await store.enqueue_many([NewJob("mail", Job("send"))] * ALONE_MAX)
    async with other.session() as session:
        worker = HandWorker(other, session.lease)
        unkept = await store.enqueue("mail", Job("send", result_ttl_ms=0), priority=9)
        (held,) = await worker.take("mail", 1)
        waits = [asyncio.create_task(store.wait(job_id)) for job_id in kept]
        await settle()
        client.meanwhile = [lambda: worker.complete(held)]
        async with asyncio.timeout(5):
            with pytest.raises((UnknownJob, NotKept)):
                await store.wait(unkept)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
