"""The committed log, applied once more by the dumb store: what really happened.

What nodes and clients said is judged by this. The dumb store knows nothing of writers, so the
record that makes numbered writes happen once is here, as plainly: every answer is kept forever.
"""

from collections.abc import Iterable

import attrs
import msgspec

from coord.codec import decode_batch
from coord.errors import ErrorCode
from coord.frames import Batch, WriteFrame
from coord.model import Event
from coord.raft.messages import Entry, EntryKind
from coord.requests import (
    CloseWriter,
    Compact,
    ErrorReply,
    Invalid,
    LeaseGrant,
    OpenWriter,
    Range,
    RangeReply,
    Reply,
    SetAlarm,
    WriteOp,
    WriterReply,
)
from coord.testing.dumb_store import DumbStore

_INTERNAL_WRITER = 1
_GRANTS_BITS = 22


@attrs.frozen
class Effect:
    """A write that was carried out: where, and what it answered."""

    index: int
    op: WriteOp
    reply: Reply
    revision_before: int
    revision_after: int
    time_ms: int


@attrs.define
class _Record:
    """A registered writer."""

    ttl_ms: int
    seen_ms: int
    floor: int = 1
    answers: dict[int, Reply] = attrs.field(factory=dict)


class Replay:
    """What a log says when read plainly."""

    def __init__(self) -> None:
        self.store = DumbStore()
        self.effects: dict[tuple[int, int], list[Effect]] = {}
        """By (writer, number): every time the write was carried out; more than once is wrong."""
        self.events: dict[int, list[Event]] = {}
        self.times: dict[int, int] = {}
        """Cluster time at which each revision was made."""
        self.repeated = 0
        """Writes that came again and were answered from the record."""
        self.compactions: set[int] = set()
        self.alarms = 0
        """How often a member's alarm was raised."""
        self.refused_late = 0
        """Writes that came again after their record was gone."""
        self.chosen: int = 0
        self._writers: dict[int, _Record] = {}

    @classmethod
    def of(cls, log: Iterable[Entry]) -> "Replay":
        """Replay a whole log."""
        made = cls()
        for entry in log:
            if entry.kind is EntryKind.NORMAL:
                made.apply(entry.index, decode_batch(entry.payload))
        return made

    def apply(self, index: int, batch: Batch) -> list[list[Reply]]:
        """Apply one entry; returns the replies of each frame."""
        self._index, self.chosen = index, 0
        store = self.store
        before = store.revision
        store.move_time(batch.time_ms)
        for number, record in list(self._writers.items()):
            if record.seen_ms + record.ttl_ms <= store.time_ms:
                del self._writers[number]
        self._collect(before)
        return [self._apply_frame(frame) for frame in batch.frames]

    def read_at(self, op: Range, revision: int) -> RangeReply:
        """Read as the store was at a revision, compacted since or not."""
        store = self.store
        compacted, store.compact_revision = store.compact_revision, 0
        try:
            return store.read_range(msgspec.structs.replace(op, revision=revision))
        finally:
            store.compact_revision = compacted

    def _apply_frame(self, frame: WriteFrame) -> list[Reply]:
        if frame.writer == _INTERNAL_WRITER:
            return [self._run(frame.writer, 0, op) for op in frame.ops]
        first = frame.ops[0]
        if frame.first_seq == 0 and len(frame.ops) == 1 and isinstance(first, OpenWriter):
            return [self._open(frame.writer, first)]
        record = self._writers.get(frame.writer)
        if record is None:
            self.refused_late += 1
            return [ErrorReply(ErrorCode.WRITER_EXPIRED) for _ in frame.ops]
        record.seen_ms = self.store.time_ms
        record.floor = max(record.floor, frame.ack_below)
        replies = [
            self._once(frame.writer, record, number, op)
            for number, op in enumerate(frame.ops, frame.first_seq)
        ]
        if any(isinstance(op, CloseWriter) for op in frame.ops):
            del self._writers[frame.writer]
        return replies

    def _once(self, writer: int, record: _Record, number: int, op: WriteOp) -> Reply:
        if number < record.floor:
            self.refused_late += 1
            return ErrorReply(ErrorCode.WRITER_EXPIRED)
        if number in record.answers:
            self.repeated += 1
        else:
            record.answers[number] = self._run(writer, number, op)
        return record.answers[number]

    def _open(self, writer: int, op: OpenWriter) -> Reply:
        record = self._writers.setdefault(writer, _Record(op.ttl_ms, self.store.time_ms))
        record.seen_ms = self.store.time_ms
        return WriterReply(record.ttl_ms)

    def _run(self, writer: int, number: int, op: WriteOp) -> Reply:
        store = self.store
        before = store.revision
        if isinstance(op, Invalid):
            reply: Reply = ErrorReply(op.code)
        elif isinstance(op, CloseWriter):
            reply = WriterReply(0)
        elif isinstance(op, OpenWriter):
            reply = self._open(writer, op)
        else:
            reply = store.apply(op, self._choose(op))
        if isinstance(op, Compact) and not isinstance(reply, ErrorReply):
            self.compactions.add(op.revision)
        self.alarms += isinstance(op, SetAlarm) and op.raised
        self._collect(before)
        effect = Effect(self._index, op, reply, before, store.revision, store.time_ms)
        self.effects.setdefault((writer, number), []).append(effect)
        return reply

    def _choose(self, op: WriteOp) -> int:
        """The id the real store gives a lease that names none."""
        if not isinstance(op, LeaseGrant) or op.lease or self.store.alarms:
            return 0
        while True:
            chosen = (self._index << _GRANTS_BITS) + self.chosen
            self.chosen += 1
            if chosen not in self.store.leases:
                return chosen

    def _collect(self, before: int) -> None:
        for revision in range(before + 1, self.store.revision + 1):
            self.events[revision] = self.store.events(revision)
            self.times[revision] = self.store.time_ms
