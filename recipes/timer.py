"""Time as gates and delays see it: what it is now, and waiting until it is later.

Unix milliseconds, since times are agreed between processes and outlive them. Whoever waits takes
a Timer, so that a test or a simulation can move time by hand.
"""

import asyncio
import time
from typing import Protocol

LOOK_S = 10.0  # a wall clock that jumps while one waits is noticed by then


class Timer(Protocol):
    """A clock one can wait on."""

    def now_unix_ms(self) -> int:
        """Return the time now."""
        ...

    async def until(self, unix_ms: int) -> None:
        """Return once `now_unix_ms()` is at least `unix_ms`; never before, at once if it is."""
        ...


class WallTimer:
    """This machine's clock."""

    def now_unix_ms(self) -> int:
        """Return the time now."""
        return time.time_ns() // 1_000_000

    async def until(self, unix_ms: int) -> None:
        """Return once the clock shows `unix_ms`."""
        while True:
            left_ms = unix_ms - time.time_ns() / 1e6
            if left_ms <= 0:
                return
            await asyncio.sleep(min(left_ms / 1000, LOOK_S))
