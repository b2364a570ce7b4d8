"""The only door to time for code that must also run under a simulator."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where a node learns how much time has passed."""

    def now_ms(self) -> float:
        """Milliseconds since some fixed point; never goes back, not even over clock changes."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now_ms(self) -> float:
        """Return monotonic milliseconds."""
        return time.monotonic_ns() / 1e6


class ManualClock:
    """A clock that stands still until told."""

    def __init__(self, now_ms: float = 0.0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> float:
        """Return the time last set."""
        return self._now_ms

    def advance(self, by_ms: float) -> None:
        """Let `by_ms` milliseconds (not negative) pass."""
        assert by_ms >= 0
        self._now_ms += by_ms
