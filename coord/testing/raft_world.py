"""A cluster of bare Raft cores with nothing on top: the quickest way to find what is wrong there.

The state machine is the hash of the log so far; a snapshot of it is that hash. Reads are checked
against what the whole cluster had committed when they were asked.
"""

from collections.abc import Iterator
from random import Random

import attrs

from coord.ids import LogIndex, NodeId
from coord.node.consensus import Consensus
from coord.node.peers import Forward, ForwardRejected, Introduce, peer_frames
from coord.raft.core import RaftCore
from coord.raft.messages import (
    Compacted,
    Entry,
    Membership,
    Propose,
    Read,
    Received,
    SnapshotAvailable,
    SnapshotInstalled,
    SnapshotMeta,
    Tick,
    Transfer,
)
from coord.raft.settings import RaftSettings, Restored
from coord.testing.faults import Crash, Fault, Swarm
from coord.testing.host import Host, Ports, peer_address
from coord.testing.invariants import RaftChecks
from coord.testing.log_image import EMPTY, chain
from coord.testing.nemesis import Nemesis
from coord.testing.plain_disk import PlainMachine
from coord.testing.schedule import Schedule, Trace
from coord.testing.violation import Violation
from coord.testing.weather import STILL, weather_of
from coord.wal.port import SnapshotSaved
from transport.memory import MemoryNetwork

_TICK_MS = 10.0
_CLUSTER = 7
_HEAL_MS = 15_000.0
_ASSASSINATED = 0.8  # of the leaders, where an assassin is about
_KEPT_ENTRIES = 3  # behind a snapshot, for followers a little behind


@attrs.frozen
class Pace:
    """How a run's cores replicate: one entry at a time or in bulk, and how often they save."""

    append_bytes_max: int
    append_inflight_max: int
    snapshot_entries: int


def draw_pace(luck: Random) -> Pace:
    """Draw a pace."""
    return Pace(luck.choice((1, 200, 2_000)), luck.choice((1, 4)), luck.choice((5, 20, 100)))


class RaftProcess:
    """A node that only agrees: applies entries by hashing them."""

    def __init__(
        self, number: int, nodes: int, ports: Ports, checks: RaftChecks, pace: "Pace"
    ) -> None:
        recovered = ports.storage.recovered
        bootstrap = Membership(tuple(range(1, nodes + 1)))
        meta = recovered.snapshot or SnapshotMeta(0, 0, bootstrap)
        settings = RaftSettings(
            cluster=_CLUSTER,
            node=number,
            election_ticks=20,
            heartbeat_ticks=4,
            append_bytes_max=pace.append_bytes_max,
            append_inflight_max=pace.append_inflight_max,
            uncommitted_bytes_max=4_000,
        )
        restored = Restored(recovered.hard_state, meta, recovered.entries)
        self.core = RaftCore(settings, restored, ports.draw)
        self.applied = meta.index
        self.state = EMPTY
        self.snapshots = 0
        self._consensus = Consensus(self.core, ports.storage, ports.peers)
        self._ports = ports
        self._checks = checks
        self._every = pace.snapshot_entries
        self._saving = False
        self._saved = meta.index
        self._wanted = 0
        self._asked: dict[int, int] = {}
        self._contexts = ports.draw(0, 2**30) << 32
        self._last_tick_ms = ports.clock.now_ms()
        if meta.index:
            self._load(meta, ports.storage.open_snapshot())
        others = [n for n in range(1, nodes + 1) if n != number]
        ports.peers.set_peers({n: peer_address(n) for n in others})

    def next_wake_ms(self) -> float:
        """See Process."""
        return self._last_tick_ms + _TICK_MS

    def stop(self) -> None:
        """See Process."""
        if self.core.is_leader:
            self._consensus.step(Transfer(NodeId(0)))

    def propose(self, payloads: tuple[bytes, ...]) -> None:
        """Propose, if this node leads."""
        self._consensus.step(Propose(payloads))

    def read(self) -> None:
        """Ask for a read index; it must cover all that is committed anywhere by now."""
        self._contexts += 1
        self._asked[self._contexts] = self._checks.committed
        self._consensus.step(Read(self._contexts))

    def turn(self) -> None:
        """See Process."""
        self._hear_disk()
        self._hear_peers()
        now_ms = self._ports.clock.now_ms()
        while self._last_tick_ms + _TICK_MS <= now_ms:
            self._last_tick_ms += _TICK_MS
            self._consensus.step(Tick())
        while self._consensus.committed:
            self._apply(self._consensus.committed.popleft())
        self._check_reads()
        if self._consensus.snapshot_wanted is not None:
            self._wanted = self._consensus.snapshot_wanted
            self._consensus.snapshot_wanted = None
        self._maybe_save()
        self._consensus.send_news()

    def _hear_disk(self) -> None:
        for done in self._ports.storage.poll():
            if isinstance(done, SnapshotSaved):
                self._saving = False
                self._saved = max(self._saved, done.meta.index)
                self._consensus.step(SnapshotAvailable(done.meta, done.size_bytes))
                keep_from = max(0, done.meta.index - _KEPT_ENTRIES)
                self._consensus.step(Compacted(LogIndex(keep_from)))
                continue
            self._consensus.step(done)
            if isinstance(done, SnapshotInstalled) and done.accepted:
                if done.meta.index > self.applied:
                    self._load(done.meta, self._ports.storage.open_snapshot())
                self._saved = max(self._saved, done.meta.index)

    def _hear_peers(self) -> None:
        for payload in self._ports.peers.receive(100):
            frame = peer_frames.decode(payload)
            assert not isinstance(frame, Forward | ForwardRejected | Introduce)
            self._consensus.step(Received(frame))

    def _load(self, meta: SnapshotMeta, chunks: Iterator[bytes]) -> None:
        self.state = int.from_bytes(b"".join(chunks)[:8], "big")
        self.applied = meta.index
        committed = self._consensus.committed
        while committed and committed[0].index <= meta.index:
            committed.popleft()

    def _apply(self, entry: Entry) -> None:
        if entry.index != self.applied + 1:
            raise Violation(f"applies {entry.index} after {self.applied}")
        self.applied = entry.index
        self.state = chain(self.state, entry)

    def _check_reads(self) -> None:
        for ready in self._consensus.reads:
            committed = self._asked.pop(ready.context)
            if ready.index and ready.index < committed:
                raise Violation(f"stale read: index {ready.index}, committed was {committed}")
        self._consensus.reads.clear()

    def _maybe_save(self) -> None:
        wanted = self._wanted > self._saved
        if self._saving or self.applied <= self._saved:
            return
        if wanted or self.applied - self._saved >= self._every:
            self._saving = True
            self.snapshots += 1
            meta = self.core.snapshot_meta(self.applied)
            content = self.state.to_bytes(8, "big") * 20
            self._ports.storage.save_chunk(meta, content, True)


