"""Writing the store down as it stood at one revision, in slices, while it goes on serving.

Starting costs next to nothing: tables are read by scans that are told what changes behind their
front (scan.py), history chunks are only ever appended to and are held by reference, and what
compaction frees waits until the snapshot is over. A slice fills one block: at most BLOCK_ROWS
rows, or as many as make up the chunk size.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TypeVar

from coord.model import KeyValue
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
from coord.store.history import CHUNK_REVISIONS, Change, Record, plain_cause
from coord.store.once import WriterState
from coord.store.scan import FrozenScan
from coord.store.state import State

CHUNK_BYTES = 256 * 1024
BLOCK_ROWS = 500  # small rows end a block too: they cost time, not bytes
_SLICE_ROWS = 256

K = TypeVar("K", bytes, int)
T = TypeVar("T")
V = TypeVar("V")


class Snapshot(Iterator[bytes]):
    """Chunks of one snapshot, in order; concatenated, they are the file."""

    def __init__(self, state: State, chunk_bytes: int) -> None:
        self.revision = state.space.revision
        self.applied_index = state.applied_index
        self._writer = BlockWriter()
        self._contents = _Contents(state, chunk_bytes)
        self._blocks = self._contents.blocks()
        self._over = False

    def __iter__(self) -> "Snapshot":
        return self

    def __next__(self) -> bytes:
        """Return the next chunk; the work is bounded by the chunk's size and BLOCK_ROWS."""
        if self._over:
            raise StopIteration
        block = next(self._blocks, None)
        if block is None:
            self.close()
            return self._writer.encode(self._writer.end())
        return self._writer.encode(block)

    def close(self) -> None:
        """Give the snapshot up, or end it; the store stops keeping anything for it."""
        self._over = True
        self._contents.close()

    def __del__(self) -> None:
        self.close()


class _Contents:
    """What the store holds as the snapshot begins, to be read block by block."""

    def __init__(self, state: State, chunk_bytes: int) -> None:
        self._chunk_bytes = chunk_bytes
        self._state = state
        space = state.space
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

    def close(self) -> None:
        """End the scans; no more blocks may be asked for."""
        space = self._state.space
        for scans, scan in (
            (space.key_scans, self._keys),
            (space.origin_scans, self._origins),
            (space.leases.scans, self._leases),
            (self._state.writers.scans, self._writers),
        ):
            if scan in scans:
                scans.remove(scan)  # type: ignore[arg-type]

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks but the end."""
        yield self._head
        for leases in self._packed(_slices(self._leases), lambda rows: [32] * len(rows)):
            yield LeaseRows(leases)
        for writers in self._packed(_slices(self._writers), _writer_sizes):
            yield WriterRows(writers)
        for origins in self._packed(_slices(self._origins), _origin_sizes):
            yield OriginRows(origins)
        for kvs in self._packed(_slices(self._keys), _key_sizes):
            yield KeyRows(kvs)
        for undos in self._packed(self._undo_slices(), _undo_sizes):
            yield UndoRows(undos)

    def _packed(
        self, slices: Iterator[list[V]], sizes_of: Callable[[list[V]], list[int]]
    ) -> Iterator[list[V]]:
        """Group rows into blocks, by what they are and not by how they were sliced."""
        rows: list[V] = []
        sums: list[int] = []  # bytes up to and with each row, since the section began
        begun = 0  # bytes before the first row of `rows`
        for piece in slices:
            total = sums[-1] if sums else begun
            sums += accumulate(sizes_of(piece), initial=total)
            del sums[len(rows)]  # `initial` itself
            rows += piece
            while rows:
                cut = min(bisect_left(sums, begun + self._chunk_bytes) + 1, BLOCK_ROWS)
                if cut > len(rows):
                    break
                yield rows[:cut]
                begun = sums[cut - 1]
                del rows[:cut], sums[:cut]
        if rows:
            yield rows

    def _undo_slices(self) -> Iterator[list[Undo | bytes]]:
        """Yield how to undo each change, newest first, back to the compacted revision."""
        oldest = max(self._head.compact_revision, 2)
        rows: list[Undo | bytes] = []
        for revision in range(self._head.revision, oldest - 1, -1):
            at = revision - self._base
            entry = self._records[at // CHUNK_REVISIONS][at % CHUNK_REVISIONS]
            before = self._befores[at // CHUNK_REVISIONS][at % CHUNK_REVISIONS]
            if type(entry) is KeyValue:
                is_new = before is None and entry.version
                rows.append(entry.key if is_new else self._undo_plain(entry, before))
            else:
                assert type(entry) is Record, "history is whole from the compacted revision on"
                for undo in self._undo_record(entry.changes, revision):
                    rows.append(undo)
                    if len(rows) >= _SLICE_ROWS:
                        yield rows
                        rows = []
            if len(rows) >= _SLICE_ROWS:
                yield rows
                rows = []
        yield rows

    def _undo_plain(self, kv: KeyValue, before: KeyValue | None) -> Undo | bytes:
        lasting = self._lasting(before, kv.mod_revision)
        if kv.version and lasting is None:
            return kv.key
        what = plain_cause(kv) << UNDO_CAUSE_SHIFT | UNDO_DELETE * (not kv.version)
        return Undo(lasting or kv.key, what)

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


def _slices(scan: FrozenScan[K, T, V]) -> Iterator[list[V]]:
    while not scan.done:
        yield scan.take(_SLICE_ROWS)


def _writer_sizes(rows: list[WriterState]) -> list[int]:
    return [32 + sum(64 * len(replies) for _, replies in row.runs) for row in rows]


def _origin_sizes(rows: list[tuple[bytes, bytes]]) -> list[int]:
    return [len(key) + len(origin) for key, origin in rows]


def _key_sizes(rows: list[KeyValue]) -> list[int]:
    return [len(kv.key) + len(kv.value) for kv in rows]


def _undo_sizes(rows: list[Undo | bytes]) -> list[int]:
    return [len(row) if isinstance(row, bytes) else _undo_size(row) for row in rows]


def _undo_size(row: Undo) -> int:
    before = row.before
    return len(before) if isinstance(before, bytes) else len(before.key) + len(before.value)
