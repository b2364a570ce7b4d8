"""Writing the store down as it stood at one revision, in slices, while it goes on serving.

Starting costs next to nothing: tables are read by scans that are told what changes behind their
front (scan.py), history chunks are only ever appended to and are held by reference, and what
compaction frees waits until the snapshot is over. A slice fills one block: at most BLOCK_ROWS
rows, or as many as make up the chunk size.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from coord.model import Cause, KeyValue
from coord.store.blocks import (
    UNDO_CAUSE_SHIFT,
    UNDO_DELETE,
    UNDO_MORE,
    Block,
    Head,
    KeyRows,
    LeaseRows,
    OriginRows,
    Undo,
    UndoRows,
    WriterRows,
)
from coord.store.blockstream import BlockWriter
from coord.store.history import CHUNK_REVISIONS, Change, Record
from coord.store.once import WriterState
from coord.store.scan import FrozenScan
from coord.store.state import State

CHUNK_BYTES = 256 * 1024
BLOCK_ROWS = 1000  # small rows end a block too: they cost time, not bytes
_SCAN_ROWS = 256

K = TypeVar("K", bytes, int)
T = TypeVar("T")
V = TypeVar("V")


class Snapshot(Iterator[bytes]):
    """Chunks of one snapshot, in order; concatenated, they are the file."""

    def __init__(self, state: State, chunk_bytes: int) -> None:
        self._state = state
        self._chunk_bytes = chunk_bytes
        self._writer = BlockWriter()
        space = state.space
        self.revision = space.revision
        self.applied_index = state.applied_index
        self._head = Head(
            space.revision, space.history.compact_revision, state.time_ms, state.applied_index,
            tuple(sorted(state.alarms)),
        )  # fmt: skip
        self._keys = space.scan_keys()
        self._origins = space.scan_origins()
        self._leases = space.leases.scan()
        self._writers = state.writers.scan()
        self._base = space.history.base
        self._records = list(space.history.records)
        self._befores = list(space.history.befores)
        self._blocks = self._all_blocks()

    def __iter__(self) -> "Snapshot":
        return self

    def __next__(self) -> bytes:
        """Return the next chunk; the work is bounded by the chunk's size and BLOCK_ROWS."""
        block = next(self._blocks, None)
        if block is None:
            self.close()
            raise StopIteration
        return self._writer.encode(block)

    def close(self) -> None:
        """Give the snapshot up, or end it; the store stops keeping anything for it."""
        space = self._state.space
        for scans, scan in (
            (space.key_scans, self._keys),
            (space.origin_scans, self._origins),
            (space.leases.scans, self._leases),
            (self._state.writers.scans, self._writers),
        ):
            if scan in scans:
                scans.remove(scan)  # type: ignore[arg-type]
        self._blocks = iter(())
        self._records.clear()
        self._befores.clear()

    def __del__(self) -> None:
        self.close()

    def _all_blocks(self) -> Iterator[Block]:
        yield self._head
        for leases in self._packed(_rows(self._leases), lambda _: 32):
            yield LeaseRows(leases)
        for writers in self._packed(_rows(self._writers), _writer_bytes):
            yield WriterRows(writers)
        for origins in self._packed(_rows(self._origins), lambda row: len(row[0]) + len(row[1])):
            yield OriginRows(origins)
        for kvs in self._packed(_rows(self._keys), lambda kv: len(kv.key) + len(kv.value)):
            yield KeyRows(kvs)
        for undos in self._packed(self._undos(), _undo_bytes):
            yield UndoRows(undos)
        yield self._writer.end()

    def _packed(self, rows: Iterator[V], size_of: Callable[[V], int]) -> Iterator[list[V]]:
        """Group rows into blocks, by what they are and not by when they are asked for."""
        block: list[V] = []
        size_bytes = 0
        for row in rows:
            block.append(row)
            size_bytes += size_of(row)
            if size_bytes >= self._chunk_bytes or len(block) == BLOCK_ROWS:
                yield block
                block, size_bytes = [], 0
        if block:
            yield block

    def _undos(self) -> Iterator[Undo | bytes]:
        """Yield how to undo each change, newest first, back to the compacted revision."""
        oldest = max(self._head.compact_revision, 2)
        for revision in range(self._head.revision, oldest - 1, -1):
            chunk, at = divmod(revision - self._base, CHUNK_REVISIONS)
            entry = self._records[chunk][at]
            assert entry is not None, "history is whole from the compacted revision on"
            if type(entry) is Record:
                yield from self._undo_record(entry.changes, revision)
                continue
            assert type(entry) is KeyValue
            before = self._lasting(self._befores[chunk][at], revision)
            if entry.version and before is None:
                yield entry.key
            else:
                what = UNDO_DELETE * (not entry.version)
                cause = Cause.WRITTEN if entry.version else Cause.DELETED
                yield Undo(before or entry.key, what | cause << UNDO_CAUSE_SHIFT)

    def _undo_record(self, changes: list[Change], revision: int) -> Iterator[Undo]:
        for left in range(len(changes) - 1, -1, -1):
            change = changes[left]
            before = self._lasting(change.before, revision)
            what = UNDO_DELETE * (not change.kv.version) | UNDO_MORE * (left > 0)
            yield Undo(before or change.kv.key, what | change.cause << UNDO_CAUSE_SHIFT)

    def _lasting(self, before: KeyValue | None, revision: int) -> KeyValue | None:
        """Return what a change replaced as far as compaction lets anyone see it."""
        if before is None:
            return None
        compacted = self._head.compact_revision
        if before.mod_revision < compacted and (revision == compacted or not before.version):
            return None
        return before


def _rows(scan: FrozenScan[K, T, V]) -> Iterator[V]:
    while not scan.done:
        yield from scan.take(_SCAN_ROWS)


def _writer_bytes(row: WriterState) -> int:
    return 32 + sum(64 * len(replies) for _, replies in row.runs)


def _undo_bytes(row: Undo | bytes) -> int:
    if type(row) is bytes:
        return len(row)
    assert type(row) is Undo
    before = row.before
    return len(before) if type(before) is bytes else len(before.key) + len(before.value)  # type: ignore[union-attr]
