"""Single steps: what each needs, what it leaves, and that it fails where something changed."""

import pytest

from coord.model import KeyValue
from coord.testing.local import in_loop
from workers.limits.rule import Rule, encode_rule
from workers.model.ending import Ending, decode_ending
from workers.model.job import Job, decode_job
from workers.model.states import State
from workers.steps.cancel import ask_to_end, end_waiting
from workers.steps.due import DueKind, read_due
from workers.steps.enqueue import enqueue
from workers.steps.held import put_back, snooze
from workers.steps.waiting import admit, fall_due, park, replay
from workers.testing.job_world import JobWorld, read_held


async def _only(world: JobWorld, prefix: bytes) -> KeyValue:
    (kv,) = (await world.client.get(prefix, prefix=True)).kvs
    return kv


async def _job(world: JobWorld, prefix: bytes) -> Job:
    job = decode_job((await _only(world, prefix)).value)
    assert job is not None
    return job


async def _everything(world: JobWorld) -> int:
    return (await world.client.get(world.places.space, prefix=True)).count


@in_loop
async def test_a_unique_key_that_is_taken_enqueues_nothing_and_leaves_no_entry() -> None:
    world = JobWorld()
    await world.enqueue(Job("f", unique="h"))
    before = await _everything(world)
    again = Job("f", unique="h", due_unix_ms=world.in_ms(5), expires_unix_ms=world.in_ms(9))
    move = enqueue(world.places, "q", 4, again, world.timer.now_unix_ms())
    assert not (await world.take(move)).succeeded
    assert await _everything(world) == before


@in_loop
async def test_a_queue_under_a_limit_takes_no_job_that_does_not_name_it() -> None:
    world = JobWorld()
    await world.client.put(world.q.limit, "queue.q")
    now = world.timer.now_unix_ms()
    assert not (await world.take(enqueue(world.places, "q", 4, Job("f"), now))).succeeded
    named = Job("f", limits=("queue.q",))
    assert (await world.take(enqueue(world.places, "q", 4, named, now))).succeeded


@in_loop
async def test_a_stale_claim_neither_ends_nor_puts_off_nor_puts_back() -> None:
    world = JobWorld()
    job_id = await world.enqueue(Job("f"))
    stale = await world.claim("w")
    assert stale is not None
    await world.sessions.pop("w").close()
    held = await world.claim("w")
    assert held is not None
    _, _, job = read_held(world.places, stale)
    token = stale.create_revision
    assert not await world.end(stale)
    assert not await world.retry(stale, 5)
    for move in (
        snooze(world.places, job_id, job, "w", token, 1, world.in_ms(5)),
        put_back(world.places, job_id, job, "w", token, 1),
    ):
        assert not (await world.take(move)).succeeded
    assert await world.end(held)
    assert not await world.end(held)


@in_loop
async def test_a_retry_counts_the_attempts_that_were_lost_with_workers() -> None:
    world = JobWorld()
    await world.enqueue(Job("f"))
    for _ in range(2):
        await world.claim("w")
        await world.sessions.pop("w").close()
    held = await world.claim("w")
    assert held is not None
    assert await world.retry(held, 5)
    job = await _job(world, world.q.later)
    assert (job.tries, job.history[0].number) == (3, 3)


@in_loop
async def test_a_snooze_and_a_job_put_back_count_no_attempt() -> None:
    world = JobWorld()
    job_id = await world.enqueue(Job("f"))
    held = await world.claim()
    assert held is not None
    _, _, job = read_held(world.places, held)
    token = held.create_revision
    await world.take(put_back(world.places, job_id, job, "w", token, 1))
    held = await world.claim()
    assert held is not None
    _, _, job = read_held(world.places, held)
    assert job.tries + held.claims == 1
    move = snooze(world.places, job_id, job, "w", held.create_revision, 1, world.in_ms(5))
    await world.take(move)
    put_off = await _job(world, world.q.later)
    assert (put_off.tries, put_off.snoozes) == (0, 1)


@in_loop
async def test_a_job_asked_to_end_is_not_put_off() -> None:
    world = JobWorld()
    job_id = await world.enqueue(Job("f"))
    held = await world.claim()
    assert held is not None
    assert (await world.take(ask_to_end(world.places, job_id, held, "enough"))).succeeded
    assert not await world.retry(held, 5)
    assert await world.end(held, State.CANCELLED)
    assert await world.items(world.places.cancels) == []
    assert not (await world.take(ask_to_end(world.places, job_id, held, "late"))).succeeded


