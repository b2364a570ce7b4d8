"""Enqueuing: where a job goes, and what a taken key or a limit does to it."""

import msgspec
import pytest

from coord import ops
from coord.errors import MaybeDone, Misuse
from coord.testing.local import LocalCluster, in_loop
from workers.errors import DuplicateJob
from workers.model.ids import JobId
from workers.model.job import Job
from workers.model.names import NAME_CHARS_MAX
from workers.model.states import State
from workers.steps.due import DueKind, read_due
from workers.store.jobs import JobStore
from workers.store.new import NewJob, WhenTaken
from workers.testing.hand_timer import START_UNIX_MS, HandTimer

JOB = Job("send", {"to": "ann"})


def store_of(cluster: LocalCluster) -> JobStore:
    return JobStore(cluster.client(), timer=HandTimer())


async def state_of(store: JobStore, job_id: JobId) -> State | None:
    found = await store.find(job_id)
    return found.state if found else None


def unique(name: str = "h", until_unix_ms: int = 0) -> Job:
    return msgspec.structs.replace(JOB, unique=name, unique_until_unix_ms=until_unix_ms)


@in_loop
async def test_a_job_that_waits_for_nothing_is_ready_at_once() -> None:
    store = store_of(LocalCluster())
    job_id = await store.enqueue("mail", JOB, priority=7)
    found = await store.find(job_id)
    assert found is not None
    assert (found.state, found.job, job_id.priority) == (State.READY, JOB, 7)


@in_loop
async def test_more_urgent_jobs_stand_before_others_and_those_alike_in_order_of_arrival() -> None:
    store = store_of(LocalCluster())
    for name, priority in (("a", 4), ("b", 9), ("c", 4), ("d", 0)):
        await store.enqueue("mail", Job(name), priority)
    page = await store.list("mail", State.READY)
    assert [found.name for found in page.jobs] == ["b", "a", "c", "d"]


@in_loop
async def test_a_job_due_in_the_future_waits_and_is_named_where_the_steward_looks() -> None:
    store = store_of(LocalCluster())
    due = START_UNIX_MS + 5
    job_id = await store.enqueue("mail", msgspec.structs.replace(JOB, due_unix_ms=due))
    assert await state_of(store, job_id) is State.LATER
    (kv,) = (await store.client.get(store.places.due, prefix=True)).kvs
    found = read_due(store.places, kv)
    assert (found.unix_ms, found.job, found.kind) == (due, job_id, DueKind.RUN)


@in_loop
async def test_in_a_queue_under_a_limit_jobs_are_parked_behind_it() -> None:
    cluster = LocalCluster()
    store = store_of(cluster)
    cluster.write(ops.put(store.places.queue("mail").limit, "queue.mail"))
    one = await store.enqueue("mail", JOB)
    two, three = await store.enqueue_many([NewJob("mail", JOB), NewJob("other", JOB)])
    assert await state_of(store, one) is State.PARKED
    assert await state_of(store, two) is State.PARKED
    assert await state_of(store, three) is State.READY
    waiting = await store.client.get(store.places.waiting("queue.mail"), prefix=True)
    assert [kv.key.rpartition(b"/")[2].decode() for kv in waiting.kvs] == [str(one), str(two)]


@in_loop
async def test_a_second_job_with_a_taken_key_is_rejected_and_told_who_has_it() -> None:
    store = store_of(LocalCluster())
    first = await store.enqueue("mail", unique())
    with pytest.raises(DuplicateJob, match=str(first)) as caught:
        await store.enqueue("other", unique())
    assert caught.value.job_id == first
    assert await store.queues() == ["mail"]


@in_loop
async def test_a_second_job_may_keep_the_first_instead() -> None:
    store = store_of(LocalCluster())
    first = await store.enqueue("mail", unique())
    assert await store.enqueue("mail", unique(), when_taken=WhenTaken.KEEP) == first
    assert (await store.counts("mail"))[State.READY] == 1


@pytest.mark.parametrize("until_unix_ms", [0, START_UNIX_MS + 1000])
@in_loop
async def test_a_second_job_may_replace_one_that_waits(until_unix_ms: int) -> None:
    store = store_of(LocalCluster())
    due = START_UNIX_MS + 60_000
    later = msgspec.structs.replace(unique("h", until_unix_ms), due_unix_ms=due)
    first = await store.enqueue("mail", later)
    second = await store.enqueue("mail", later, when_taken=WhenTaken.REPLACE)
    assert await state_of(store, first) is State.CANCELLED
    assert await state_of(store, second) is State.LATER
    taken = await store.client.get(store.places.unique("h"), prefix=True)
    assert [kv.key.rpartition(b"/")[2].decode() for kv in taken.kvs] == [str(second)]
    due_now = await store.client.get(store.places.due, prefix=True)
    assert {read_due(store.places, kv).job for kv in due_now.kvs} == {second}


@in_loop
async def test_a_running_job_is_never_replaced() -> None:
    store = store_of(LocalCluster())
    first = await store.enqueue("mail", unique())
    at = store.places.queue("mail")
    async with store.client.session() as session:
        await store.client.claim(at.ready, at.held_by("w"), session.lease)
        with pytest.raises(DuplicateJob, match=str(first)):
            await store.enqueue("mail", unique(), when_taken=WhenTaken.REPLACE)
    assert await state_of(store, first) is State.READY


