"""One simulated machine: a disk that stays, and a node process that comes and goes on it.

The host gives its node turns when something arrives or its own clock says so, pauses it, ends it
between any two calls to its ports, and starts it again from what the disk kept.
"""

from collections.abc import Callable
from random import Random
from typing import Protocol

from coord.node.driver import Node
from coord.node.settings import NodeSettings
from coord.testing.invariants import RaftChecks
from coord.testing.network import SimNetwork
from coord.testing.schedule import Alarm, Schedule
from coord.testing.taps import (
    Crashed,
    CrashPoint,
    DriftingClock,
    TappedClients,
    TappedPeers,
    TappedStorage,
)
from coord.wal.port import Storage

_TURN_MS = 0.1  # between two turns of one node: what one turn costs, and what batches arrivals


class Machine(Protocol):
    """A disk that outlives the processes on it."""

    def open(self, wake: Callable[[], None]) -> Storage:
        """Recover and open; `wake` is called whenever poll() has something new."""
        ...

    def crash(self) -> None:
        """Lose what a crash may lose; the storage last opened is dead from now on."""
        ...

    def slow_down(self, sync_ms: float) -> None:
        """Let each sync take `sync_ms` at least; 0 for the usual pace."""
        ...


class Host:
    """A machine in the world."""

    def __init__(
        self,
        settings: NodeSettings,
        schedule: Schedule,
        network: SimNetwork,
        checks: RaftChecks,
        machine: Machine,
        pace: float,
        observe: Callable[["Host"], None],
    ) -> None:
        """Set up a machine that is switched off.

        Args:
            settings: of every node process on it.
            schedule: time and luck.
            network: where its ports come from.
            checks: told of everything that passes the ports.
            machine: the disk.
            pace: how fast the node's clock runs; 1.0 is true time.
            observe: called after every turn.
        """
        self.settings = settings
        self.id = int(settings.node)
        self.node: Node | None = None
        self.machine = machine
        self.point = CrashPoint()
        self.paused = False
        self.full = False
        self.starts = 0
        self._schedule = schedule
        self._network = network
        self._checks = checks
        self._luck: Random = schedule.stream(f"node {self.id}")
        self.clock = DriftingClock(lambda: schedule.now_ms, pace, self._luck.uniform(0, 1e6))
        self._observe = observe
        self._alarm: Alarm | None = None
        self._last_turn_ms = 0.0
        self._storage: TappedStorage | None = None

    @property
    def up(self) -> bool:
        """Whether a node process runs (maybe paused)."""
        return self.node is not None

    @property
    def can_turn(self) -> bool:
        """Whether it runs and is not paused."""
        return self.node is not None and not self.paused

    def start(self) -> None:
        """Start the node process, unless one runs."""
        if self.node is not None:
            return
        self.starts += 1
        self.point = CrashPoint()
        self.paused = False
        storage = self.machine.open(self.wake)
        self._checks.restarted(self.id, storage.recovered)
        peers, clients = self._network.open_node(self.id, self.wake)
        tapped = TappedStorage(storage, self.id, self._checks, self.point)
        tapped.full = self.full
        self._storage = tapped
        self._schedule.note(f"start {self.id}")
        self.node = Node(
            self.settings,
            tapped,
            TappedPeers(peers, self.id, self._checks, self.point),
            TappedClients(clients, self.point),
            self.clock,
            self._luck.randint,
            self._report,
        )
        tapped.core = self.node.core
        self.wake()

    def crash(self) -> None:
        """End the process now; the disk loses what a crash may lose."""
        if self.node is None:
            return
        self._schedule.note(f"crash {self.id}")
        self.node = None
        self._storage = None
        if self._alarm is not None:
            self._alarm.cancel()
        self._network.close_node(self.id)
        self.machine.crash()
        self._checks.crashed(self.id)

    def pause(self) -> None:
        """Let the process do nothing; what arrives waits."""
        self.paused = True

    def resume(self) -> None:
        """Let a paused process go on, with all that waited."""
        self.paused = False
        self.wake()

    def fill_disk(self, full: bool) -> None:
        """Let the disk have no free space, or space again."""
        self.full = full
        if self._storage is not None:
            self._storage.full = full

    def wake(self) -> None:
        """Something arrived: give the node a turn soon."""
        self._turn_at(self._schedule.now_ms)

    def _turn_at(self, due_ms: float) -> None:
        if not self.can_turn:
            return
        due_ms = max(due_ms, self._last_turn_ms + _TURN_MS)
        if self._alarm is not None and self._alarm.pending:
            if self._alarm.due_ms <= due_ms:
                return
            self._alarm.cancel()
        self._alarm = self._schedule.at(due_ms, self._turn)

    def _turn(self) -> None:
        node = self.node
        if node is None or self.paused:
            return
        self._last_turn_ms = self._schedule.now_ms
        try:
            node.turn()
        except Crashed:
            self.crash()
            return
        self._checks.turned(self.id, node.core)
        self._observe(self)
        wait_ms = self.clock.until_ms(node.next_wake_ms())
        self._turn_at(self._schedule.now_ms + wait_ms)

    def _report(self, event: str, fields: dict[str, object]) -> None:
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        self._schedule.note(f"node {self.id}: {event} {told}")