@in_loop
async def test_a_job_cancelled_while_it_waits_leaves_nothing_but_its_ending() -> None:
    world = JobWorld()
    given = Job(
        "f",
        due_unix_ms=world.in_ms(5),
        expires_unix_ms=world.in_ms(9),
        unique="h",
        group="g",
        limits=("disk",),
    )
    job_id = await world.enqueue(given)
    kv = await _only(world, world.q.later)
    move = end_waiting(world.places, job_id, kv, given, Ending(State.CANCELLED, "f", cause="no"))
    assert (await world.take(move)).succeeded
    ending = decode_ending((await _only(world, world.q.done)).value)
    assert ending is not None
    assert ending.state is State.CANCELLED
    for prefix in (world.places.due, world.places.limits, world.places.unique("h")):
        assert await world.items(prefix) == []
    assert await world.items(world.places.group_open("g")) == []


@in_loop
async def test_a_job_admitted_by_a_rule_that_was_changed_since_stays_parked() -> None:
    world = JobWorld()
    job_id = await world.enqueue(Job("f", limits=("disk",)))
    kv, job = await _only(world, world.q.parked), await _job(world, world.q.parked)
    by_none = admit(world.places, job_id, kv, job, {"disk": 0})
    await world.client.put(world.places.rule("disk"), encode_rule(Rule(concurrency=1)))
    assert not (await world.take(by_none)).succeeded
    rule = await _only(world, world.places.rule("disk"))
    now = admit(world.places, job_id, kv, job, {"disk": rule.mod_revision})
    assert (await world.take(now)).succeeded
    assert await world.items(world.q.ready) == [job_id.item]


@in_loop
async def test_a_job_is_parked_only_while_its_queue_is_under_a_limit() -> None:
    world = JobWorld()
    job_id = await world.enqueue(Job("f"))
    kv, job = await _only(world, world.q.ready), await _job(world, world.q.ready)
    move = park(world.places, job_id, kv, job)
    assert not (await world.take(move)).succeeded
    await world.client.put(world.q.limit, "queue.q")
    assert (await world.take(move)).succeeded
    assert await world.items(world.places.waiting("queue.q")) == [str(job_id)]


@pytest.mark.parametrize("limited", [False, True])
@in_loop
async def test_a_dead_job_put_back_is_as_new_but_for_its_history(limited: bool) -> None:
    world = JobWorld()
    job_id = await world.enqueue(Job("f", group="g", expires_unix_ms=world.in_ms(50)))
    held = await world.claim()
    assert held is not None
    assert await world.end(held, State.DEAD)
    kv, job = await _only(world, world.q.dead), await _job(world, world.q.dead)
    if limited:
        await world.client.put(world.q.limit, "queue.q")
        stale = replay(world.places, job_id, kv, job, queue_limited=False)
        assert not (await world.take(stale)).succeeded
    move = replay(world.places, job_id, kv, job, queue_limited=limited)
    assert (await world.take(move)).succeeded
    back = await _job(world, world.q.parked if limited else world.q.ready)
    assert (back.tries, back.expires_unix_ms) == (0, 0)
    assert await world.items(world.q.done) == []
    assert await world.items(world.places.group_ended("g")) == []
    assert await world.items(world.places.group_open("g")) == [str(job_id)]


@in_loop
async def test_the_agenda_says_what_was_put_on_it() -> None:
    world = JobWorld()
    at = world.in_ms(5)
    job_id = await world.enqueue(
        Job("f", due_unix_ms=at, expires_unix_ms=at, unique="h", unique_until_unix_ms=at)
    )
    kvs = (await world.client.get(world.places.due, prefix=True)).kvs
    dues = [read_due(world.places, kv) for kv in kvs]
    entries = {(due.kind, due.unix_ms, due.job, due.unique) for due in dues}
    assert entries == {
        (DueKind.RUN, at, job_id, ""),
        (DueKind.EXPIRE, at, job_id, ""),
        (DueKind.FORGET_UNIQUE, at, job_id, "h"),
    }


@in_loop
async def test_a_job_falls_due_once() -> None:
    world = JobWorld()
    await world.enqueue(Job("f", due_unix_ms=world.in_ms(5)))
    kv, job = await _only(world, world.q.later), await _job(world, world.q.later)
    due = read_due(world.places, await _only(world, world.places.due))
    move = fall_due(world.places, due, kv, job, queue_limited=False)
    assert (await world.take(move)).succeeded
    assert not (await world.take(move)).succeeded
    assert len(await world.items(world.q.ready)) == 1