@in_loop
async def test_repeating_an_enqueue_whose_answer_was_lost_is_safe_with_a_kept_key() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    store = JobStore(client, timer=HandTimer())
    client.lose_answers()
    with pytest.raises(MaybeDone):
        await store.enqueue("mail", unique(), when_taken=WhenTaken.KEEP)
    job_id = await store.enqueue("mail", unique(), when_taken=WhenTaken.KEEP)
    assert await state_of(store, job_id) is State.READY
    assert (await store.counts("mail"))[State.READY] == 1


@pytest.mark.parametrize(
    ("queue", "job", "priority"),
    [
        ("a/b", JOB, 4),
        ("", JOB, 4),
        ("mail", JOB, 10),
        ("mail", JOB, -1),
        ("mail", Job("send", {"x": object()}), 4),
        ("mail", Job("send", group="a/b"), 4),
        ("mail", Job("send", group="pipeline.1.s"), 4),
        ("mail", Job("send", limits=("a/b",)), 4),
        ("mail", Job("send", {"x": "y" * 2_000_000}), 4),
    ],
)
@in_loop
async def test_what_can_never_be_enqueued_is_misuse_and_leaves_nothing(
    queue: str, job: Job, priority: int
) -> None:
    store = store_of(LocalCluster())
    with pytest.raises(Misuse):
        await store.enqueue(queue, job, priority)
    assert await store.queues() == []


@in_loop
async def test_many_jobs_go_in_few_transactions_and_keep_their_order() -> None:
    cluster = LocalCluster()
    store = store_of(cluster)
    ids = await store.enqueue_many(NewJob("mail", Job(str(n))) for n in range(2500))
    assert len(cluster.applied) == 3
    names = [found.name async for found in store.every("mail", State.READY)]
    assert names == [str(n) for n in range(2500)]
    assert [found.id async for found in store.every("mail", State.READY)] == ids


@in_loop
async def test_of_many_jobs_each_is_parked_where_their_queue_is_limited() -> None:
    cluster = LocalCluster()
    store = store_of(cluster)
    cluster.write(ops.put(store.places.queue("mail").limit, "queue.mail"))
    ids = await store.enqueue_many(NewJob("mail", Job(str(n))) for n in range(2500))
    assert (await store.counts("mail"))[State.PARKED] == len(set(ids)) == 2500
    assert [found.id async for found in store.every("mail", State.PARKED)] == ids


@in_loop
async def test_of_many_jobs_those_before_one_that_cannot_be_kept_are_enqueued() -> None:
    store = store_of(LocalCluster())
    news = [NewJob("mail", JOB)] * 1500 + [NewJob("mail", Job("send", {"x": object()}))]
    with pytest.raises(Misuse):
        await store.enqueue_many(news)
    assert (await store.counts("mail"))[State.READY] == 1024


@in_loop
async def test_large_jobs_are_spread_over_transactions_by_size() -> None:
    cluster = LocalCluster()
    store = store_of(cluster)
    large = Job("send", {"text": "x" * 400_000})
    ids = await store.enqueue_many([NewJob("mail", large)] * 5)
    assert len(cluster.applied) == 3
    assert len(set(ids)) == 5


@in_loop
async def test_one_taken_key_fails_its_whole_transaction_where_jobs_are_rejected() -> None:
    store = store_of(LocalCluster())
    first = await store.enqueue("mail", unique())
    with pytest.raises(DuplicateJob, match=str(first)):
        await store.enqueue_many([NewJob("mail", JOB), NewJob("mail", unique())])
    assert (await store.counts("mail"))[State.READY] == 1


@in_loop
async def test_among_many_each_taken_key_is_kept_or_replaced_and_the_rest_enqueued() -> None:
    store = store_of(LocalCluster())
    kept, replaced = await store.enqueue_many(
        [NewJob("mail", unique("a")), NewJob("mail", unique("b"))]
    )
    plain, same, anew, again = await store.enqueue_many(
        [
            NewJob("mail", JOB),
            NewJob("mail", unique("a"), when_taken=WhenTaken.KEEP),
            NewJob("mail", unique("b"), when_taken=WhenTaken.REPLACE),
            NewJob("mail", unique("a"), when_taken=WhenTaken.KEEP),
        ]
    )
    assert (same, again) == (kept, kept)
    assert await state_of(store, replaced) is State.CANCELLED
    assert await state_of(store, anew) is State.READY
    assert await state_of(store, plain) is State.READY


@in_loop
async def test_a_key_given_twice_in_one_call_is_taken_by_the_first() -> None:
    store = store_of(LocalCluster())
    twice = [NewJob("mail", unique(), when_taken=WhenTaken.KEEP)] * 2
    one, other = await store.enqueue_many(twice)
    assert one == other
    assert (await store.counts("mail"))[State.READY] == 1


@in_loop
async def test_no_jobs_at_all_cost_nothing() -> None:
    cluster = LocalCluster()
    assert await store_of(cluster).enqueue_many([]) == []
    assert cluster.applied == []


@in_loop
async def test_a_queue_with_the_longest_name_can_be_limited_as_a_whole() -> None:
    cluster = LocalCluster()
    store = store_of(cluster)
    queue = "q" * NAME_CHARS_MAX
    cluster.write(ops.put(store.places.queue(queue).limit, f"queue.{queue}"))
    await store.enqueue(queue, JOB)
    assert (await store.counts(queue))[State.PARKED] == 1
