"""A Timer that goes wrong by an amount a test may change: one process's clock among several."""

from workers.timer import LOOK_S, Timer


class SkewedTimer:
    """Shows what another shows, and `ahead_ms` more."""

    def __init__(self, timer: Timer, ahead_ms: int = 0) -> None:
        self._timer = timer
        self.ahead_ms = ahead_ms

    def now_unix_ms(self) -> int:
        """Return the time now, as it sees it."""
        return self._timer.now_unix_ms() + self.ahead_ms

    async def until(self, unix_ms: int) -> None:
        """Return once it shows `unix_ms`; a change of `ahead_ms` is noticed as WallTimer does."""
        while (left_ms := unix_ms - self.now_unix_ms()) > 0:
            look_ms = min(left_ms, int(LOOK_S * 1000))
            await self._timer.until(self._timer.now_unix_ms() + look_ms)
