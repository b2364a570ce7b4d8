"""Carries out a fault plan on a running world: strikes each blow when its moment comes.

Cuts from several partitions add up, so that one ending does not mend another's.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from coord.testing.faults import (
    LEADER,
    Blow,
    ClientCut,
    Crash,
    DiskFull,
    Fault,
    Freeze,
    Leave,
    Partition,
    Pause,
    PowerLoss,
    SlowDisk,
    cut_links,
)
from coord.testing.host import Host
from coord.testing.schedule import Schedule
from transport.memory import MemoryNetwork


class Nemesis:
    """One plan being carried out."""

    def __init__(
        self,
        schedule: Schedule,
        network: MemoryNetwork,
        hosts: Sequence[Host[Any, Any]],
        client_names: Iterable[str],
    ) -> None:
        self.struck: Counter[str] = Counter()
        self._schedule = schedule
        self._network = network
        self._hosts = hosts
        self._clients = tuple(client_names)
        self._cuts: Counter[tuple[str, str]] = Counter()
        self._luck: Random = schedule.stream("nemesis")
        self._over = False

    def follow(self, plan: Iterable[Fault]) -> None:
        """Put every blow of a plan on the schedule."""
        for fault in plan:
            self._schedule.at(fault.at_ms, self._striker(fault))

    def strike(self, blow: Blow) -> None:
        """Strike one blow now."""
        self._striker(Fault(self._schedule.now_ms, blow))()

    def leave(self) -> None:
        """Strike no more, and undo everything: links, pauses, disks; start what is down."""
        self._over = True
        for one, other in list(self._cuts):
            self._network.heal(one, other)
        self._cuts.clear()
        for host in self._hosts:
            host.machine.slow_down(0)
            host.machine.calm()
            host.fill_disk(False)
            if host.paused:
                host.resume()
            host.point.calls_left = None
            host.start()

    def _striker(self, fault: Fault) -> Callable[[], None]:
        def strike() -> None:
            if not self._over:
                self._schedule.note(f"blow {fault.blow}")
                self._strike(fault)

        return strike

    def _strike(self, fault: Fault) -> None:
        blow = fault.blow
        self.struck[type(blow).__name__] += 1
        if isinstance(blow, PowerLoss):
            for host in self._hosts:
                self._crash(host, blow.down_ms)
            return
        if isinstance(blow, ClientCut):
            self._cut_client(blow)
            return
        host = self._target(blow.target)
        if isinstance(blow, Partition):
            self.struck[f"Partition {blow.shape.value}"] += 1
            self._part(blow, host)
        elif isinstance(blow, Crash):
            self._crash_soon(host, blow)
        elif isinstance(blow, Leave):
            host.act(lambda process: process.stop())
            self._later(blow.grace_ms, host.crash)
            self._later(blow.grace_ms + blow.down_ms, host.start)
        elif isinstance(blow, Pause):
            host.pause()
            self._later(blow.last_ms, host.resume)
        elif isinstance(blow, Freeze):
            self._freeze(blow, host)
        elif isinstance(blow, SlowDisk):
            host.machine.slow_down(blow.sync_ms)
            self._later(blow.last_ms, lambda: host.machine.slow_down(0))
        else:
            assert isinstance(blow, DiskFull)
            host.fill_disk(True, suddenly=blow.suddenly)
            self._later(blow.last_ms, lambda: host.fill_disk(False))

    def _target(self, target: int) -> Host[Any, Any]:
        if target != LEADER:
            return self._hosts[target]
        cores = [(host.process.core, host) for host in self._hosts if host.process is not None]
        leading = [(core.term, host.id, host) for core, host in cores if core.is_leader]
        return max(leading)[2] if leading else self._hosts[0]

    def _later(self, delay_ms: float, action: Callable[[], None]) -> None:
        def act() -> None:
            if not self._over:
                action()

        self._schedule.after(delay_ms, act)

    # --- crashes ----------------------------------------------------------------------------

    def _crash_soon(self, host: Host[Any, Any], blow: Crash) -> None:
        if not host.up:
            return
        host.point.arm(blow.effects, carried_out=self._luck.random() < 0.5)
        point = host.point
        # A node that makes no calls (paused, idle) still goes down in the end.
        self._later(blow.effects * 10 + 50, lambda: host.crash() if host.point is point else None)
        self._later(blow.effects * 10 + 50 + blow.down_ms, host.start)

    def _crash(self, host: Host[Any, Any], down_ms: float) -> None:
        host.crash()
        self._later(down_ms, host.start)

    # --- partitions -------------------------------------------------------------------------

    def _part(self, blow: Partition, host: Host[Any, Any]) -> None:
        target = self._hosts.index(host)
        stages = cut_links(blow, target, len(self._hosts))
        each_ms = blow.last_ms / len(stages)
        for number, stage in enumerate(stages):
            pairs = [(self._name(one), self._name(other)) for one, other in sorted(stage)]
            if blow.clients:
                name = self._name(target)
                pairs += [(name, client) for client in self._clients]
                pairs += [(client, name) for client in self._clients]
            self._later(number * each_ms, self._cutter(pairs))
            self._later((number + 1) * each_ms, self._mender(pairs))

    def _cut_client(self, blow: ClientCut) -> None:
        if not self._clients:
            return
        client = self._clients[blow.client % len(self._clients)]
        names = [f"n{host.id}" for host in self._hosts]
        pairs = [(client, name) for name in names] + [(name, client) for name in names]
        self._cutter(pairs)()
        self._later(blow.last_ms, self._mender(pairs))

    def _freeze(self, blow: Freeze, host: Host[Any, Any]) -> None:
        names = [f"n{other.id}" for other in self._hosts if other is not host]
        own = f"n{host.id}"
        pairs = [(own, name) for name in names] + [(name, own) for name in names]
        self._cutter(pairs)()
        host.pause()
        self._later(blow.last_ms, host.resume)
        self._later(blow.last_ms + blow.alone_ms, self._mender(pairs))

    def _name(self, place: int) -> str:
        return f"n{self._hosts[place].id}"

    def _cutter(self, pairs: list[tuple[str, str]]) -> Callable[[], None]:
        def cut() -> None:
            for pair in pairs:
                self._cuts[pair] += 1
                if self._cuts[pair] == 1:
                    self._network.cut(*pair)

        return cut

    def _mender(self, pairs: list[tuple[str, str]]) -> Callable[[], None]:
        def mend() -> None:
            for pair in pairs:
                self._cuts[pair] -= 1
                if self._cuts[pair] == 0:
                    self._network.heal(*pair)

        return mend
