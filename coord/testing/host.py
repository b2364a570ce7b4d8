"""One simulated machine: a disk that stays, and a node process that comes and goes on it.

The host gives its node turns when something arrives or its own clock says so, pauses it, ends it
between any two calls to its ports, and starts it again from what the disk kept.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Generic, Protocol, TypeVar

import attrs

from coord.raft.core import RaftCore
from coord.testing.invariants import RaftChecks
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
from transport.memory import MemoryNetwork

_RESTART_MS = 50.0  # a supervisor starts what died again
_TURN_MS = 0.1  # between two turns of one node: what one turn costs, and what batches arrivals


def peer_address(number: int) -> str:
    """Where a node listens for peers."""
    return f"peer-{number}"


def client_address(number: int) -> str:
    """Where a node listens for clients."""
    return f"client-{number}"


class CannotStart(Exception):
    """The process ended while it came up; to be started again."""


class Machine(Protocol):
    """A disk that outlives the processes on it."""

    def open(self, wake: Callable[[], None]) -> Storage:
        """Recover and open; `wake` is called whenever poll() has something new.

        Raises:
            CannotStart: the process died in the middle of it.
        """
        ...

    def crash(self) -> None:
        """Lose what a crash may lose; the storage last opened is dead from now on."""
        ...

    def slow_down(self, sync_ms: float) -> None:
        """Let each sync take `sync_ms` at least; 0 for the usual pace."""
        ...

    def fill(self, full: bool) -> None:
        """Leave hardly any room on the disk, or give it back."""
        ...

    def calm(self) -> None:
        """Do no more harm from now on but what is asked for."""
        ...


class Process(Protocol):
    """What runs on a host: in general a coord.node.driver.Node."""

    @property
    def core(self) -> RaftCore:
        """Its part in the consensus."""
        ...

    def turn(self) -> None:
        """Do what can be done now."""
        ...

    def stop(self) -> None:
        """Begin to leave."""
        ...

    def next_wake_ms(self) -> float:
        """When it wants a turn even if nothing arrives, by its own clock."""
        ...


@attrs.frozen
class Ports:
    """What a process is built on."""

    storage: TappedStorage
    peers: TappedPeers
    clients: TappedClients
    clock: DriftingClock
    draw: Callable[[int, int], int]
    report: Callable[[str, Mapping[str, object]], None]


P = TypeVar("P", bound=Process)
M = TypeVar("M", bound=Machine)


class Host(Generic[P, M]):
    """A machine in the world."""

    def __init__(
        self,
        number: int,
        schedule: Schedule,
        network: MemoryNetwork,
        checks: RaftChecks,
        machine: M,
        pace: float,
        build: Callable[[Ports], P],
        observe: Callable[["Host[P, M]"], None],
        dying: Callable[["Host[P, M]"], None] = lambda host: None,
    ) -> None:
        """Set up a machine that is switched off.

        Args:
            number: the node's id; 1, 2, ...
            schedule: time and luck.
            network: where its ports come from.
            checks: told of everything that passes the ports.
            machine: the disk.
            pace: how fast the node's clock runs; 1.0 is true time.
            build: makes the process that runs on it.
            observe: called after every turn.
            dying: called before a process is ended by a crash, maybe in the middle of a turn.
        """
        self.id = number
        self.process: P | None = None
        self.machine = machine
        self.point = CrashPoint()
        self.paused = False
        self.full = False
        self.starts = 0
        self.turns = 0
        self._schedule = schedule
        self._network = network
        self._checks = checks
        self._build = build
        self._luck: Random = schedule.stream(f"node {number}")
        self.clock = DriftingClock(lambda: schedule.now_ms, pace, self._luck.uniform(0, 1e6))
        self._observe = observe
        self._dying = dying
        self._alarm: Alarm | None = None
        self._last_turn_ms = 0.0
        self._ports: Ports | None = None

    @property
    def up(self) -> bool:
        """Whether a node process runs (maybe paused)."""
        return self.process is not None

    @property
    def can_turn(self) -> bool:
        """Whether it runs and is not paused."""
        return self.process is not None and not self.paused

    def start(self) -> None:
        """Start the node process, unless one runs."""
        if self.process is not None:
            return
        self.starts += 1
        self.point = CrashPoint()
        self.paused = False
        try:
            storage = self.machine.open(self.wake)
        except CannotStart as reason:
            self._schedule.note(f"cannot start {self.id}: {reason}")
            self._schedule.after(_RESTART_MS, self.start)
            return
        self._checks.restarted(self.id, storage.recovered)
        name, point = f"n{self.id}", self.point
        peers = self._network.peers(name, peer_address(self.id), self.wake)
        clients = self._network.listener(name, client_address(self.id), self.wake)
        tapped = TappedStorage(storage, self.id, self._checks, point)
        tapped.full = self.full
        self._schedule.note(f"start {self.id}")
        self._ports = Ports(
            tapped,
            TappedPeers(peers, self.id, self._checks, point, self._schedule.note),
            TappedClients(clients, self.id, point, self._schedule.note),
            self.clock,
            self._luck.randint,
            self._report,
        )
        self.process = self._build(self._ports)
        tapped.core = self.process.core
        self.wake()

    def crash(self) -> None:
        """End the process now; the disk loses what a crash may lose."""
        if self.process is None:
            return
        self._schedule.note(f"crash {self.id}")
        self._checks.crashed(self.id, self.process.core)
        self._dying(self)
        self.process = None
        ports, self._ports = self._ports, None
        if self._alarm is not None:
            self._alarm.cancel()
        if ports is not None:
            ports.peers.close()
            ports.clients.close()
        self.machine.crash()

    def pause(self) -> None:
        """Let the process do nothing; what arrives waits."""
        self.paused = True

    def resume(self) -> None:
        """Let a paused process go on, with all that waited."""
        self.paused = False
        self.wake()

    def fill_disk(self, full: bool, *, suddenly: bool = False) -> None:
        """Let the disk report no free space, or space again; `suddenly`: let writes fail, too."""
        self.full = full
        self.machine.fill(full and suddenly)
        if self._ports is not None:
            self._ports.storage.full = full

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
        self.turns += 1
        self._last_turn_ms = self._schedule.now_ms
        self.act(lambda process: process.turn())

    def act(self, action: Callable[[P], None]) -> None:
        """Let the process do something now, and check what came of it."""
        process = self.process
        if process is None or self.paused:
            return
        try:
            action(process)
        except Crashed:
            self.crash()
            return
        self._checks.turned(self.id, process.core)
        self._observe(self)
        wait_ms = self.clock.until_ms(process.next_wake_ms())
        self._turn_at(self._schedule.now_ms + wait_ms)

    def _report(self, event: str, fields: Mapping[str, object]) -> None:
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        self._schedule.note(f"node {self.id}: {event} {told}")
