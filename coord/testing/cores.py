"""A group of bare consensus cores with hand-driven wires and disks, checked at every step.

Nothing moves unless told: a test delivers, drops or repeats one message, lets one disk finish
one write, crashes a node with any part of its unfinished writes kept. For tests of the core
alone; whole nodes are simulated elsewhere. The "store" of a node is a chain of hashes over what
it applied, so a snapshot is a few bytes and still proves its history.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import attrs

from coord.ids import LogIndex
from coord.raft.core import RaftCore
from coord.raft.messages import (
    ChunkRead,
    ChunkReceived,
    ChunkStored,
    ChunkWanted,
    Compacted,
    Effects,
    Entry,
    Event,
    HardState,
    Membership,
    Message,
    Propose,
    Read,
    Received,
    SnapshotAvailable,
    SnapshotInstalled,
    SnapshotMeta,
    Tick,
    Write,
    Written,
)
from coord.raft.quorum import has_quorum
from coord.raft.settings import RaftSettings, Restored
from coord.testing.invariants import RaftChecks
from coord.testing.log_image import EMPTY, chain
from coord.testing.violation import Violation
from coord.wal.port import Recovered

CLUSTER = 7
CHUNK_BYTES = 9

Draw = Callable[[int, int], int]
Job = Write | ChunkReceived | ChunkWanted


@attrs.define
class Machine:
    """What a node applied: how far, and the hash of it all."""

    index: int = 0
    digest: int = EMPTY

    def apply(self, entry: Entry) -> None:
        """Take the next entry."""
        assert entry.index == self.index + 1, "entries are applied in order, each once"
        self.index = entry.index
        self.digest = chain(self.digest, entry)

    def to_bytes(self) -> bytes:
        """Write the snapshot."""
        return b"%20d %20d" % (self.index, self.digest)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Machine":
        """Read a snapshot."""
        index, digest = data.split()
        return cls(int(index), int(digest))


@attrs.define
class Disk:
    """What survives a crash, and the jobs that have not ended."""

    hard: HardState = attrs.field(factory=HardState)
    meta: SnapshotMeta = attrs.field(factory=lambda: SnapshotMeta(0, 0, Membership(())))
    snapshot: bytes = Machine().to_bytes()
    entries: list[Entry] = attrs.field(factory=list)
    jobs: deque[Job] = attrs.field(factory=deque)
    incoming: bytes = b""

    def keep(self, write: Write) -> None:
        """Make a write durable."""
        if write.hard_state is not None:
            self.hard = write.hard_state
        for entry in write.entries:
            if entry.index > self.meta.index:
                del self.entries[entry.index - self._base - 1 :]
                self.entries.append(entry)

    @property
    def _base(self) -> int:
        return self.entries[0].index - 1 if self.entries else self.meta.index

    def take_snapshot(self, meta: SnapshotMeta, data: bytes, keep_suffix: bool) -> None:
        """Let a snapshot stand for the log up to its index."""
        self.meta, self.snapshot = meta, data
        self.entries = [e for e in self.entries if keep_suffix and e.index > meta.index]


class GroupChecks(RaftChecks):
    """The rules, with quorums counted in the member list that the committing leader goes by."""

    def __init__(self, nodes: Sequence[int], cores: Mapping[int, RaftCore]) -> None:
        super().__init__(nodes)
        self._cores = cores

    def _check_quorum(self, node: int, index: int, held: int) -> None:
        members = self._cores[node].membership
        holders = [
            other
            for other, member in self._members.items()
            if member.durable.base >= index or member.durable.hash_at(index) == held
        ]
        if not has_quorum(members, holders):
            raise Violation(f"node {node} commits {index}, durable only on {holders} of {members}")


class CoreGroup:
    """Cores 1 to n, their disks, and the messages between them."""

    def __init__(
        self,
        size: int = 3,
        *,
        members: Membership | None = None,
        draw: Draw | None = None,
        settings: Callable[[int], RaftSettings] | None = None,
    ) -> None:
        """Start `size` nodes with empty disks; by default all of them vote."""
        nodes = tuple(range(1, size + 1))
        self.nodes = nodes
        self.members = members or Membership(nodes)
        self._draw = draw or random.Random(size).randint
        self._settings = settings or (lambda node: RaftSettings(cluster=CLUSTER, node=node))
        self.network: list[Message] = []
        self.cores: dict[int, RaftCore] = {}
        self.checks = GroupChecks(nodes, self.cores)
        self.machines: dict[int, Machine] = {}
        self.cut: set[tuple[int, int]] = set()  #: links (from, to) that lose everything
        self.answers: dict[int, int] = {}  #: index by context of the reads answered so far
        self.watch: Callable[[int, Effects], None] | None = None
        """Called after every step with the node and what it asked for."""
        self._floors: dict[int, int] = {}
        self.disks = {
            node: Disk(
                meta=SnapshotMeta(
                    0, 0, self.members if node in _named(self.members) else Membership(())
                )
            )
            for node in nodes
        }
        for node in nodes:
            self.restart(node)

    # --- what happens to one node ----------------------------------------------------------

    def step(self, node: int, event: Event) -> Effects:
        """Let `event` happen at `node`; disk jobs and messages wait to be moved by hand."""
        core = self.cores[node]
        effects = core.step(event)
        if effects.write is not None:
            self.checks.write_asked(node, effects.write, core)
            self.disks[node].jobs.append(effects.write)
        for message in effects.messages:
            self.checks.sent(node, message)
            if (node, message.to) not in self.cut:
                self.network.append(message)
        for entry in effects.committed:
            self.machines[node].apply(entry)
        self.checks.turned(node, core)
        if self.watch is not None:
            self.watch(node, effects)
        for ready in effects.reads:
            self._check_read(node, ready.context, ready.index)
        self._carry_out_snapshots(node, effects)
        return effects

    def _check_read(self, node: int, context: int, index: int) -> None:
        if context in self.answers:
            raise Violation(f"node {node}: read {context} was answered twice")
        self.answers[context] = index
        if 0 < index < self._floors[context]:
            raise Violation(f"node {node}: read {context} at {index}: stale")

    def _carry_out_snapshots(self, node: int, effects: Effects) -> None:
        disk = self.disks[node]
        if effects.chunk_received is not None:
            received = effects.chunk_received
            disk.jobs.append(received)
            if received.last:
                self.checks.install_asked(node, received.meta, received.keep_suffix)
        disk.jobs.extend(effects.chunks_wanted)
        if effects.snapshot_wanted is not None:
            if disk.meta.index < effects.snapshot_wanted.min_index:
                self.save_snapshot(node)
            if disk.meta.index >= effects.snapshot_wanted.min_index:
                self.step(node, SnapshotAvailable(disk.meta, len(disk.snapshot)))

    def tick(self, node: int, times: int = 1) -> None:
        """Let ticks pass at one node."""
        for _ in range(times):
            if node in self.cores:
                self.step(node, Tick())

    def propose(self, node: int, *payloads: bytes) -> int:
        """Propose payloads; returns the first index, 0 when refused."""
        proposed = self.step(node, Propose(payloads)).proposed
        assert proposed is not None
        return proposed.first_index

    def read(self, node: int) -> int:
        """Begin a read; its context's answer must not miss anything committed by now."""
        context = len(self._floors) + 1
        self._floors[context] = self.checks.committed
        self.step(node, Read(context))
        return context

    def save_snapshot(self, node: int) -> None:
        """Save a snapshot of what the node applied, if its disk holds the log that far."""
        core, disk, machine = self.cores[node], self.disks[node], self.machines[node]
        if disk.meta.index < machine.index <= core.durable_index:
            disk.take_snapshot(core.snapshot_meta(machine.index), machine.to_bytes(), True)

    def compact(self, node: int, keep: int = 0) -> None:
        """Save a snapshot and drop the log before it, but for the last `keep` entries."""
        if any(isinstance(job, ChunkReceived) and job.last for job in self.disks[node].jobs):
            return  # a node does not save while it installs
        self.save_snapshot(node)
        self.step(node, Compacted(LogIndex(max(0, self.disks[node].meta.index - keep))))

    # --- disks -----------------------------------------------------------------------------

    def finish_job(self, node: int) -> None:
        """Let the disk finish its oldest job."""
        disk = self.disks[node]
        job = disk.jobs.popleft()
        if isinstance(job, Write):
            disk.keep(job)
            self.checks.write_done(node, job.ticket)
            self.step(node, Written(job.ticket))
        elif isinstance(job, ChunkWanted):
            self._finish_read(node, job)
        else:
            self._finish_store(node, job)

    def _finish_read(self, node: int, job: ChunkWanted) -> None:
        disk = self.disks[node]
        total = len(disk.snapshot) if disk.meta == job.meta else 0
        chunk = disk.snapshot[job.offset : job.offset + CHUNK_BYTES] if total else b""
        self.step(node, ChunkRead(job.to, job.meta, total, job.offset, chunk))

    def _finish_store(self, node: int, job: ChunkReceived) -> None:
        disk = self.disks[node]
        disk.incoming = job.chunk if job.offset == 0 else disk.incoming + job.chunk
        assert len(disk.incoming) == job.offset + len(job.chunk), "chunks come in order"
        if not job.last:
            self.step(node, ChunkStored(job.meta, len(disk.incoming)))
            return
        machine = Machine.from_bytes(disk.incoming)
        assert machine.index == job.meta.index, "bytes of two snapshots were mixed"
        disk.take_snapshot(job.meta, disk.incoming, job.keep_suffix)
        self.machines[node] = machine
        self.checks.install_done(node, job.meta, True)
        self.step(node, SnapshotInstalled(job.meta))

    def crash(self, node: int, jobs_kept: int = 0, entries_kept: int = 0) -> None:
        """End a process; of its unfinished writes the first few, and a part of the next, stay."""
        core = self.cores.pop(node)
        disk = self.disks[node]
        while disk.jobs:
            job = disk.jobs.popleft()
            if not isinstance(job, Write):
                jobs_kept = entries_kept = 0  # an installation cut short leaves nothing
            elif jobs_kept > 0:
                jobs_kept -= 1
                disk.keep(job)
            elif entries_kept:
                disk.keep(Write(job.ticket, None, job.entries[:entries_kept]))
                entries_kept = 0
        self.checks.crashed(node, core)

    def restart(self, node: int) -> None:
        """Start a process on what its disk holds."""
        disk = self.disks[node]
        entries = tuple(disk.entries)
        self.checks.restarted(node, Recovered(disk.hard, disk.meta, entries))
        restored = Restored(disk.hard, disk.meta, entries)
        self.machines[node] = Machine.from_bytes(disk.snapshot)
        self.cores[node] = RaftCore(self._settings(node), restored, self._draw)

    # --- the network -----------------------------------------------------------------------

    def deliver(self, place: int = 0, *, again: bool = False) -> None:
        """Deliver one message; with `again` a copy stays on the wire."""
        message = self.network[place] if again else self.network.pop(place)
        if message.to in self.cores and (message.sender, message.to) not in self.cut:
            self.step(message.to, Received(message))

    def isolate(self, *nodes: int) -> None:
        """Cut every link between `nodes` and the others."""
        for inside in nodes:
            for outside in self.nodes:
                if outside not in nodes:
                    self.cut |= {(inside, outside), (outside, inside)}

    def heal(self) -> None:
        """Join all links again."""
        self.cut.clear()

    # --- everything at once ----------------------------------------------------------------

    def settle(self, steps_max: int = 100_000) -> None:
        """Finish disk jobs and deliver messages, oldest first, until nothing moves."""
        for _ in range(steps_max):
            busy = [node for node in sorted(self.cores) if self.disks[node].jobs]
            if busy:
                self.finish_job(busy[0])
            elif self.network:
                self.deliver()
            else:
                return
        raise Violation("the group does not come to rest")

    def run(self, ticks: int, nodes: Sequence[int] | None = None) -> None:
        """Let time pass on all nodes at the same pace, settling after each tick."""
        for _ in range(ticks):
            for node in nodes or self.nodes:
                self.tick(node)
            self.settle()

    def elect(self, node: int) -> None:
        """Make `node` leader, by letting time pass only there."""
        for _ in range(10):
            if self.cores[node].is_leader:
                return
            for other in self.nodes:  # so that nobody clings to a leader heard just now
                if other != node and not self.cores[other].is_leader:
                    self.tick(other, self._settings(other).election_ticks - 1)
            self.tick(node, 2 * self._settings(node).election_ticks)
            self.settle()
        raise Violation(f"node {node} cannot be made leader")

    @property
    def leaders(self) -> list[int]:
        """Nodes that believe to lead."""
        return [node for node, core in sorted(self.cores.items()) if core.is_leader]

    def check_converged(self) -> None:
        """Demand that all running nodes applied the same, and everything committed."""
        ends = {node: self.machines[node] for node in sorted(self.cores)}
        wanted = Machine(self.checks.committed, ends[max(ends, key=lambda n: ends[n].index)].digest)
        for node, machine in ends.items():
            if machine != wanted:
                raise Violation(f"node {node} is at {machine}, the group at {wanted}")


def _named(members: Membership) -> tuple[int, ...]:
    return (*members.voters, *members.learners, *members.outgoing)
