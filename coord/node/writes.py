"""Write frames on their way: in from clients and peers, into one proposal, out as answers.

Whichever node a client sent its frame to answers it, when that node has applied the frame; the
leader only proposes. A frame and its answer are tied by (writer, first number), so a repeated
or forwarded frame needs no route through the cluster.
"""

from collections.abc import Iterator
from operator import attrgetter

import attrs

from coord import limits
from coord.codec import client_frames, encode_batch, node_frames
from coord.errors import ErrorCode
from coord.frames import Batch, WriteFrame, WriteRejected, WriteReply
from coord.ids import LogIndex
from coord.node.outbox import Outbox
from coord.node.peers import ForwardRejected
from coord.raft.messages import Entry
from coord.requests import ErrorReply, PutReply, Reply
from coord.store.sizes import answer_bytes

_ENTRY_FRAMES_BYTES_MAX = limits.DRAIN_BYTES_MAX + limits.FRAME_BYTES_MAX
_PLAIN = {PutReply}
_previous = attrgetter("prev_kv")
_LOST = ErrorReply(int(ErrorCode.LOST_ANSWER), "ask again: not all answers fit in one message")


Origin = tuple[int, int]
"""The peer that forwarded a frame and its number of that forward; (0, 0) for an own client."""

OWN: Origin = (0, 0)


@attrs.define
class Waiter:
    """A client waiting for its frame to be applied here; `forward` is the last that carried it."""

    route: bytes
    deadline_ms: float
    forward: int = 0


@attrs.define
class Drain:
    """The frames of one turn, proposed or forwarded together."""

    encoded: list[bytes] = attrs.field(factory=list)
    frames: list[WriteFrame] = attrs.field(factory=list)
    origins: list[Origin] = attrs.field(factory=list)
    """For each frame where it came from."""
    size_bytes: int = 0

    def add(self, encoded: bytes, frame: WriteFrame, origin: Origin) -> None:
        """Take one more frame."""
        self.encoded.append(encoded)
        self.frames.append(frame)
        self.origins.append(origin)
        self.size_bytes += len(encoded)

    def parts(self) -> Iterator["Drain"]:
        """Yield drains that each fit into one log entry: itself, unless peers forwarded much."""
        if self.size_bytes <= _ENTRY_FRAMES_BYTES_MAX:
            yield self
            return
        part = Drain()
        for encoded, frame, origin in zip(self.encoded, self.frames, self.origins, strict=True):
            if part.frames and part.size_bytes + len(encoded) > _ENTRY_FRAMES_BYTES_MAX:
                yield part
                part = Drain()
            part.add(encoded, frame, origin)
        yield part


