"""A Timer moved by hand: time stands still until a test says how much of it passes."""

import asyncio
import heapq
import itertools

START_UNIX_MS = 1_700_000_000_000


class HandTimer:
    """Shows `unix_ms` at first; `advance` moves it and wakes those whose time has come."""

    def __init__(self, unix_ms: int = START_UNIX_MS) -> None:
        self._now_unix_ms = unix_ms
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now_unix_ms(self) -> int:
        """Return the time now."""
        return self._now_unix_ms

    async def until(self, unix_ms: int) -> None:
        """Return once time was moved to `unix_ms` or beyond."""
        while self._now_unix_ms < unix_ms:
            woken = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (unix_ms, next(self._numbers), woken))
            await woken

    @property
    def soonest_unix_ms(self) -> int | None:
        """The soonest time somebody waits for; None where nobody waits."""
        self._forget_gone()
        return self._waiting[0][0] if self._waiting else None

    def advance(self, by_ms: int) -> None:
        """Let time pass; those waiting go on in their loop's next turns, the soonest first.

        Args:
            by_ms: 0 or more.
        """
        assert by_ms >= 0, "time does not run backwards"
        self._now_unix_ms += by_ms
        while (soonest := self.soonest_unix_ms) is not None and soonest <= self._now_unix_ms:
            heapq.heappop(self._waiting)[2].set_result(None)

    def _forget_gone(self) -> None:
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)
