"""A disk reduced to what a log must promise: no files, only what is durable and what is pending.

For runs that are about consensus and not about files: an order of magnitude cheaper than the real
log over a simulated disk. A crash keeps some prefix of what was pending, cut within a write too.
"""

from collections.abc import Callable, Iterator
from random import Random

import attrs

from coord.raft.messages import (
    ChunkRead,
    ChunkReceived,
    ChunkStored,
    ChunkWanted,
    Entry,
    HardState,
    SnapshotInstalled,
    SnapshotMeta,
    Write,
    Written,
)
from coord.testing.schedule import Schedule
from coord.wal.port import Completion, Recovered, SnapshotSaved


@attrs.frozen
class _Save:
    """A snapshot to make durable: the node's own, or one received."""

    meta: SnapshotMeta
    content: bytes
    received: bool
    keep_suffix: bool


@attrs.define
class _Durable:
    """What a crash leaves alone."""

    hard: HardState = attrs.field(factory=HardState)
    meta: SnapshotMeta | None = None
    content: bytes = b""
    entries: list[Entry] = attrs.field(factory=list)

    def write(self, hard: HardState | None, entries: tuple[Entry, ...]) -> None:
        if hard is not None:
            self.hard = hard
        if entries:
            first = entries[0].index
            self.entries = [entry for entry in self.entries if entry.index < first]
            self.entries += entries

    def save(self, save: _Save) -> None:
        index = save.meta.index
        self.meta, self.content = save.meta, save.content
        kept = [entry for entry in self.entries if entry.index > index]
        self.entries = kept if save.keep_suffix else []


class PlainMachine:
    """A machine whose disk is a value; see coord.testing.host.Machine."""

    def __init__(self, schedule: Schedule, name: str, sync_min_ms: float, sync_mean_ms: float):
        self._schedule = schedule
        self._luck: Random = schedule.stream(f"disk {name}")
        self._sync_min_ms = sync_min_ms
        self._sync_mean_ms = sync_mean_ms
        self._slow_ms = 0.0
        self.torn = 0
        self._durable = _Durable()
        self._storage: PlainStorage | None = None

    def open(self, wake: Callable[[], None]) -> "PlainStorage":
        """Recover; see Machine."""
        self._storage = PlainStorage(self, wake)
        return self._storage

    def crash(self) -> None:
        """Keep a prefix of what was pending, by luck; see Machine."""
        storage, self._storage = self._storage, None
        if storage is None:
            return
        pending = storage.pending
        kept = self._luck.randint(0, len(pending))
        for asked in pending[:kept]:
            self.make_durable(asked)
        torn = pending[kept] if kept < len(pending) else None
        if isinstance(torn, Write) and torn.entries and self._luck.random() < 0.5:
            self.torn += 1
            some = torn.entries[: self._luck.randint(0, len(torn.entries) - 1)]
            self._durable.write(torn.hard_state, some)

    def slow_down(self, sync_ms: float) -> None:
        """See Machine."""
        self._slow_ms = sync_ms

    def fill(self, full: bool) -> None:
        """This disk has room without end."""

    def calm(self) -> None:
        """It does no harm unasked."""

    @property
    def durable(self) -> _Durable:
        """What a crash would leave."""
        return self._durable

    def make_durable(self, asked: Write | _Save) -> None:
        """Carry one request out for good."""
        if isinstance(asked, Write):
            self._durable.write(asked.hard_state, asked.entries)
        else:
            self._durable.save(asked)

    def sync_later(self, storage: "PlainStorage") -> None:
        """Let the pending requests become durable after the time a sync takes."""
        delay_ms = self._sync_min_ms + self._luck.expovariate(1 / self._sync_mean_ms)
        count = len(storage.pending)
        self._schedule.after(delay_ms + self._slow_ms, lambda: self._synced(storage, count))

    def _synced(self, storage: "PlainStorage", count: int) -> None:
        if storage is not self._storage:
            return
        done, storage.pending = storage.pending[:count], storage.pending[count:]
        for asked in done:
            self.make_durable(asked)
            storage.finish(asked)
        storage.syncing = False
        storage.maybe_sync()
        storage.wake()


class PlainStorage:
    """Storage over a PlainMachine."""

    def __init__(self, machine: PlainMachine, wake: Callable[[], None]) -> None:
        durable = machine.durable
        self.recovered = Recovered(durable.hard, durable.meta, tuple(durable.entries))
        self.pending: list[Write | _Save] = []
        self.syncing = False
        self.wake = wake
        self._machine = machine
        self._done: list[Completion] = []
        self._saving: list[bytes] = []
        self._receiving: list[bytes] = []
        self._log_bytes = sum(len(entry.payload) for entry in durable.entries)

    @property
    def log_bytes(self) -> int:
        """See Storage."""
        return self._log_bytes

    @property
    def saving_backlog_bytes(self) -> int:
        """See Storage."""
        return 0

    def write(self, write: Write) -> None:
        """See Storage."""
        self._log_bytes += sum(len(entry.payload) for entry in write.entries)
        self._ask(write)

    def flush(self) -> bool:
        """Nothing is ready at once: the owner completes what was asked."""
        return False

    def save_chunk(self, meta: SnapshotMeta, chunk: bytes, last: bool) -> None:
        """See Storage."""
        self._saving.append(chunk)
        if last:
            self._ask(_Save(meta, b"".join(self._saving), received=False, keep_suffix=True))
            self._saving.clear()

    def abandon_save(self) -> None:
        """See Storage."""
        self._saving.clear()

    def read_chunk(self, wanted: ChunkWanted) -> None:
        """See Storage."""
        durable = self._machine.durable
        chunk, total = b"", 0
        if durable.meta == wanted.meta:
            chunk = durable.content[wanted.offset : wanted.offset + 64]
            total = len(durable.content)
        self._done.append(ChunkRead(wanted.to, wanted.meta, total, wanted.offset, chunk))
        self.wake()

    def store_chunk(self, received: ChunkReceived) -> None:
        """See Storage."""
        if received.offset == 0:
            self._receiving.clear()
        self._receiving.append(received.chunk)
        content = b"".join(self._receiving)
        if received.last:
            self._ask(_Save(received.meta, content, True, received.keep_suffix))
            self._receiving.clear()
        else:
            self._done.append(ChunkStored(received.meta, len(content)))
            self.wake()

    def poll(self) -> list[Completion]:
        """See Storage."""
        done, self._done = self._done, []
        return done

    def open_snapshot(self) -> Iterator[bytes]:
        """See Storage."""
        return iter([self._machine.durable.content])

    def free_bytes(self) -> int:
        """See Storage."""
        return 1 << 40

    def close(self) -> None:
        """See Storage."""

    def finish(self, asked: Write | _Save) -> None:
        """Tell that a request is durable."""
        if isinstance(asked, Write):
            self._done.append(Written(asked.ticket))
            return
        self._log_bytes = sum(len(entry.payload) for entry in self._machine.durable.entries)
        if asked.received:
            self._done.append(SnapshotInstalled(asked.meta))
        else:
            self._done.append(SnapshotSaved(asked.meta, len(asked.content)))

    def maybe_sync(self) -> None:
        """Start a sync if something is pending and none runs."""
        if self.pending and not self.syncing:
            self.syncing = True
            self._machine.sync_later(self)

    def _ask(self, asked: Write | _Save) -> None:
        self.pending.append(asked)
        self.maybe_sync()
