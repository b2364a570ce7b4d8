"""Due times that meet the job before them, and those nobody fired in time."""

from coord.testing.local import settle
from workers.model.states import State
from workers.schedules.values import (
    CatchUp,
    Cause,
    Every,
    Overlap,
)
from workers.testing.schedule_world import MINUTE_MS, PLACES, ScheduleWorld, in_world, minutely


@in_world
async def test_skip_passes_over_due_times_until_the_job_before_has_ended(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    await world.schedules.set(minutely(overlap=Overlap.SKIP))
    await world.advance(3 * MINUTE_MS, MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:01:00Z"]
    held = await world.hold()
    await world.advance(MINUTE_MS)
    assert await world.dues() == []
    assert await world.tally() == (1, 3, 0)
    await world.end(held)
    await world.advance(MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:05:00Z"]


@in_world
async def test_queue_keeps_one_due_time_until_the_job_before_has_ended(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    await world.schedules.set(minutely(overlap=Overlap.QUEUE))
    await world.advance(4 * MINUTE_MS, MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:01:00Z"]
    assert await world.tally() == (1, 2, 0)
    await world.complete()
    assert await world.dues() == ["2026-11-22T10:02:00Z"]
    causes = [fired.firing.cause for fired in await world.schedules.firings("s")]
    assert causes == [Cause.DUE, Cause.BUFFERED]


@in_world
async def test_cancel_old_ends_a_job_that_waits_and_enqueues_the_next_at_once(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    await world.schedules.set(minutely(overlap=Overlap.CANCEL_OLD))
    await world.advance(MINUTE_MS)
    old = (await world.schedules.firings("s"))[0].job_id
    await world.advance(MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:02:00Z"]
    found = await world.jobs.find(old)
    assert found is not None
    assert found.ending is not None
    assert (found.state, found.ending.cause) == (State.CANCELLED, "the next one is due")


@in_world
async def test_cancel_old_asks_a_job_that_runs_once_and_waits_for_its_end(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    await world.schedules.set(minutely(overlap=Overlap.CANCEL_OLD))
    await world.advance(MINUTE_MS)
    held = await world.hold()
    await world.advance(2 * MINUTE_MS, MINUTE_MS)
    asked = (await world.client.get(PLACES.cancel(held))).kvs[0]
    assert (asked.value, asked.version) == (b"the next one is due", 1)
    assert await world.dues() == []
    await world.end(held)
    assert await world.dues() == ["2026-11-22T10:03:00Z"]
    assert await world.tally() == (2, 1, 0)


@in_world
async def test_a_job_that_ended_while_nobody_was_steward_lets_the_next_one_go(
    world: ScheduleWorld,
) -> None:
    steward = await world.steward()
    await world.schedules.set(minutely(overlap=Overlap.QUEUE))
    await world.advance(2 * MINUTE_MS, MINUTE_MS)
    await world.kill(steward)
    await world.complete()
    await world.steward()
    assert await world.dues() == ["2026-11-22T10:02:00Z"]


# --- what nobody fired in time ------------------------------------------------------------------


@in_world
async def test_due_times_missed_within_the_window_are_all_made_up_for(world: ScheduleWorld) -> None:
    await world.schedules.set(minutely(catch_up_ms=10 * MINUTE_MS))
    await world.advance_to("2026-11-22T10:05:00")
    await world.steward()
    assert await world.dues() == [f"2026-11-22T10:0{n}:00Z" for n in range(1, 6)]


@in_world
async def test_older_ones_are_counted_as_missed(world: ScheduleWorld) -> None:
    await world.schedules.set(minutely(catch_up_ms=2 * MINUTE_MS))
    await world.advance_to("2026-11-22T10:20:30")
    await world.steward()
    assert await world.dues() == ["2026-11-22T10:19:00Z", "2026-11-22T10:20:00Z"]
    assert await world.tally() == (2, 0, 18)


@in_world
async def test_latest_makes_up_for_the_newest_only(world: ScheduleWorld) -> None:
    await world.schedules.set(minutely(catch_up=CatchUp.LATEST, rule=Every(1_000)))
    await world.advance(200_000)
    await world.steward()
    assert await world.dues() == ["2026-11-22T10:03:50Z"]
    assert await world.tally() == (1, 0, 199)


@in_world
async def test_many_missed_ones_are_made_up_for_in_order_without_a_gap(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(minutely(rule=Every(1_000)))
    await world.advance(150_000)
    await world.steward()
    await settle()
    dues = await world.dues()
    assert (len(dues), dues) == (150, sorted(set(dues)))
    assert await world.tally() == (150, 0, 0)


@in_world
async def test_with_skip_a_job_made_up_for_stands_in_the_way_of_the_others(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(minutely(overlap=Overlap.SKIP))
    await world.advance_to("2026-11-22T10:05:00")
    await world.steward()
    assert await world.dues() == ["2026-11-22T10:01:00Z"]
    assert await world.tally() == (1, 4, 0)
