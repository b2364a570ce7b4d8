"""The state machine under the log: entries in, replies out, the same on every member.

An entry first moves cluster time and ends the leases that are due, then its frames are applied
in order, operation by operation. Every operation gets a reply; one that fails changes nothing
and harms no other. Nothing here reads a clock, draws a number or iterates in hash order.

The store is total: any operation that decodes has a deterministic reply, whether or not the
proposing node checked it first (checks.py), so that members of different builds agree.
"""

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from typing import Any

import attrs

from coord import limits
from coord.errors import ErrorCode, error_from
from coord.frames import Batch, WriteFrame
from coord.ids import LogIndex, Revision
from coord.model import Cause, Event
from coord.requests import (
    AlarmReply,
    Claim,
    CloseWriter,
    Compact,
    CompactReply,
    DeleteRange,
    ErrorReply,
    GiveBack,
    Invalid,
    LeaseGrant,
    LeaseGrantReply,
    LeaseKeepAlive,
    LeaseKeepAliveReply,
    LeaseRevoke,
    LeaseRevokeReply,
    OpenWriter,
    Put,
    ReadOp,
    Reply,
    SetAlarm,
    Txn,
    TxnOp,
    WriteOp,
    WriterReply,
)
from coord.store.claims import claim, end_lease, give_back
from coord.store.edits import delete, put
from coord.store.once import INTERNAL_WRITER, Writer
from coord.store.plain import put_plainly
from coord.store.reads import answer_read
from coord.store.rejection import Rejection
from coord.store.snapshot import CHUNK_BYTES, Snapshot
from coord.store.state import State
from coord.store.txn import run_txn

_GRANTS_BITS = 22  # more grants than fit in one entry: ENTRY_BYTES_MAX / 3 bytes is 2 ** 22

assert limits.ENTRY_BYTES_MAX // 3 <= 1 << _GRANTS_BITS


@attrs.frozen
class Applied:
    """What applying one entry answered, and the revisions it made (first > last: none)."""

    replies: tuple[tuple[Reply, ...], ...]
    first_revision: Revision
    last_revision: Revision


