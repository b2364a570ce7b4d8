"""Stewards that are replaced, stewards that are slow, and clocks that are wrong."""

import pytest

from coord.client import ops
from coord.testing.local import settle
from recipes.errors import NotLeader
from workers.model.job import Job
from workers.model.states import State
from workers.schedules.values import (
    Cron,
    Overlap,
    Schedule,
)
from workers.steps.enqueue import queue_limit
from workers.testing.office import new_term
from workers.testing.schedule_world import (
    MINUTE_MS,
    MINUTELY,
    PLACES,
    ScheduleWorld,
    due_of,
    in_world,
    minutely,
)
from workers.testing.skewed_timer import SkewedTimer


@in_world
async def test_a_steward_that_was_replaced_fires_nothing(world: ScheduleWorld) -> None:
    await world.schedules.set(MINUTELY)
    stale = await world.steward()
    current = await world.steward()
    await world.advance(MINUTE_MS)
    assert len(await world.dues()) == 1
    assert stale.done()
    assert not current.done()
    with pytest.raises(NotLeader):
        stale.result()
    world.forget(stale)


@in_world
async def test_a_due_time_read_by_one_steward_and_fired_by_the_next_is_fired_once(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(MINUTELY)
    halted = world.faulty_client()
    first = await world.steward(halted)
    halted.hold_up()
    await world.advance(MINUTE_MS)  # it has read and decided; its write is on the way
    assert halted.held_up == 1
    await world.steward()
    assert len(await world.dues()) == 1
    halted.go_on()
    await settle()
    assert len(await world.dues()) == 1
    assert isinstance(first.exception(), NotLeader)
    world.forget(first)


@in_world
async def test_two_stewards_in_office_at_once_would_still_fire_once(world: ScheduleWorld) -> None:
    # The guard of the office is not what keeps a due time from being fired twice.
    await world.schedules.set(MINUTELY)
    term = await new_term(world.client, PLACES)
    await world.steward(term=term)
    await world.steward(term=term)
    await world.advance(3 * MINUTE_MS, MINUTE_MS)
    assert await world.dues() == [f"2026-11-22T10:0{n}:00Z" for n in (1, 2, 3)]


@in_world
async def test_a_step_refused_since_the_schedule_was_edited_is_decided_anew(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(MINUTELY)
    halted = world.faulty_client()
    await world.steward(halted)
    halted.hold_up()
    await world.advance(MINUTE_MS)
    await world.schedules.set(minutely(job=Job("g")))
    halted.go_on()
    await settle()
    await world.advance(100)
    assert [(job.name, due_of(job)) for job in await world.waiting()] == [
        ("g", "2026-11-22T10:01:00Z")
    ]


@in_world
async def test_a_due_time_does_not_give_way_to_a_job_that_has_just_ended(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(minutely(overlap=Overlap.SKIP))
    halted = world.faulty_client()
    await world.steward(halted)
    await world.advance(MINUTE_MS)
    halted.hold_up()
    await world.advance(MINUTE_MS)  # it has decided to pass 10:02 over
    await world.complete()
    halted.go_on()
    await settle()
    await world.advance(100)
    assert await world.dues() == ["2026-11-22T10:02:00Z"]


@in_world
async def test_a_schedule_taken_away_by_hand_fires_nothing_more(world: ScheduleWorld) -> None:
    await world.schedules.set(MINUTELY)
    halted = world.faulty_client()
    await world.steward(halted)
    halted.hold_up()
    await world.advance(MINUTE_MS)
    await world.client.delete(world.places.spec("s"))
    halted.go_on()
    await settle()
    await world.advance(5_000, 100)
    assert await world.dues() == []


@in_world
async def test_a_clock_set_back_fires_nothing_twice(world: ScheduleWorld) -> None:
    clock = SkewedTimer(world.timer)
    await world.steward(timer=clock)
    await world.schedules.set(MINUTELY)
    await world.advance(2 * MINUTE_MS, MINUTE_MS)
    clock.ahead_ms = -90_000
    await world.advance(2 * MINUTE_MS, 10_000)
    assert await world.dues() == [f"2026-11-22T10:0{n}:00Z" for n in (1, 2, 3)]


@in_world
async def test_what_a_clock_too_far_ahead_fired_early_is_not_fired_again(
    world: ScheduleWorld,
) -> None:
    fast = await world.steward(timer=SkewedTimer(world.timer, 5 * MINUTE_MS))
    await world.schedules.set(MINUTELY)
    await settle()
    assert len(await world.dues()) == 5
    await world.kill(fast)
    await world.steward()
    await world.advance(6 * MINUTE_MS, MINUTE_MS)
    assert await world.dues() == [f"2026-11-22T10:0{n}:00Z" for n in range(1, 7)]


@in_world
async def test_an_edit_by_a_slow_clock_does_not_make_due_again_what_a_fast_one_fired(
    world: ScheduleWorld,
) -> None:
    await world.steward(timer=SkewedTimer(world.timer, 5 * MINUTE_MS))
    await world.schedules.set(MINUTELY)
    await settle()
    assert len(await world.dues()) == 5
    await world.schedules.pause("s")
    await world.schedules.resume("s")
    await settle()
    assert len(await world.dues()) == 5


@in_world
async def test_a_queue_put_under_a_limit_parks_the_jobs(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(MINUTELY)
    await world.client.put(PLACES.queue("default").limit, queue_limit("default"))
    await world.advance(MINUTE_MS)
    (found,) = (await world.jobs.list("default", State.PARKED)).jobs
    assert found.job is not None
    assert found.job.limits == (queue_limit("default"),)


@in_world
async def test_what_is_no_schedule_is_left_alone_and_disturbs_nobody(world: ScheduleWorld) -> None:
    await world.steward()
    await world.client.put(world.places.spec("bad"), b"{}")
    await world.client.put(world.places.spec("worse"), b"\xff")
    await world.schedules.set(MINUTELY)
    await world.advance(MINUTE_MS)
    assert len(await world.dues()) == 1
    await world.client.txn(success=[ops.delete(world.places.spec("bad"))])


@in_world
async def test_a_thousand_schedules_of_one_minute_are_fired_in_it(world: ScheduleWorld) -> None:
    for number in range(1_000):
        await world.schedules.set(
            Schedule(f"s{number}", Job("f"), Cron("* * * * *"), overlap=Overlap.ALLOW)
        )
    await world.steward()
    await settle(500)
    await world.advance(MINUTE_MS)
    await settle(500)
    assert len(await world.waiting()) == 1_000


@in_world
async def test_only_the_last_firings_are_kept(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(MINUTELY)
    await world.advance(14 * MINUTE_MS, MINUTE_MS)
    fired = await world.schedules.firings("s")
    assert [each.number for each in fired] == list(range(5, 15))
