"""Reads on their way: one leadership proof for all of a turn, then answers from the store."""

from collections.abc import Sequence

from coord.clock import Clock
from coord.codec import node_frames
from coord.errors import ErrorCode
from coord.frames import ReadRejected, ReadReply
from coord.ids import NodeId
from coord.node.applying import Applying
from coord.node.cluster_time import ClusterTime
from coord.node.consensus import Consensus
from coord.node.directory import Directory
from coord.node.fetches import Fetches
from coord.node.hashing import Hashing
from coord.node.outbox import Outbox
from coord.node.reads import Reads, WaitingRead
from coord.node.settings import NodeSettings
from coord.node.status import describe
from coord.node.streams import Streams
from coord.raft.messages import Read, Transfer
from coord.requests import (
    ErrorReply,
    HashReply,
    HashState,
    LeaseTimeToLiveReply,
    Range,
    ReadOp,
    Reply,
    SnapshotNext,
    Status,
    StatusReply,
    TransferLeader,
    TransferReply,
)
from coord.store.checks import check_read
from coord.store.sizes import answer_bytes

_SLOW_MS_MAX = 200.0  # of one turn: less than half of the shortest election timeout
_TOO_BUSY = ErrorReply(int(ErrorCode.TOO_MANY_REQUESTS), "too much is being read at once")
_TOGETHER_TOO_LARGE = ErrorReply(
    int(ErrorCode.REPLY_TOO_LARGE), "the answers of this frame together are too large"
)