class Store:
    """One member's store.

    Args:
        state: what a snapshot held; None for an empty store.
    """

    def __init__(self, state: State | None = None) -> None:
        self._state = state or State()
        self._space = self._state.space
        self._writers = self._state.writers
        self._writer_id = 0  # of the frame being applied
        self._closing = False  # that frame asked to close its writer
        self._grants = 0  # lease ids chosen in the entry being applied
        space = self._space
        self._handlers: dict[type[WriteOp], Callable[[Any], Reply]] = {
            Put: partial(put, space),
            DeleteRange: partial(delete, space),
            Txn: partial(run_txn, space),
            Claim: partial(claim, space),
            GiveBack: partial(give_back, space),
            LeaseKeepAlive: self._keep_alive,
            LeaseGrant: self._grant,
            LeaseRevoke: self._revoke,
            Compact: self._compact,
            OpenWriter: self._open_writer,
            CloseWriter: self._close_writer,
            Invalid: self._invalid,
            SetAlarm: self._set_alarm,
        }

    # --- what a node asks about -------------------------------------------------------------

    @property
    def revision(self) -> Revision:
        """The newest revision; 1 when nothing was ever written."""
        return Revision(self._space.revision)

    @property
    def compact_revision(self) -> Revision:
        """History before this revision is gone; 0 when it was never compacted."""
        return Revision(self._space.history.compact_revision)

    @property
    def time_ms(self) -> int:
        """Cluster time, milliseconds."""
        return self._state.time_ms

    @property
    def applied_index(self) -> LogIndex:
        """The last entry applied."""
        return LogIndex(self._state.applied_index)

    @property
    def key_count(self) -> int:
        """Live keys."""
        return len(self._space.latest)

    @property
    def lease_count(self) -> int:
        """Living leases."""
        return len(self._space.leases.table)

    @property
    def alarms(self) -> tuple[int, ...]:
        """Members whose "no space" alarm stands, ascending."""
        return tuple(sorted(self._state.alarms))

    def next_deadline_ms(self) -> int | None:
        """Return the cluster time at which the soonest lease ends, None without leases."""
        return self._space.leases.next_deadline_ms()

    # --- apply ------------------------------------------------------------------------------

    def apply(self, index: int, batch: Batch) -> Applied:
        """Apply one entry.

        Args:
            index: its place in the log, above every one applied before.
            batch: its content; an entry without one (a new leader's no-op) needs no apply.

        Returns:
            One reply per operation, one tuple per frame.
        """
        state, space = self._state, self._space
        assert index > state.applied_index, "entries are applied once, in order"
        state.applied_index = index
        state.time_ms = max(state.time_ms, batch.time_ms)
        first = space.revision + 1
        self._grants = 0
        self._end_leases()
        self._writers.expire(state.time_ms)
        replies = tuple([self._apply_frame(frame) for frame in batch.frames])
        space.live.settle()
        space.tell_scans(first)
        return Applied(replies, Revision(first), Revision(space.revision))

    def _end_leases(self) -> None:
        """End every lease that is due, the soonest first, each in a revision of its own."""
        space, now_ms = self._space, self._state.time_ms
        while (due := space.leases.next_due(now_ms)) is not None:
            end_lease(space, due, Cause.EXPIRED)
            space.commit()

    def _apply_frame(self, frame: WriteFrame) -> tuple[Reply, ...]:
        self._writer_id = frame.writer
        if frame.writer == INTERNAL_WRITER:
            return tuple(self._run(frame.ops))
        if frame.first_seq == 0 and len(frame.ops) == 1 and type(frame.ops[0]) is OpenWriter:
            return (self._open_writer(frame.ops[0]),)
        writer = self._writers.seen(frame.writer, self._state.time_ms)
        if writer is None:
            return (_writer_expired("it is not registered"),) * len(frame.ops)
        writer.acknowledge(frame.ack_below)
        fits = writer.kept + len(frame.ops) <= limits.WRITER_PENDING_MAX
        if frame.first_seq >= writer.expected and fits:
            replies = tuple(self._run(frame.ops))
            writer.keep(frame.first_seq, replies)
        else:
            replies = self._apply_repeated(writer, frame)
        if self._closing:
            self._closing = False
            self._writers.close(frame.writer)
        return replies

    def _apply_repeated(self, writer: Writer, frame: WriteFrame) -> tuple[Reply, ...]:
        """Apply what is new in a frame that may hold numbers seen before."""
        replies: list[Reply] = []
        for number, op in enumerate(frame.ops, frame.first_seq):
            reply: Reply | None
            if number < writer.floor:
                reply = _writer_expired(f"numbers below {writer.floor} were acknowledged")
            elif (reply := writer.answer(number)) is None:
                if writer.kept >= limits.WRITER_PENDING_MAX:
                    detail = f"at most {limits.WRITER_PENDING_MAX} answers are kept for a writer"
                    reply = ErrorReply(ErrorCode.TOO_MANY_REQUESTS, detail)
                else:
                    reply = self._run((op,))[0]
                    writer.keep(number, (reply,))
            replies.append(reply)
        return tuple(replies)

    def _run(self, ops: tuple[WriteOp, ...]) -> list[Reply]:
        """Run operations in order, stretches of plain puts by the short way."""
        replies: list[Reply] = []
        rest = iter(ops)
        while (op := self._next_general(rest, replies)) is not None:
            replies.append(self._execute(op))
        return replies

    def _next_general(self, rest: Iterator[WriteOp], replies: list[Reply]) -> WriteOp | None:
        if self._state.alarms:
            return next(rest, None)
        return put_plainly(self._space, rest, replies)

    def _execute(self, op: WriteOp) -> Reply:
        if self._state.alarms and _grows(op):
            members = ", ".join(map(str, self.alarms))
            return ErrorReply(ErrorCode.NO_SPACE, f"alarm of member {members}; deletes still work")
        try:
            reply = self._handlers[type(op)](op)
        except Rejection as rejection:
            self._space.rollback()
            return rejection.reply
        self._space.commit()
        return reply

    # --- operations beside those on keys ----------------------------------------------------

    def _keep_alive(self, op: LeaseKeepAlive) -> Reply:
        ttl_ms = self._space.leases.renew(op.lease, self._state.time_ms)
        return LeaseKeepAliveReply(op.lease, ttl_ms)

    def _grant(self, op: LeaseGrant) -> Reply:
        leases, lease_id = self._space.leases, op.lease
        while not lease_id:
            chosen = (self._state.applied_index << _GRANTS_BITS) + self._grants
            self._grants += 1
            lease_id = 0 if chosen in leases.table else chosen
        return LeaseGrantReply(lease_id, leases.grant(lease_id, op.ttl_ms, self._state.time_ms))

    def _revoke(self, op: LeaseRevoke) -> Reply:
        if op.lease not in self._space.leases.table:
            raise Rejection(ErrorCode.LEASE_NOT_FOUND, f"lease {op.lease}")
        end_lease(self._space, op.lease, Cause.REVOKED)
        return LeaseRevokeReply(self._space.shown_revision)

    def _compact(self, op: Compact) -> Reply:
        history = self._space.history
        if op.revision <= history.compact_revision:
            detail = f"{op.revision}; compacted up to {history.compact_revision} already"
            raise Rejection(ErrorCode.COMPACTED, detail)
        if op.revision > history.revision:
            detail = f"{op.revision}; the newest is {history.revision}"
            raise Rejection(ErrorCode.FUTURE_REVISION, detail)
        history.compact_revision = op.revision
        return CompactReply(history.revision)

    def _open_writer(self, op: OpenWriter) -> Reply:
        if self._writer_id == INTERNAL_WRITER:
            return ErrorReply(ErrorCode.NOT_SUPPORTED, "the node's own writer is always open")
        ttl_ms = self._writers.open(self._writer_id, op.ttl_ms, self._state.time_ms)
        if ttl_ms is None:
            detail = f"at most {limits.WRITERS_MAX} writers at once"
            return ErrorReply(ErrorCode.TOO_MANY_REQUESTS, detail)
        return WriterReply(ttl_ms)

    def _close_writer(self, op: CloseWriter) -> Reply:
        """Close the frame's writer once the whole frame is applied."""
        if self._writer_id == INTERNAL_WRITER:
            return ErrorReply(ErrorCode.NOT_SUPPORTED, "the node's own writer is always open")
        self._closing = True
        return WriterReply(0)

    def _invalid(self, op: Invalid) -> Reply:
        return ErrorReply(op.code, op.detail)

    def _set_alarm(self, op: SetAlarm) -> Reply:
        if op.raised:
            self._state.alarms.add(op.member)
        else:
            self._state.alarms.discard(op.member)
        return AlarmReply(self.alarms)

    # --- reads and history ------------------------------------------------------------------

    def read(self, op: ReadOp) -> Reply:
        """Answer a Range, a read-only Txn, a LeaseTimeToLive or a LeaseList from what is applied.

        Returns:
            The reply; an ErrorReply for what cannot be read, or is not the store's to answer.
        """
        try:
            return answer_read(self._state, op)
        except Rejection as rejection:
            return rejection.reply

    def events(self, first_revision: int, last_revision: int) -> list[list[Event]]:
        """Return the events of each revision from first to last, both included.

        `prev_kv` is filled where the key existed before, as etcd's watch would.

        Raises:
            Refused: with ErrorCode.COMPACTED, `first_revision` is below the compacted one.
        """
        history = self._space.history
        if first_revision < history.compact_revision:
            detail = f"{first_revision}; compacted up to {history.compact_revision}"
            raise error_from(ErrorCode.COMPACTED, detail)
        revisions = range(max(first_revision, 2), min(last_revision, history.revision) + 1)
        return [history.events(revision) for revision in revisions]

    def snapshot(self, chunk_bytes: int = CHUNK_BYTES) -> Snapshot:
        """Begin to write down the store as it is now, to be taken in slices while it goes on.

        Args:
            chunk_bytes: aimed size of each chunk; one large value can make a chunk larger.

        Returns:
            An iterator of chunks; equal stores give equal bytes. Close it if it is given up.
        """
        return Snapshot(self._state, chunk_bytes)

    def digest(self) -> bytes:
        """Return a hash over the canonical snapshot bytes; takes a second per million keys."""
        hasher = blake2b(digest_size=32)
        for chunk in self.snapshot():
            hasher.update(chunk)
        return hasher.digest()

    def tidy(self, items_max: int) -> bool:
        """Free memory that compaction gave up, in a slice of about `items_max` changes.

        Nothing else can tell whether it was called. While a snapshot is being taken it waits.

        Returns:
            Whether another call would free more now.
        """
        return not self._space.key_scans and self._space.tidy(items_max)


def _writer_expired(detail: str) -> ErrorReply:
    return ErrorReply(ErrorCode.WRITER_EXPIRED, detail)


def _grows(op: WriteOp | TxnOp, depth: int = 1) -> bool:
    """Whether an operation may need more space: refused while an alarm stands."""
    if type(op) is not Txn:
        return type(op) is Put or type(op) is LeaseGrant
    if depth > limits.TXN_DEPTH_MAX:
        return False  # it will be refused for that
    return any([_grows(each, depth + 1) for each in (*op.success, *op.failure)])
