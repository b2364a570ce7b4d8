"""Cancelling, waiting for the end, replaying, purging."""

import asyncio

import msgspec
import pytest

from coord import ops
from coord.errors import Misuse
from coord.model import KeyValue
from coord.requests import ClaimReply, LeaseRevoke
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from workers.errors import NotKept, NotReplayable, UnknownJob
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.job import DAY_MS, Job, decode_job
from workers.model.states import State
from workers.steps.held import end_held
from workers.store.jobs import JobStore
from workers.testing.hand_timer import HandTimer

JOB = Job("send", {"to": "ann"})
NOBODY = JobId("mail", "4" + "0" * 20)


def store_of(client: LocalClient) -> JobStore:
    return JobStore(client, timer=HandTimer())


async def claimed(store: JobStore, session: LocalSession) -> KeyValue:
    at = store.places.queue("mail")
    reply: ClaimReply = await store.client.claim(at.ready, at.held_by("w"), session.lease)
    return reply.kvs[0]


async def end(store: JobStore, job_id: JobId, kv: KeyValue, state: State) -> None:
    job = decode_job(kv.value)
    assert job is not None
    ending = Ending(state, job.name, token=kv.create_revision, attempt=1, cause="it broke")
    move = end_held(store.places, job_id, job, "w", ending)
    assert (await store.client.txn(move.compare, move.ops)).succeeded


@in_loop
async def test_cancelling_a_waiting_job_ends_it_at_once_and_keeps_how() -> None:
    store = store_of(LocalCluster().client())
    job_id = await store.enqueue("mail", JOB)
    assert await store.cancel(job_id, "not needed") is State.CANCELLED
    found = await store.find(job_id)
    assert found is not None
    assert found.ending is not None
    assert (found.state, found.ending.cause) == (State.CANCELLED, "not needed")
    assert await store.cancel(job_id) is State.CANCELLED


