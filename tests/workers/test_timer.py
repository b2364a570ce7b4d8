"""This machine's clock as a Timer."""

from coord.testing.local import in_loop
from workers.timer import WallTimer


@in_loop
async def test_the_wall_timer_returns_when_its_clock_shows_the_time() -> None:
    timer = WallTimer()
    due_unix_ms = timer.now_unix_ms() + 3
    await timer.until(due_unix_ms)
    assert timer.now_unix_ms() >= due_unix_ms


@in_loop
async def test_the_wall_timer_does_not_wait_for_what_is_past() -> None:
    await WallTimer().until(0)