class Writes:
    """Frames taken in and not yet answered."""

    def __init__(self, outbox: Outbox, reply_bytes_max: int) -> None:
        self._reply_bytes_max = reply_bytes_max
        self.drain = Drain()
        self._outbox = outbox
        self._waiters: dict[tuple[int, int], Waiter] = {}
        self._proposed: dict[int, tuple[int, Batch]] = {}

    @property
    def waiting(self) -> int:
        """Frames of own clients not yet answered."""
        return len(self._waiters)

    def take(self, route: bytes, encoded: bytes, frame: WriteFrame, deadline_ms: float) -> None:
        """Accept a frame from a client of this node."""
        self._waiters[frame.writer, frame.first_seq] = Waiter(route, deadline_ms)
        self.drain.add(encoded, frame, OWN)

    def take_forwarded(self, encoded: bytes, frame: WriteFrame, origin: Origin) -> None:
        """Accept a frame that a peer forwarded."""
        self.drain.add(encoded, frame, origin)

    def take_internal(self, frame: WriteFrame) -> None:
        """Accept a write of the node itself; nobody waits for it."""
        self.drain.add(client_frames.encode(frame), frame, OWN)

    def forwarded(self, frame: WriteFrame, number: int) -> None:
        """Note which forward carries a frame that a client waits for here."""
        waiter = self._waiters.get((frame.writer, frame.first_seq))
        if waiter is not None:
            waiter.forward = number

    def empty_drain(self) -> Drain:
        """Hand over what was gathered and start afresh."""
        drain, self.drain = self.drain, Drain()
        return drain

    def payload(self, drain: Drain, time_ms: int) -> bytes:
        """Build the log payload of a drain."""
        return encode_batch(time_ms, tuple(drain.encoded))

    def remember(self, index: LogIndex, term: int, time_ms: int, drain: Drain) -> None:
        """Keep the decoded form of what was proposed at `index`, to apply without decoding."""
        self._proposed[index] = (term, Batch(time_ms, tuple(drain.frames)))

    def recall(self, entry: Entry) -> Batch | None:
        """Return the decoded form of `entry` if this node proposed exactly it."""
        term, batch = self._proposed.pop(entry.index, (0, None))
        return batch if term == entry.term else None

    def forget_proposed(self) -> None:
        """Drop decoded forms: this node no longer leads, other entries may take the places."""
        self._proposed.clear()

    def answer(self, frame: WriteFrame, replies: tuple[Reply, ...], leader: int) -> None:
        """Answer the client that waits for `frame` here, if there is one."""
        waiter = self._waiters.pop((frame.writer, frame.first_seq), None)
        if waiter is None or self._outbox.is_full(waiter.route):
            return  # one that cannot take its answer asks again with the same numbers
        if not _are_small(replies):
            replies = _what_fits(replies, self._reply_bytes_max)
        reply = WriteReply(frame.writer, frame.first_seq, leader, replies)
        self._outbox.send(waiter.route, node_frames.encode(reply))

    def reject(self, frame: WriteFrame, leader: int, code: ErrorCode) -> None:
        """Tell the waiting client that `frame` was not proposed."""
        rejected = WriteRejected(frame.writer, frame.first_seq, len(frame.ops), leader, code)
        self._tell(rejected)

    def reject_forwarded(self, rejected: ForwardRejected, leader: int) -> None:
        """Pass on that a forward was not proposed, if it is the last that carried the frame.

        Word of an earlier forward says nothing of the one under way.
        """
        waiter = self._waiters.get((rejected.writer, rejected.first_seq))
        if waiter is not None and waiter.forward == rejected.number:
            self._tell(
                WriteRejected(
                    rejected.writer,
                    rejected.first_seq,
                    rejected.count,
                    leader,
                    rejected.code,
                    rejected.detail,
                )
            )

    def _tell(self, rejected: WriteRejected) -> None:
        waiter = self._waiters.pop((rejected.writer, rejected.first_seq), None)
        if waiter is not None:
            self._outbox.send(waiter.route, node_frames.encode(rejected))

    def expire(self, now_ms: float) -> None:
        """Forget waiters past their deadline; their clients have long asked again."""
        late = [key for key, waiter in self._waiters.items() if waiter.deadline_ms <= now_ms]
        for key in late:
            del self._waiters[key]


def _are_small(replies: tuple[Reply, ...]) -> bool:
    """Whether all are answers to plain puts: the usual case, found fast."""
    return set(map(type, replies)) == _PLAIN and not any(map(_previous, replies))


def _what_fits(replies: tuple[Reply, ...], most_bytes: int) -> tuple[Reply, ...]:
    """Replace the answers that do not fit beside those before them by "ask again".

    All was done and is on record; the client repeats the numbers that lack an answer. One that
    does not fit alone is as good as lost.
    """
    left_bytes = most_bytes
    kept: list[Reply] = []
    for reply in replies:
        size_bytes = answer_bytes(reply)
        if size_bytes <= left_bytes:
            left_bytes -= size_bytes
            kept.append(reply)
        else:
            kept.append(_LOST)
    return tuple(kept)
