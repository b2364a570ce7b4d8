"""A simulated machine with the real log on a simulated disk; see coord.testing.host.Machine.

Slower than PlainMachine and closer to the truth: segments rotate, tails tear, a crash may come
after any call to the disk.
"""

from collections.abc import Callable
from random import Random

from coord.testing.disk import SimulatedDisk
from coord.testing.schedule import Schedule
from coord.testing.storage import SMALL_FILES, SimulatedStorage
from coord.wal.identity import Identity
from coord.wal.log import LogSettings

_CRASH_CALLS_MAX = 12  # calls to the disk between the last answer and a crash


class LogMachine:
    """A machine whose disk holds a real data directory."""

    def __init__(
        self,
        schedule: Schedule,
        identity: Identity,
        sync_min_ms: float,
        sync_mean_ms: float,
        settings: LogSettings = SMALL_FILES,
    ) -> None:
        """Set up an empty disk.

        Args:
            schedule: time and luck.
            identity: the node whose directory it will hold.
            sync_min_ms: each step of the storage takes this long at least.
            sync_mean_ms: and on average this much longer.
            settings: file sizes.
        """
        self._schedule = schedule
        self._identity = identity
        self._luck: Random = schedule.stream(f"disk {identity.node}")
        self._sync_min_ms = sync_min_ms
        self._sync_mean_ms = sync_mean_ms
        self._settings = settings
        self._slow_ms = 0.0
        self._storage: SimulatedStorage | None = None
        self.disk = SimulatedDisk(seed=self._luck.randint(1, 2**32))

    @property
    def torn(self) -> int:
        """Files a crash left with some of their newest sectors and without others."""
        return self.disk.torn_writes

    def open(self, wake: Callable[[], None]) -> SimulatedStorage:
        """Recover and open."""
        self._storage = SimulatedStorage(
            self.disk, self._identity, wake, self._later, self._settings
        )
        return self._storage

    def crash(self) -> None:
        """Go on for a few calls to the disk, by luck, then lose what a crash may lose."""
        storage, self._storage = self._storage, None
        if storage is not None:
            calls = self._luck.randint(0, _CRASH_CALLS_MAX)
            storage.crash(self._luck.randint, calls)

    def slow_down(self, sync_ms: float) -> None:
        """Let each step take `sync_ms` longer; 0 for the usual pace."""
        self._slow_ms = sync_ms

    def _later(self, step: Callable[[], None]) -> None:
        delay_ms = self._sync_min_ms + self._luck.expovariate(1 / self._sync_mean_ms)
        self._schedule.after(delay_ms + self._slow_ms, step)
