"""How long jobs take here, so that short ones can be fetched and handed to children ahead of time.

Pure arithmetic. One long job among short ones weighs much: guessing too long costs a little speed,
guessing too short makes jobs wait behind another while somebody else could run them.
"""

AHEAD_IN_CHILD_US = 2_000  # of work that waits in a child behind the job it runs
AHEAD_IN_CHILD_MAX = 32
AHEAD_IN_WORKER_US = 20_000  # of work per slot that waits in the worker
AHEAD_IN_WORKER_MAX = 512
_WEIGHT = 0.1


class Pace:
    """Mean times of jobs, newer ones weighing more."""

    def __init__(self) -> None:
        self._by_name_us: dict[str, float] = {}
        self._all_us = float("inf")

    def note(self, name: str, took_us: int) -> None:
        """Take in that a job of this name took so long."""
        self._by_name_us[name] = _mean(self._by_name_us.get(name), took_us)
        known = None if self._all_us == float("inf") else self._all_us
        self._all_us = _mean(known, took_us)

    def depth(self, name: str) -> int:
        """Return how many jobs a child may have that runs one of this name; 1 or more."""
        mean_us = self._by_name_us.get(name)
        if mean_us is None:
            return 1
        return max(1, min(AHEAD_IN_CHILD_MAX, int(AHEAD_IN_CHILD_US / max(mean_us, 1.0))))

    def ahead(self, slots: int) -> int:
        """Return how many jobs a worker may hold beyond those that run; 0 for long jobs."""
        return min(AHEAD_IN_WORKER_MAX, int(slots * AHEAD_IN_WORKER_US / max(self._all_us, 1.0)))


def _mean(before_us: float | None, took_us: int) -> float:
    if before_us is None:
        return float(took_us)
    return before_us + _WEIGHT * (took_us - before_us)