class Answering:
    """Serves what needs no entry in the log."""

    def __init__(
        self,
        settings: NodeSettings,
        consensus: Consensus,
        applying: Applying,
        reads: Reads,
        streams: Streams,
        directory: Directory,
        time: ClusterTime,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._consensus = consensus
        self._applying = applying
        self._reads = reads
        self._streams = streams
        self._directory = directory
        self._time = time
        self._outbox = outbox
        self._clock = clock
        self._fetches = Fetches()
        self._hashing = Hashing()
        self._longest_turn_ms = 0.0
        self._slow_ms = 0.0  # spent in this turn on what may take long

    def note_turn(self, took_ms: float) -> None:
        """Mark the end of a turn; the longest is told with the next status."""
        self._longest_turn_ms = max(self._longest_turn_ms, took_ms)
        self._slow_ms = 0.0

    def ask(self, now_ms: float) -> None:
        """Ask for a read index for the reads that arrived this turn."""
        context = self._reads.next_context(now_ms)
        if context is not None:
            self._consensus.step(Read(context))

    def answer_ready(self, now_ms: float) -> None:
        """Answer the reads whose index is applied; give up those that waited too long."""
        if self._consensus.reads:
            found, self._consensus.reads = self._consensus.reads, []
            for ready in found:
                self._reads.indexed(ready.context, ready.index, now_ms)
        for read in self._reads.ready(self._applying.index):
            self.answer(read)
        for read in self._reads.expired(now_ms):
            self._reject(read, ErrorCode.NO_LEADER)

    def answer(self, read: WaitingRead) -> None:
        """Answer a read from the store as it stands; one that wants its hash, when that is done."""
        if self._outbox.is_full(read.route):
            self._reject(read, ErrorCode.TOO_MANY_REQUESTS, "take the answers sent before first")
        elif HashState in map(type, read.ops):
            applying = self._applying
            if not self._hashing.take(read, applying.store, applying.index):
                refusal = ErrorReply(ErrorCode.TOO_MANY_REQUESTS, "too many hashes are computed")
                self._send(read, [refusal] * len(read.ops))
        else:
            self._send(read, self._replies(read.ops, None))

    @property
    def busy(self) -> bool:
        """Whether go_on() has work."""
        return self._hashing.busy

    def go_on(self) -> None:
        """Compute a slice of a hash that somebody waits for."""
        done = self._hashing.go_on() if self._hashing.busy else None
        if done is not None:
            read, hashed = done
            self._send(read, self._replies(read.ops, hashed))

    def _replies(
        self, ops: tuple[ReadOp | ErrorReply, ...], hashed: HashReply | None
    ) -> list[Reply]:
        """Answer in order until one message can hold no more; the rest is asked again alone."""
        replies: list[Reply] = []
        left_bytes = self._settings.reply_bytes_max
        for op in ops:
            if left_bytes <= 0:
                replies.append(_TOGETHER_TOO_LARGE)
                continue
            if type(op) is HashState:
                assert hashed is not None, "hashes are computed before the frame is answered"
                reply: Reply = hashed
            elif type(op) is Range and not op.range_end:
                problem = check_read(op)
                reply = self._applying.store.read(op) if problem is None else problem
            else:
                reply = self._answer_slow(op)
            left_bytes -= answer_bytes(reply)
            replies.append(_TOGETHER_TOO_LARGE if left_bytes < 0 and replies else reply)
        return replies

    def _answer_slow(self, op: ReadOp | ErrorReply) -> Reply:
        """Answer what may take long, unless this turn has had enough of it."""
        if self._slow_ms > _SLOW_MS_MAX:
            return _TOO_BUSY
        began_ms = self._clock.now_ms()
        reply = self._answer_other(op)
        self._slow_ms += self._clock.now_ms() - began_ms
        return reply

    def _reject(self, read: WaitingRead, code: ErrorCode, detail: str = "") -> None:
        leader = self._consensus.standing.leader
        rejected = ReadRejected(read.request, leader, code, detail)
        self._outbox.send(read.route, node_frames.encode(rejected))

    def _send(self, read: WaitingRead, replies: Sequence[Reply]) -> None:
        payload = node_frames.encode(ReadReply(read.request, tuple(replies)))
        most = self._settings.reply_bytes_max
        if len(payload) > most:
            detail = f"{len(payload)} bytes; at most {most} are sent"
            refusal = ErrorReply(ErrorCode.REPLY_TOO_LARGE, detail)
            payload = node_frames.encode(ReadReply(read.request, (refusal,) * len(replies)))
        self._outbox.send(read.route, payload)

    def _answer_other(self, op: ReadOp | ErrorReply) -> Reply:
        if isinstance(op, ErrorReply):
            return op
        if isinstance(op, Status):
            return self._describe()
        if isinstance(op, TransferLeader):
            return self._transfer(op)
        if isinstance(op, SnapshotNext):
            applying = self._applying
            now_ms = self._clock.now_ms()
            return self._fetches.give_part(
                op, applying.store, applying.index, applying.term, now_ms
            )
        problem = check_read(op)
        reply = self._applying.store.read(op) if problem is None else problem
        return self._age(reply) if isinstance(reply, LeaseTimeToLiveReply) else reply

    def _age(self, reply: LeaseTimeToLiveReply) -> LeaseTimeToLiveReply:
        """Count what has passed since the last entry: cluster time stands still between two."""
        if reply.remaining_ms <= 0:
            return reply
        now_ms = self._time.reckon_ms(self._clock.now_ms())
        remaining_ms = max(0, reply.remaining_ms - (now_ms - self._applying.store.time_ms))
        return LeaseTimeToLiveReply(reply.lease, remaining_ms, reply.granted_ms, reply.keys)

    def _transfer(self, op: TransferLeader) -> Reply:
        if not self._consensus.leads:
            return ErrorReply(ErrorCode.NOT_LEADER, "ask the leader")
        if op.target not in (0, *self._applying.membership.voters):
            return ErrorReply(ErrorCode.BAD_TRANSFEREE, "not a voter of this cluster")
        self._consensus.step(Transfer(NodeId(op.target)))
        return TransferReply(op.target)

    def _describe(self) -> StatusReply:
        time_ms = self._time.reckon_ms(self._clock.now_ms())
        longest_turn_ms, self._longest_turn_ms = self._longest_turn_ms, 0.0
        return describe(
            self._settings,
            self._consensus,
            self._applying,
            self._directory,
            self._streams.count,
            time_ms,
            longest_turn_ms,
        )
