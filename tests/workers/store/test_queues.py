"""Looking at queues: names, counts, pages; pausing and resuming."""

from typing import Any

import pytest

from coord import ops
from coord.errors import Misuse
from coord.testing.local import LocalCluster, in_loop
from workers.model.job import Job
from workers.model.states import State
from workers.store.jobs import JobStore
from workers.store.new import NewJob
from workers.testing.hand_timer import START_UNIX_MS, HandTimer

JOB = Job("send")


def store_of(cluster: LocalCluster) -> JobStore:
    return JobStore(cluster.client(), timer=HandTimer())


@in_loop
async def test_queues_are_there_once_they_hold_something() -> None:
    store = store_of(LocalCluster())
    assert await store.queues() == []
    for queue in ("mail", "a", "mail.eu", "mail-2"):
        await store.enqueue_many([NewJob(queue, JOB)] * 3)
    assert await store.queues() == ["a", "mail", "mail-2", "mail.eu"]


@in_loop
async def test_counts_are_of_one_revision_and_by_state() -> None:
    store = store_of(LocalCluster())
    ids = [await store.enqueue("mail", JOB) for _ in range(3)]
    await store.enqueue("mail", Job("send", due_unix_ms=START_UNIX_MS + 1))
    await store.enqueue("mail", Job("send", limits=("tenant.a",)))
    await store.cancel(ids[0])
    async with store.client.session() as session:
        at = store.places.queue("mail")
        await store.client.claim(at.ready, at.held_by("w"), session.lease)
        counts = await store.counts("mail")
    assert counts == {
        State.READY: 1,
        State.HELD: 1,
        State.LATER: 1,
        State.PARKED: 1,
        State.DEAD: 0,
        State.DONE: 1,
    }


@in_loop
async def test_a_queue_can_be_paused_with_a_reason_and_resumed_once() -> None:
    cluster = LocalCluster()
    store = store_of(cluster)
    job_id = await store.enqueue("mail", JOB)
    await store.pause("mail", "deploy")
    cluster.write(ops.put(store.places.queue("mail").limit, "queue.mail"))
    view = await store.view("mail")
    assert (view.shut, view.limit) == ({"pause": "deploy"}, "queue.mail")
    assert view.oldest_item == job_id.item
    assert await store.resume("mail")
    assert not await store.resume("mail")
    assert (await store.view("mail")).shut == {}


@in_loop
async def test_a_listing_comes_in_pages_that_lose_and_repeat_nothing() -> None:
    store = store_of(LocalCluster())
    ids = await store.enqueue_many([NewJob("mail", JOB)] * 1203)
    seen = []
    after = ""
    pages = 0
    while True:
        page = await store.list("mail", State.READY, 500, after)
        seen += [found.id for found in page.jobs]
        pages += 1
        after = page.after
        if not after:
            break
    assert (seen, pages) == (ids, 3)


@in_loop
async def test_jobs_too_large_for_one_answer_are_listed_all_the_same() -> None:
    store = store_of(LocalCluster())
    large = Job("send", {"text": "x" * 900_000})
    ids = await store.enqueue_many([NewJob("mail", large)] * 40)
    assert [found.id async for found in store.every("mail", State.READY)] == ids


@in_loop
async def test_jobs_that_run_are_listed_with_their_worker() -> None:
    store = store_of(LocalCluster())
    ids = [await store.enqueue("mail", JOB) for _ in range(2)]
    at = store.places.queue("mail")
    async with store.client.session() as session:
        await store.client.claim(at.ready, at.held_by("b"), session.lease)
        await store.client.claim(at.ready, at.held_by("a"), session.lease)
        first = await store.list("mail", State.HELD, 1)
        second = await store.list("mail", State.HELD, 1, first.after)
    assert [(found.id, found.worker) for found in (*first.jobs, *second.jobs)] == [
        (ids[1], "a"),
        (ids[0], "b"),
    ]
    assert second.after == ""


@in_loop
async def test_endings_are_listed_by_how_jobs_ended() -> None:
    store = store_of(LocalCluster())
    job_id = await store.enqueue("mail", JOB)
    await store.cancel(job_id, "so")
    (found,) = (await store.list("mail", State.CANCELLED)).jobs
    assert (found.id, found.name, found.ending is None) == (job_id, "send", False)
    assert (await store.list("mail", State.DONE)).jobs == ()


@pytest.mark.parametrize("state", ["ready", "later", "done", "nonsense", None])
@in_loop
async def test_a_state_that_is_none_is_refused_and_nothing_is_purged(state: Any) -> None:
    store = store_of(LocalCluster())
    cancelled = await store.enqueue("mail", JOB)
    await store.cancel(cancelled)
    with pytest.raises(Misuse, match="State"):
        await store.purge("mail", state)
    with pytest.raises(Misuse, match="State"):
        await store.list("mail", state)
    with pytest.raises(Misuse, match="queue 'a/b'"):
        await store.list("a/b", State.READY)
    assert (await store.list("mail", State.CANCELLED)).jobs[0].id == cancelled
