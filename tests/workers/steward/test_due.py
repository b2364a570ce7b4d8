"""What is due is done: at its time, once, soonest first, by whoever is in office."""

import asyncio
from collections.abc import Iterable

import msgspec
import pytest

from coord.client import ops
from coord.errors import MaybeDone
from coord.requests import Compare, TxnOp, TxnReply
from coord.testing.local import LocalClient, in_loop, settle
from recipes.errors import NotLeader
from workers.model.ending import decode_ending
from workers.model.job import Job
from workers.model.places import Places
from workers.model.states import State
from workers.steward import due as due_module
from workers.steward.due import DueChore
from workers.testing.job_world import JobWorld, at_work
from workers.testing.office import new_term

PLACES = Places()
Q = PLACES.queue("q")


class _LosesOneMove(LocalClient):
    """The answer to the first guarded transaction is lost."""

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        guards = tuple(compare)
        if guards:
            self.lose_answers()
        return await super().txn(guards, success, failure)


@in_loop
async def test_a_job_stands_ready_at_its_time_and_not_before() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        job_id = await world.enqueue(Job("f", due_unix_ms=world.in_ms(500)))
        await world.advance(499)
        assert await world.items(Q.later) == [job_id.item]
        await world.advance(1)
        assert await world.items(Q.ready) == [job_id.item]
        assert await world.items(Q.later) == await world.items(PLACES.due) == []


@in_loop
async def test_a_sooner_job_is_not_kept_by_one_slept_for() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        await world.enqueue(Job("slow", due_unix_ms=world.in_ms(10_000)))
        await settle()
        soon = await world.enqueue(Job("fast", due_unix_ms=world.in_ms(10)))
        await world.advance(10)
        assert await world.items(Q.ready) == [soon.item]


@in_loop
async def test_what_fell_due_while_nobody_was_in_office_is_done_first() -> None:
    world = JobWorld()
    job_id = await world.enqueue(Job("f", due_unix_ms=world.in_ms(5)))
    await world.advance(60_000)
    async with at_work(world, DueChore):
        assert await world.items(Q.ready) == [job_id.item]


@in_loop
async def test_a_job_under_a_limit_parks_behind_it() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        await world.client.put(Q.limit, b"queue.q")
        job = Job("f", due_unix_ms=world.in_ms(5), limits=("disk",))
        job_id = await world.enqueue(job)
        await world.advance(5)
        assert await world.items(Q.parked) == [job_id.item]
        assert await world.items(PLACES.waiting("disk")) == [str(job_id)]
        assert await world.items(PLACES.waiting("queue.q")) == [str(job_id)]


@in_loop
async def test_a_job_not_started_in_time_expires_and_what_is_kept_says_so() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        job_id = await world.enqueue(Job("f", expires_unix_ms=world.in_ms(50), unique="h"))
        await world.advance(50)
        assert await world.items(Q.ready) == await world.items(PLACES.due) == []
        assert await world.items(PLACES.unique("h")) == []
        (kept,) = (await world.client.get(Q.done, prefix=True)).kvs
        ending = decode_ending(kept.value)
        assert ending is not None
        assert ending.state is State.EXPIRED
        assert kept.key == Q.done + job_id.item.encode()
        assert kept.lease


@pytest.mark.parametrize("limits", [(), ("disk",)])
@in_loop
async def test_a_job_expires_wherever_it_waits(limits: tuple[str, ...]) -> None:
    async with at_work(JobWorld(), DueChore) as world:
        expires, due = world.in_ms(50), world.in_ms(99)
        await world.enqueue(Job("f", expires_unix_ms=expires, due_unix_ms=due, limits=limits))
        await world.enqueue(Job("f", expires_unix_ms=expires, limits=limits))
        await world.advance(50)
        for place in (Q.later, Q.parked, Q.ready, PLACES.due, PLACES.limits):
            assert await world.items(place) == []
        assert len(await world.items(Q.done)) == 2


@in_loop
async def test_a_job_that_runs_is_left_alone_by_its_expiry() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        job_id = await world.enqueue(Job("f", expires_unix_ms=world.in_ms(50)))
        session = await world.client.session()
        await world.client.claim(Q.ready, Q.held_by("w"), session.lease)
        await world.advance(50)
        assert await world.items(Q.held) == [job_id.item]
        assert await world.items(PLACES.due) == []


@pytest.mark.parametrize("started", [{"tries": 1}, {"snoozes": 1}])
@in_loop
async def test_a_job_that_waits_to_be_tried_again_does_not_expire(started: dict[str, int]) -> None:
    async with at_work(JobWorld(), DueChore) as world:
        at, due = world.in_ms(50), world.in_ms(99)
        job = Job("f", expires_unix_ms=at, due_unix_ms=due)
        job_id = await world.enqueue(msgspec.structs.replace(job, **started))
        await world.advance(50)
        assert await world.items(Q.later) == [job_id.item]
        await world.advance(49)
        assert await world.items(Q.ready) == [job_id.item]
        assert await world.items(PLACES.due) == []


