"""How long to wait: for an answer, and before the next attempt."""

from coord.client.settings import Settings

_LATE_FACTOR = 4.0  # an answer later than so many usual round trips is worth asking elsewhere
_LATE_MS_MAX = 8_000.0
_GAIN = 0.125  # weight of one sample in the usual round trip, as TCP has it


class Pacing:
    """Learns the usual round trip, and draws pauses between attempts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._round_trip_ms = 0.0

    def answered(self, round_trip_ms: float) -> None:
        """Learn from an answer to a first attempt."""
        self._round_trip_ms += (round_trip_ms - self._round_trip_ms) * _GAIN

    def late_ms(self, attempts: int) -> float:
        """Return how long attempt number `attempts` (from 0) may take before another is made."""
        usual_ms = max(self._settings.attempt_ms, _LATE_FACTOR * self._round_trip_ms)
        most_ms = max(_LATE_MS_MAX, self._settings.attempt_ms)
        return min(usual_ms * float(1 << min(attempts, 6)), most_ms)

    def pause_ms(self, attempts: int) -> float:
        """Return how long to wait after `attempts` attempts were refused, with jitter."""
        longest_ms = self._settings.retry_ms * float(1 << min(max(attempts - 1, 0), 10))
        longest_ms = min(longest_ms, self._settings.retry_ms_max)
        return longest_ms * self._settings.draw(50, 100) / 100.0
