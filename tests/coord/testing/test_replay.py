"""The log read plainly: once-only writes, leases by cluster time, reads of the past."""

from coord.codec import client_frames, encode_batch
from coord.errors import ErrorCode
from coord.frames import Batch, WriteFrame
from coord.model import Cause
from coord.raft.messages import Entry, EntryKind
from coord.requests import (
    Compact,
    ErrorReply,
    LeaseGrant,
    LeaseGrantReply,
    OpenWriter,
    Put,
    PutReply,
    Range,
    WriteOp,
    WriterReply,
)
from coord.testing.replay import Replay

_WRITER = 77


def _frame(first_seq: int, *ops: WriteOp, ack_below: int = 0) -> WriteFrame:
    return WriteFrame(_WRITER, ack_below, first_seq, ops)


def _replay(*frames: WriteFrame, time_ms: int = 0) -> Replay:
    replay = Replay()
    replay.apply(1, Batch(0, (_frame(0, OpenWriter()),)))
    for index, frame in enumerate(frames, 2):
        replay.apply(index, Batch(time_ms, (frame,)))
    return replay


def test_a_repeated_frame_is_answered_from_the_record() -> None:
    replay = _replay()
    frame = _frame(1, Put(b"k", b"v"))
    first = replay.apply(2, Batch(0, (frame,)))
    assert replay.apply(3, Batch(0, (frame,))) == first == [[PutReply(2)]]
    assert replay.store.revision == 2
    assert replay.repeated == 1
    assert [effect.index for effect in replay.effects[_WRITER, 1]] == [2]


def test_numbers_already_acknowledged_or_of_unknown_writers_are_refused() -> None:
    replay = _replay(_frame(1, Put(b"k", b"v")), _frame(2, Put(b"k", b"w"), ack_below=2))
    expired = [[ErrorReply(ErrorCode.WRITER_EXPIRED)]]
    assert replay.apply(9, Batch(0, (_frame(1, Put(b"k", b"v")),))) == expired
    stranger = WriteFrame(5, 0, 1, (Put(b"k", b"x"),))
    assert replay.apply(10, Batch(0, (stranger,))) == expired
    assert replay.refused_late == 2
    assert replay.store.revision == 3


def test_a_silent_writer_is_forgotten_by_cluster_time() -> None:
    replay = Replay()
    assert replay.apply(1, Batch(0, (_frame(0, OpenWriter(1_000)),))) == [[WriterReply(1_000)]]
    replay.apply(2, Batch(999, (_frame(1, Put(b"k", b"v")),)))
    assert replay.apply(3, Batch(1_998, (_frame(2, Put(b"k", b"w")),))) == [[PutReply(3)]]
    late = replay.apply(4, Batch(2_998, (_frame(3, Put(b"k", b"x")),)))
    assert late == [[ErrorReply(ErrorCode.WRITER_EXPIRED)]]


def test_a_lease_ends_at_its_entry_and_the_events_say_so() -> None:
    replay = _replay(_frame(1, LeaseGrant(500)))
    (effect,) = replay.effects[_WRITER, 1]
    assert isinstance(effect.reply, LeaseGrantReply)
    replay.apply(5, Batch(100, (_frame(2, Put(b"k", b"v", lease=effect.reply.lease)),)))
    replay.apply(6, Batch(499, ()))
    assert replay.store.revision == 2
    replay.apply(7, Batch(500, ()))
    (event,) = replay.events[3]
    assert event.cause is Cause.EXPIRED
    assert event.prev_kv is not None
    assert event.prev_kv.value == b"v"
    assert replay.times[3] == 500


def test_the_past_can_be_read_even_when_compacted() -> None:
    replay = _replay(_frame(1, Put(b"k", b"1"), Put(b"k", b"2"), Compact(3)))
    assert replay.compactions == {3}
    (kv,) = replay.read_at(Range(b"k"), 2).kvs
    assert kv.value == b"1"
    assert [event.kv.value for event in replay.events[3]] == [b"2"]


def test_only_normal_entries_are_replayed() -> None:
    frames = tuple(client_frames.encode(f) for f in (_frame(0, OpenWriter()), _frame(1, Put(b"k"))))
    payload = encode_batch(0, frames)
    log = [Entry(1, 1, EntryKind.NOOP, b""), Entry(2, 1, EntryKind.NORMAL, payload)]
    assert Replay.of(log).store.revision == 2
