"""A machine whose disk holds the real log: coord.wal over the simulated disk, in virtual time.

Each step of the storage takes the time a sync takes. A crash comes between two of them or in the
middle of one; what was not synced is lost, torn or kept by luck. A disk error ends the process.
"""

from collections.abc import Callable
from random import Random

from coord.testing.disk import CAPACITY_BYTES, SimulatedCrash, SimulatedDisk
from coord.testing.host import CannotStart
from coord.testing.schedule import Schedule
from coord.testing.storage import SimulatedStorage
from coord.testing.taps import Crashed
from coord.wal.identity import Identity

_CRASH_IN_RECOVERY = 0.15
_RECOVERY_CALLS = 30  # calls to the disk that opening a log takes, about
_ROOM_BYTES = 12_000  # left on a disk that fills up


class HastyStorage(SimulatedStorage):
    """Carries out a lone write at once now and then, as the real storage does."""

    hurries: Callable[[], bool] = staticmethod(lambda: False)

    def flush(self) -> bool:
        """See Storage."""
        if self.waiting != 1 or not self.hurries():
            return False
        try:
            self.complete(1)
        except OSError as error:
            raise Crashed from error  # a storage that fails to write ends the process
        return True


class WalMachine:
    """See coord.testing.host.Machine."""

    def __init__(
        self,
        schedule: Schedule,
        identity: Identity,
        sync_min_ms: float,
        sync_mean_ms: float,
        broken: Callable[[], None],
    ) -> None:
        """Set up an empty disk.

        Args:
            schedule: time and luck.
            identity: whose disk it is.
            sync_min_ms: no sync is faster.
            sync_mean_ms: mean of what comes on top.
            broken: called when a disk error must end the process.
        """
        number = int(identity.node)
        self.disk = SimulatedDisk(seed=number)
        self.slow_ms = 0.0
        self.failed_starts = 0
        self.hurried = 0
        self.disk_errors = 0
        self._calm = False
        self._schedule = schedule
        self._identity = identity
        self._luck: Random = schedule.stream(f"disk {number}")
        self._hurry = self._luck.choice((0.0, 0.3, 0.9))
        self._sync_min_ms = sync_min_ms
        self._sync_mean_ms = sync_mean_ms
        self._broken = broken
        self._storage: SimulatedStorage | None = None

    def open(self, wake: Callable[[], None]) -> HastyStorage:
        """See Machine."""
        luck, disk = self._luck, self.disk
        if not self._calm and luck.random() < _CRASH_IN_RECOVERY:
            disk.crash_at(luck.randint(1, _RECOVERY_CALLS))
        try:
            storage = HastyStorage(disk, self._identity, wake, self._later)
        except (SimulatedCrash, OSError) as error:
            self.failed_starts += 1
            disk.crash(luck.randint)
            raise CannotStart(str(error)) from error
        disk.heal()
        storage.hurries = self._hurries
        self._storage = storage
        return storage

    def crash(self) -> None:
        """See Machine."""
        storage, self._storage = self._storage, None
        if storage is not None:
            calls = self._luck.choice((0, 1, 2, 2, 3, 4, 6, 10))
            try:
                storage.crash(self._luck.randint, calls)
            except OSError:
                storage.crash(self._luck.randint)  # a full disk had ended it before

    def slow_down(self, sync_ms: float) -> None:
        """See Machine."""
        self.slow_ms = sync_ms

    def _hurries(self) -> bool:
        hurries = not self.slow_ms and self._luck.random() < self._hurry
        self.hurried += hurries
        return hurries

    def fill(self, full: bool) -> None:
        """See Machine."""
        disk = self.disk
        disk.capacity_bytes = CAPACITY_BYTES
        if full:
            used = CAPACITY_BYTES - disk.free_bytes()
            disk.capacity_bytes = used + self._luck.randint(0, _ROOM_BYTES)

    def calm(self) -> None:
        """See Machine."""
        self._calm = True

    def _later(self, step: Callable[[], None]) -> None:
        delay_ms = self._sync_min_ms + self._luck.expovariate(1 / self._sync_mean_ms)

        def run() -> None:
            try:
                step()
            except OSError as error:
                self._schedule.note(f"disk error: {error}")
                self.disk_errors += 1
                self._broken()

        self._schedule.after(delay_ms + self.slow_ms, run)