@in_loop
async def test_an_ending_is_forgotten_by_the_store_in_time_and_not_before() -> None:
    cluster = LocalCluster()
    store = store_of(cluster.client())
    job_id = await store.enqueue("mail", JOB)
    await store.cancel(job_id)
    cluster.advance(DAY_MS - 1000)
    assert await store.find(job_id) is not None
    cluster.advance(DAY_MS // 2)
    assert await store.find(job_id) is None
    with pytest.raises(UnknownJob, match=str(job_id)):
        await store.cancel(job_id)


@in_loop
async def test_a_lease_that_is_gone_does_not_keep_a_job_from_being_cancelled() -> None:
    cluster = LocalCluster()
    store = store_of(cluster.client())
    first, second = await store.enqueue("mail", JOB), await store.enqueue("mail", JOB)
    await store.cancel(first)
    found = await store.find(first)
    assert found is not None
    cluster.write(LeaseRevoke(found.kv.lease))
    assert await store.cancel(second) is State.CANCELLED


@in_loop
async def test_cancelling_a_running_job_asks_its_worker_durably() -> None:
    store = store_of(LocalCluster().client())
    job_id = await store.enqueue("mail", JOB)
    async with store.client.session() as session:
        assert isinstance(session, LocalSession)
        await claimed(store, session)
        assert await store.cancel(job_id, "too slow") is State.HELD
        found = await store.find(job_id)
        assert found is not None
        assert (found.worker, found.cancel_reason, found.attempt) == ("w", "too slow", 1)
    # Given back: who cancels again ends it, and nothing is left that asks.
    assert await store.cancel(job_id) is State.CANCELLED
    assert not (await store.client.get(store.places.cancels, prefix=True)).kvs


@in_loop
async def test_nothing_is_known_of_a_job_that_never_was() -> None:
    store = store_of(LocalCluster().client())
    assert await store.find(NOBODY) is None
    for asking in (store.wait(NOBODY), store.cancel(NOBODY), store.replay(NOBODY)):
        with pytest.raises(UnknownJob):
            await asking


@in_loop
async def test_who_waits_is_told_when_the_job_ends() -> None:
    store = store_of(LocalCluster().client())
    job_id = await store.enqueue("mail", JOB)
    waiting = asyncio.create_task(store.wait(job_id))
    async with store.client.session() as session:
        assert isinstance(session, LocalSession)
        kv = await claimed(store, session)
        late = asyncio.create_task(store.wait(job_id))
        await settle()
        assert not waiting.done()
        assert not late.done()
        await end(store, job_id, kv, State.DONE)
    assert (await waiting).state is State.DONE
    assert (await late).state is State.DONE
    assert (await store.wait(job_id)).state is State.DONE


@in_loop
async def test_who_waits_outlives_compaction() -> None:
    cluster = LocalCluster()
    store = store_of(cluster.client())
    job_id = await store.enqueue("mail", JOB)
    waiting = asyncio.create_task(store.wait(job_id))
    await settle()
    cluster.cut_watches()
    await store.cancel(job_id)
    cluster.fail_cut_watches()
    assert (await waiting).state is State.CANCELLED


@in_loop
async def test_nobody_can_wait_for_a_job_whose_ending_is_not_kept() -> None:
    store = store_of(LocalCluster().client())
    job_id = await store.enqueue("mail", msgspec.structs.replace(JOB, result_ttl_ms=0))
    with pytest.raises(NotKept):
        await store.wait(job_id)
    async with store.client.session() as session:
        assert isinstance(session, LocalSession)
        await claimed(store, session)
        with pytest.raises(NotKept):
            await store.wait(job_id)


@pytest.mark.parametrize("limited", [False, True])
@in_loop
async def test_a_dead_job_is_put_back_with_its_attempts_counted_anew(limited: bool) -> None:
    cluster = LocalCluster()
    store = store_of(cluster.client())
    job_id = await store.enqueue("mail", msgspec.structs.replace(JOB, tries=4))
    async with store.client.session() as session:
        assert isinstance(session, LocalSession)
        await end(store, job_id, await claimed(store, session), State.DEAD)
    dead = await store.find(job_id)
    assert dead is not None
    assert dead.ending is not None
    assert (dead.state, dead.ending.cause, dead.job is None) == (State.DEAD, "it broke", False)
    if limited:
        cluster.write(ops.put(store.places.queue("mail").limit, "queue.mail"))
    await store.replay(job_id)
    back = await store.find(job_id)
    assert back is not None
    assert back.job is not None
    assert (back.state, back.job.tries) == (State.PARKED if limited else State.READY, 0)
    with pytest.raises(NotReplayable, match="only a dead one"):
        await store.replay(job_id)


@in_loop
async def test_purging_cancels_what_waits_in_chunks_and_tells_who_waits_for_it() -> None:
    cluster = LocalCluster()
    store = store_of(cluster.client())
    ids = [await store.enqueue("mail", JOB) for _ in range(100)]
    waiting = asyncio.create_task(store.wait(ids[99]))
    await settle()
    cluster.applied.clear()
    assert await store.purge("mail", State.READY) == 100
    assert len(cluster.applied) == 3  # a lease, two chunks
    assert (await waiting).cause == "purged"
    counts = await store.counts("mail")
    assert (counts[State.READY], counts[State.DONE]) == (0, 100)
    assert await store.purge("mail", State.CANCELLED) == 100
    assert await store.queues() == []


@in_loop
async def test_purging_dead_jobs_leaves_nothing_of_them_and_running_ones_cannot_be_purged() -> None:
    store = store_of(LocalCluster().client())
    job_id = await store.enqueue("mail", JOB)
    async with store.client.session() as session:
        assert isinstance(session, LocalSession)
        kv = await claimed(store, session)
        with pytest.raises(Misuse, match="one by one"):
            await store.purge("mail", State.HELD)
        await end(store, job_id, kv, State.DEAD)
    assert await store.purge("mail", State.DEAD) == 1
    assert await store.find(job_id) is None
    assert await store.queues() == []


@in_loop
async def test_what_is_no_job_can_be_seen_and_purged_but_not_cancelled() -> None:
    cluster = LocalCluster()
    store = store_of(cluster.client())
    cluster.write(ops.put(store.places.queue("mail").ready + NOBODY.item.encode(), "rubbish"))
    found = await store.find(NOBODY)
    assert found is not None
    assert (found.job, found.name, found.attempt, found.tags) == (None, "", 0, ())
    assert await store.purge("mail", State.READY) == 1
    assert await store.find(NOBODY) is None