class RaftWorld:
    """A few cores, a network, a plan of faults."""

    def __init__(
        self,
        seed: int,
        swarm: Swarm,
        trace: Trace | None = None,
        pace: Pace | None = None,
        *,
        assassin: bool = False,
    ) -> None:
        """Set up a world.

        Args:
            seed: everything follows from it.
            swarm: its character.
            trace: where lines go.
            pace: how the cores replicate; drawn if None.
            assassin: whether most leaders die within a few messages of their election.
        """
        self.schedule = Schedule(seed, trace)
        self.swarm = swarm
        self.checks = RaftChecks(range(1, swarm.nodes + 1))
        luck = self.schedule.stream("network")
        self.network = MemoryNetwork(self.schedule, luck, weather_of(swarm))
        self._luck = self.schedule.stream("load")
        pace_of_core = pace or draw_pace(self._luck)
        self.hosts: list[Host[RaftProcess, PlainMachine]] = []
        for number in range(1, swarm.nodes + 1):
            machine = PlainMachine(
                self.schedule, f"{number}", swarm.sync_min_ms, swarm.sync_mean_ms
            )

            def build(ports: Ports, number: int = number) -> RaftProcess:
                return RaftProcess(number, swarm.nodes, ports, self.checks, pace_of_core)

            clock_pace = swarm.drift[number - 1] if swarm.drift else 1.0
            self.hosts.append(
                Host(
                    number,
                    self.schedule,
                    self.network,
                    self.checks,
                    machine,
                    clock_pace,
                    build,
                    self._observe,
                )
            )
        self.nemesis = Nemesis(self.schedule, self.network, self.hosts, ())
        self._proposed = 0
        self._assassin = assassin
        self._last_leader = (0, 0)

    def run(self, plan: tuple[Fault, ...]) -> None:
        """Run with faults, then heal and demand agreement."""
        for host in self.hosts:
            host.start()
        self.nemesis.follow(plan)
        self._load()
        while self.schedule.step(self.swarm.fault_ms):
            pass
        self.nemesis.leave()
        self.network.set_weather(STILL)
        before = self.checks.committed
        end_ms = self.schedule.now_ms + _HEAL_MS
        while self.schedule.step(end_ms):
            if self.checks.committed > before + 20 and self._agreed():
                return
        raise Violation(f"no agreement {_HEAL_MS} ms after healing")

    def _agreed(self) -> bool:
        states = {
            (host.process.applied, host.process.state) if host.process else None
            for host in self.hosts
        }
        return len(states) == 1 and None not in states

    def _load(self) -> None:
        self.schedule.after(self._luck.expovariate(1 / self.swarm.think_ms), self._load)
        host = self._luck.choice(self.hosts)
        if not host.can_turn:
            return
        if self._luck.random() < 0.3:
            host.act(lambda process: process.read())
            return
        leaders = [h for h in self.hosts if h.can_turn and h.process and h.process.core.is_leader]
        if leaders:
            payloads = []
            for _ in range(self._luck.choice((1, 1, 3))):
                self._proposed += 1
                payloads.append(b"%d" % self._proposed + b"." * self._luck.choice((0, 50)))
            self._luck.choice(leaders).act(lambda process: process.propose(tuple(payloads)))

    def _observe(self, host: Host[RaftProcess, PlainMachine]) -> None:
        process = host.process
        assert process is not None
        self.checks.applied(host.id, process.applied, process.state)
        if self._assassin and process.core.is_leader:
            self._stalk(host, process.core.term)

    def _stalk(self, host: Host[RaftProcess, PlainMachine], term: int) -> None:
        if (host.id, term) == self._last_leader or self.schedule.now_ms > self.swarm.fault_ms:
            return
        self._last_leader = (host.id, term)
        if self._luck.random() < _ASSASSINATED:
            self.nemesis.strike(Crash(host.id - 1, self._luck.randrange(25), 300.0))
