"""Stewards that die, or lose answers, at any write: each due time is decided once all the same."""

import asyncio
from itertools import count

import pytest

from coord.testing.local import settle
from workers.model.job import Job
from workers.schedules.values import Cron, Overlap, Schedule
from workers.testing.faulty_client import Fault
from workers.testing.schedule_world import START_UNIX_MS, ScheduleWorld, in_world

MINUTE_MS = 60_000
FOUR_DUES = [f"2026-11-22T10:0{n}:00Z" for n in range(1, 5)]
FILLED = 70


async def _prepare(world: ScheduleWorld, overlap: Overlap) -> None:
    """Make a schedule that allows overlap, one with a policy, and one that is to be backfilled."""
    minutely = Cron("* * * * *")
    schedules = world.schedules
    await schedules.set(Schedule("a", Job("f"), minutely, overlap=Overlap.ALLOW))
    await schedules.set(Schedule("b", Job("f"), minutely, queue="b", overlap=overlap))
    await schedules.set(Schedule("c", Job("f"), minutely, queue="c"))
    await schedules.pause("c")
    await schedules.backfill("c", START_UNIX_MS - FILLED * MINUTE_MS, START_UNIX_MS)


async def _with_a_fault_at(number: int, fault: Fault, overlap: Overlap) -> bool:
    """Run two minutes with a steward whose `number`th write goes wrong, two more with the next.

    Returns:
        Whether there was such a write.
    """
    world = ScheduleWorld()
    await _prepare(world, overlap)
    client = world.faulty_client()
    client.faults[number] = fault
    first = await world.steward(client)
    for _ in range(2):
        await world.advance(MINUTE_MS)
        if overlap is not Overlap.ALLOW and await world.dues("b"):
            await world.complete("b")
    await world.kill(first)
    await world.steward()
    await settle(200)
    await world.advance(2 * MINUTE_MS, MINUTE_MS)
    try:
        await _check(world)
    finally:
        await world.close()
    return client.writes >= number


async def _check(world: ScheduleWorld) -> None:
    assert await world.dues() == FOUR_DUES
    filled = await world.dues("c")
    assert (len(filled), len(set(filled))) == (FILLED, FILLED)
    state = (await world.schedules.find("b")).state
    fired = [each.firing.due_unix_ms for each in await world.schedules.firings("b")]
    assert (len(fired), len(set(fired))) == (state.firings, state.firings)
    buffered = 1 if state.buffered_unix_ms else 0
    assert state.firings + state.skipped + state.missed + buffered == len(FOUR_DUES)


@pytest.mark.parametrize("overlap", Overlap)
@pytest.mark.parametrize("fault", Fault)
def test_a_steward_that_goes_wrong_at_any_write_leaves_nothing_out_and_does_nothing_twice(
    fault: Fault, overlap: Overlap
) -> None:
    for number in count(1):
        if not asyncio.run(_with_a_fault_at(number, fault, overlap)):
            break
    assert number > 5


@in_world
async def test_what_a_lost_answer_leaves_open_the_next_run_finds_out(world: ScheduleWorld) -> None:
    await world.schedules.set(Schedule("a", Job("f"), Cron("* * * * *"), overlap=Overlap.ALLOW))
    for fault in (Fault.LOSE_ANSWER, Fault.LOSE_REQUEST):
        client = world.faulty_client()
        client.faults[1] = fault
        steward = await world.steward(client)
        await world.advance(MINUTE_MS)
        world.forget(steward)  # it is the steward's part to run the chore again
    await world.steward()
    await world.advance(2 * MINUTE_MS, MINUTE_MS)
    assert await world.dues() == FOUR_DUES
