"""Writers: numbered writes are applied once, and a repeated number gets its first answer.

A writer's answers are kept in runs of consecutive numbers, one per frame as a rule, so that a
frame in its expected place costs one append however many writes it carries. `ack_below` of each
frame says which numbers its client has answers for: those are forgotten (Raft dissertation,
section 6.3, with a window in place of a single outstanding request).

A number that was forgotten, or any number of a writer that is not registered, may have been
applied before: it is refused with WRITER_EXPIRED and never applied.
"""

from bisect import bisect_right
from heapq import heapify, heappop, heappush, heapreplace

import msgspec

from coord import limits
from coord.requests import Reply
from coord.store.order import OrderedKeys
from coord.store.scan import FrozenScan, next_int

INTERNAL_WRITER = 1
"""The node's own writes: not recorded, always applied."""

Run = tuple[int, tuple[Reply, ...]]
"""The number of the first answer, and answers to consecutive numbers from there."""


_HEAP_SLACK = 1024  # places of writers long gone that the heap may hold beside one per writer


class WriterState(msgspec.Struct, frozen=True, array_like=True):
    """A writer as it stands in a snapshot: runs trimmed to `floor`, adjacent ones joined."""

    writer: int
    ttl_ms: int
    seen_ms: int
    floor: int
    runs: tuple[Run, ...]


class Writer:
    """One registered writer and its kept answers."""

    __slots__ = ("expected", "floor", "kept", "runs", "seen_ms", "ttl_ms")

    def __init__(self, ttl_ms: int, seen_ms: int) -> None:
        self.ttl_ms = ttl_ms
        self.seen_ms = seen_ms
        self.floor = 1
        """Every number below has been acknowledged; 0 is the writer's registration."""
        self.expected = 1
        """One above the greatest number kept or acknowledged."""
        self.runs: list[Run] = []
        self.kept = 0
        """Answers to numbers not acknowledged: what a snapshot holds, so all members agree."""

    @classmethod
    def restored(cls, state: WriterState) -> "Writer":
        """Build from a snapshot row."""
        made = cls(state.ttl_ms, state.seen_ms)
        made.floor = state.floor
        made.runs = list(state.runs)
        made.kept = sum(len(replies) for _, replies in made.runs)
        made.expected = max([state.floor, *(first + len(run) for first, run in made.runs)])
        return made

    def acknowledge(self, floor: int) -> None:
        """Forget the answers to numbers below `floor`."""
        if floor <= self.floor:
            return
        before, self.floor = self.floor, floor
        self.expected = max(self.expected, floor)
        gone = 0
        for first, replies in self.runs:
            if first >= floor:
                break
            end = first + len(replies)
            self.kept -= max(min(end, floor) - max(first, before), 0)
            if end <= floor:
                gone += 1
        del self.runs[:gone]

    def answer(self, number: int) -> Reply | None:
        """Return the kept answer to a number, None if there is none."""
        at = bisect_right(self.runs, number, key=lambda run: run[0]) - 1
        if at < 0:
            return None
        first, replies = self.runs[at]
        return replies[number - first] if number - first < len(replies) else None

    def keep(self, first: int, replies: tuple[Reply, ...]) -> None:
        """Keep the answers to numbers that have none yet."""
        at = bisect_right(self.runs, first, key=lambda run: run[0])
        self.runs.insert(at, (first, replies))
        self.kept += len(replies)
        self.expected = max(self.expected, first + len(replies))


def freeze_writer(writer_id: int, writer: Writer) -> WriterState:
    """Return the lasting form of a writer: what it means, not how it is held."""
    joined: list[tuple[int, list[Reply]]] = []
    for first, replies in writer.runs:
        trimmed = max(writer.floor - first, 0)
        if joined and joined[-1][0] + len(joined[-1][1]) == first:
            joined[-1][1].extend(replies)
        else:
            joined.append((first + trimmed, list(replies[trimmed:])))
    runs = tuple((first, tuple(replies)) for first, replies in joined)
    return WriterState(writer_id, writer.ttl_ms, writer.seen_ms, writer.floor, runs)


WriterScan = FrozenScan[int, Writer, WriterState]


class Writers:
    """All registered writers."""

    __slots__ = ("_heap", "_order", "scans", "table")

    def __init__(self) -> None:
        self.table: dict[int, Writer] = {}
        self._order: OrderedKeys[int] = OrderedKeys()
        self._heap: list[tuple[int, int]] = []
        self.scans: list[WriterScan] = []

    @classmethod
    def restored(cls, states: list[WriterState]) -> "Writers":
        """Build from snapshot rows in ascending order of id."""
        made = cls()
        made.table = {row.writer: Writer.restored(row) for row in states}
        made._order = OrderedKeys.of_sorted([row.writer for row in states])
        made._heap = [(row.seen_ms + row.ttl_ms, row.writer) for row in states]
        heapify(made._heap)
        return made

    def scan(self) -> WriterScan:
        """Begin a pass over all writers as they are now; the caller ends it in `scans`."""
        made: WriterScan = FrozenScan(self._order, self.table, freeze_writer, 0, next_int)
        self.scans.append(made)
        return made

    def open(self, writer_id: int, ttl_ms: int, now_ms: int) -> int | None:
        """Register a writer; one that is open stays as it is.

        Returns:
            Its time to live in force, milliseconds; None if there are too many writers.
        """
        writer = self.seen(writer_id, now_ms)
        if writer is None:
            if len(self.table) >= limits.WRITERS_MAX:
                return None
            for scan in self.scans:
                scan.before_change(writer_id, None)
            writer = self.table[writer_id] = Writer(ttl_ms, now_ms)
            self._order.add(writer_id)
            heappush(self._heap, (now_ms + ttl_ms, writer_id))
        return writer.ttl_ms

    def seen(self, writer_id: int, now_ms: int) -> Writer | None:
        """Return a registered writer, its time to live begun anew, about to be changed."""
        writer = self.table.get(writer_id)
        if writer is not None:
            for scan in self.scans:
                scan.before_change(writer_id, writer)
            writer.seen_ms = now_ms
        return writer

    def close(self, writer_id: int) -> None:
        """Forget a registered writer."""
        for scan in self.scans:
            scan.before_change(writer_id, self.table[writer_id])
        del self.table[writer_id]
        self._order.remove(writer_id)
        if len(self._heap) > 2 * len(self.table) + _HEAP_SLACK:
            self._heap = [(left.seen_ms + left.ttl_ms, key) for key, left in self.table.items()]
            heapify(self._heap)

    def expire(self, now_ms: int) -> None:
        """Forget writers whose time to live has passed since their last frame."""
        while self._heap and self._heap[0][0] <= now_ms:
            heap = self._heap  # closing a writer may have made a new one
            deadline_ms, writer_id = heap[0]
            writer = self.table.get(writer_id)
            if writer is None:
                heappop(heap)
            elif writer.seen_ms + writer.ttl_ms > deadline_ms:
                heapreplace(heap, (writer.seen_ms + writer.ttl_ms, writer_id))
            else:
                heappop(heap)
                self.close(writer_id)