@in_loop
async def test_a_job_that_was_lost_with_its_worker_does_not_expire() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        job_id = await world.enqueue(Job("f", expires_unix_ms=world.in_ms(50)))
        session = await world.client.session()
        await world.client.claim(Q.ready, Q.held_by("w"), session.lease)
        await session.close()
        await world.advance(50)
        assert await world.items(Q.ready) == [job_id.item]
        assert await world.items(PLACES.due) == []


@in_loop
async def test_a_job_due_when_it_expires_is_not_forgotten_by_either() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        at = world.in_ms(50)
        await world.enqueue(Job("f", due_unix_ms=at, expires_unix_ms=at))
        await world.advance(50)
        assert await world.items(Q.later) == await world.items(Q.ready) == []
        assert await world.items(PLACES.due) == []
        assert len(await world.items(Q.done)) == 1


@in_loop
async def test_a_unique_key_is_free_when_its_window_has_passed_though_its_job_is_long_gone() -> (
    None
):
    async with at_work(JobWorld(), DueChore) as world:
        until = world.in_ms(1_000)
        job_id = await world.enqueue(Job("f", unique="h", unique_until_unix_ms=until))
        await world.client.delete(Q.ready + job_id.item.encode())
        await world.advance(999)
        assert await world.items(PLACES.unique("h")) == [str(job_id)]
        await world.advance(1)
        assert await world.items(PLACES.unique("h")) == await world.items(PLACES.due) == []


@in_loop
async def test_a_delay_and_a_unique_window_of_one_length_are_both_minded() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        at = world.in_ms(60)
        job = Job("f", due_unix_ms=at, unique="h", unique_until_unix_ms=at)
        job_id = await world.enqueue(job)
        await world.advance(60)
        assert await world.items(Q.ready) == [job_id.item]
        assert await world.items(PLACES.unique("h")) == []


@in_loop
async def test_an_entry_that_cannot_be_read_holds_nobody_up() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        for name in (b"0", b"zz/run/q:1", b"0000000000000001/run/q", b"0000000000000001/fly/q:1"):
            await world.client.put(PLACES.due + name)
        await world.client.put(Q.later + b"4" + b"0" * 20, b"no job")
        await world.client.put(PLACES.due_at(1) + b"run/q:4" + b"0" * 20)
        job_id = await world.enqueue(Job("f", due_unix_ms=world.in_ms(5)))
        await world.advance(5)
        await world.advance(due_module.STUCK_PAUSE_MS)
        assert await world.items(Q.ready) == [job_id.item]
        assert await world.items(PLACES.due) == []


@in_loop
async def test_many_jobs_of_one_instant_all_stand_ready_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(due_module, "PAGE_ENTRIES", 64)
    async with at_work(JobWorld(), DueChore) as world:
        job = Job("f", due_unix_ms=world.in_ms(5))
        jobs = [await world.enqueue(job) for _ in range(300)]
        await world.advance(5)
        while await world.items(Q.later):
            await settle()
        assert await world.items(Q.ready) == [job.item for job in jobs]
        assert await world.items(PLACES.due) == []


@in_loop
async def test_a_steward_replaced_without_knowing_moves_nothing() -> None:
    world = JobWorld()
    client = world.cluster.client()
    old = asyncio.create_task(DueChore(world.timer).run(await new_term(client, PLACES)))
    await settle()
    job_id = await world.enqueue(Job("f", due_unix_ms=world.in_ms(5)))
    await settle()
    await new_term(world.cluster.client(), PLACES)
    await world.advance(5)
    with pytest.raises(NotLeader):
        await old
    assert await world.items(Q.later) == [job_id.item]


@in_loop
async def test_a_lost_answer_ends_the_chore_and_the_next_run_finds_what_was_done() -> None:
    world = JobWorld()
    client = _LosesOneMove(world.cluster)
    running = asyncio.create_task(DueChore(world.timer).run(await new_term(client, PLACES)))
    await settle()
    job_id = await world.enqueue(Job("f", due_unix_ms=world.in_ms(5)))
    await world.advance(5)
    with pytest.raises(MaybeDone):
        await running
    assert await world.items(Q.ready) == [job_id.item]
    async with at_work(world, DueChore):
        assert await world.items(Q.ready) == [job_id.item]


@in_loop
async def test_compaction_of_what_the_watch_wanted_hides_nothing() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        world.cluster.cut_watches()
        job_id = await world.enqueue(Job("f", due_unix_ms=world.in_ms(5)))
        world.cluster.fail_cut_watches()
        await settle()
        await world.advance(5)
        assert await world.items(Q.ready) == [job_id.item]


@in_loop
async def test_a_queue_limited_between_reading_and_moving_is_not_passed_by() -> None:
    async with at_work(JobWorld(), DueChore) as world:
        job_id = await world.enqueue(Job("f", due_unix_ms=world.in_ms(5)))
        await settle()
        world.timer.advance(5)
        await world.client.txn(success=[ops.put(Q.limit, b"queue.q")])
        await settle()
        assert await world.items(Q.parked) == [job_id.item]
