"""Tests of write frames on their way: gathered into entries, and answered."""

from coord import limits
from coord.errors import ErrorCode
from coord.frames import WriteFrame, WriteReply
from coord.model import KeyValue
from coord.node.outbox import Outbox
from coord.node.writes import Drain, Writes
from coord.raft.messages import Write
from coord.requests import ErrorReply, Put, PutReply, Reply
from coord.testing.listener import RecordingListener
from coord.testing.lone_node import WRITER, LoneNode

_ROUTE = b"r"


def _answered(replies: tuple[Reply, ...], most_bytes: int) -> tuple[Reply, ...]:
    clients = RecordingListener()
    writes = Writes(Outbox(clients, 2 * most_bytes, 1), most_bytes)
    frame = WriteFrame(WRITER, 1, 1, tuple(Put(b"k") for _ in replies))
    writes.take(_ROUTE, b"", frame, 1.0)
    writes.answer(frame, replies, 1)
    (reply,) = clients.take(_ROUTE)
    assert isinstance(reply, WriteReply)
    return reply.replies


def _with_previous(size_bytes: int) -> PutReply:
    return PutReply(9, KeyValue(b"k", b"v" * size_bytes, 2, 2, 1))


def test_answers_too_large_for_one_message_are_given_as_far_as_they_fit() -> None:
    small, large = _with_previous(10), _with_previous(600)
    given = _answered((small, large, large, small), 1000)
    assert given[:2] == (small, large)
    lost = given[2]
    assert isinstance(lost, ErrorReply)
    assert lost.code == ErrorCode.LOST_ANSWER  # the client asks for this number again
    assert given[3] == small


def test_answers_that_fit_are_given_whole() -> None:
    replies = (_with_previous(400), _with_previous(400))
    assert _answered(replies, 1000) == replies


def test_a_drain_is_one_part_unless_it_is_too_large_for_an_entry() -> None:
    frame = WriteFrame(WRITER, 1, 1, (Put(b"k"),))
    drain = Drain()
    for _ in range(5):
        drain.add(b"x" * limits.DRAIN_BYTES_MAX, frame, (2, 7))
    assert [part is drain for part in drain.parts()] == [True]
    drain.add(b"last", frame, (3, 8))
    parts = list(drain.parts())
    assert [len(part.frames) for part in parts] == [5, 1]
    assert parts[1].encoded == [b"last"]
    assert parts[1].origins == [(3, 8)]


def test_much_that_peers_forwarded_at_once_becomes_entries_of_bounded_size() -> None:
    lone = LoneNode()
    sizes_bytes: list[int] = []
    write = lone.storage.write

    def note(asked: Write) -> None:
        sizes_bytes.extend(len(entry.payload) for entry in asked.entries)
        write(asked)

    lone.storage.write = note  # type: ignore[method-assign, assignment]
    values = Put(b"k", b"v" * limits.VALUE_BYTES_MAX)
    for number in range(1, 31):
        frame = WriteFrame(WRITER, number, number, (values,))
        lone.node._writes.take_internal(frame)
    lone.settle()
    assert len(sizes_bytes) > 1
    assert max(sizes_bytes) <= limits.ENTRY_BYTES_MAX
    assert lone.node.store.revision == 31
