"""Time moved by hand."""

import asyncio

from coord.testing.local import in_loop, settle
from workers.testing.hand_timer import HandTimer


@in_loop
async def test_who_waits_goes_on_when_time_has_been_moved_there_and_not_before() -> None:
    timer = HandTimer(1_000)
    waiting = asyncio.create_task(timer.until(1_010))
    await settle()
    timer.advance(9)
    await settle()
    assert not waiting.done()
    timer.advance(1)
    await waiting
    assert timer.now_unix_ms() == 1_010


@in_loop
async def test_a_time_that_has_come_is_not_waited_for() -> None:
    timer = HandTimer(1_000)
    await timer.until(1_000)
    assert timer.soonest_unix_ms is None


@in_loop
async def test_the_soonest_time_waited_for_is_told_without_those_who_gave_up() -> None:
    timer = HandTimer(0)
    early, late = asyncio.create_task(timer.until(5)), asyncio.create_task(timer.until(9))
    await settle()
    assert timer.soonest_unix_ms == 5
    early.cancel()
    await settle()
    assert timer.soonest_unix_ms == 9
    timer.advance(20)
    await late
