"""A client that does not read is owed a window of answers, and no more."""

from coord.errors import ErrorCode
from coord.frames import AnswerCredit, ReadFrame, ReadRejected, ReadReply, WriteFrame
from coord.node.outbox import Outbox
from coord.requests import Put, Range
from coord.testing.listener import RecordingListener
from coord.testing.lone_node import WRITER, LoneNode
from transport.base import SendResult

_A, _B = b"route-a", b"route-b"
_ANSWER = b"\xc0"  # what it says does not matter here


class _Clients(RecordingListener):
    """Counts what is sent, whatever it is."""

    def send(self, route: bytes, payload: bytes) -> SendResult:
        return self.results.get(route, SendResult.SENT)


def _outbox(window_bytes: int, routes_max: int = 10) -> tuple[Outbox, _Clients]:
    clients = _Clients()
    return Outbox(clients, window_bytes, routes_max), clients


def test_a_connection_is_full_when_it_was_sent_a_window_and_took_nothing() -> None:
    outbox, _ = _outbox(3)
    outbox.send(_A, _ANSWER * 2)
    assert not outbox.is_full(_A)
    outbox.send(_A, _ANSWER)
    assert outbox.is_full(_A)
    assert not outbox.is_full(_B)
    outbox.credit(_A, 1)
    assert not outbox.is_full(_A)


def test_nobody_gains_room_by_claiming_to_have_taken_more_than_was_sent() -> None:
    outbox, _ = _outbox(3)
    outbox.credit(_A, 1000)
    outbox.send(_A, _ANSWER)
    outbox.credit(_A, 1000)
    outbox.send(_A, _ANSWER * 3)
    assert outbox.is_full(_A)


def test_what_was_not_sent_does_not_count() -> None:
    outbox, clients = _outbox(2)
    clients.results[_A] = SendResult.BUSY
    outbox.send(_A, _ANSWER * 9)
    assert not outbox.is_full(_A)
    clients.results[_A] = SendResult.SENT
    outbox.send(_A, _ANSWER * 9)
    clients.results[_A] = SendResult.GONE
    outbox.send(_A, _ANSWER)
    assert not outbox.is_full(_A), "whoever comes next by this name starts anew"


def test_no_more_connections_are_counted_than_there_may_be() -> None:
    outbox, _ = _outbox(1, routes_max=2)
    for route in (_A, _B, b"route-c"):
        outbox.send(route, _ANSWER)
    assert [outbox.is_full(route) for route in (_A, _B, b"route-c")] == [False, True, True]


def test_reads_of_a_client_that_takes_no_answers_are_refused_until_it_does() -> None:
    lone = LoneNode(answer_window_bytes=5000)
    lone.write(Put(b"large", b"v" * 3000))
    read = ReadFrame(1, False, (Range(b"large"),))
    sent_bytes = 0
    for _ in range(2):
        (reply,) = lone.ask(read)
        assert isinstance(reply, ReadReply)
        sent_bytes += 3000
    (refused,) = lone.ask(read)
    assert isinstance(refused, ReadRejected)
    assert refused.code == ErrorCode.TOO_MANY_REQUESTS
    assert "take the answers" in refused.detail
    assert lone.ask(AnswerCredit(sent_bytes)) == []
    assert isinstance(lone.ask(read)[0], ReadReply)


def test_a_write_of_a_client_that_takes_no_answers_is_done_and_answered_when_asked_again() -> None:
    lone = LoneNode(answer_window_bytes=5000)
    lone.write(Put(b"large", b"v" * 3000))
    frame = WriteFrame(WRITER, 2, 2, (Put(b"large", b"w" * 3000, prev_kv=True),))
    for _ in range(2):
        lone.ask(ReadFrame(1, False, (Range(b"large"),)))
    assert lone.ask(frame) == []
    revision = lone.node.store.revision
    lone.ask(AnswerCredit(6000))
    (answer,) = lone.ask(frame)
    assert answer.replies[0].prev_kv.value == b"v" * 3000  # type: ignore[union-attr]
    assert lone.node.store.revision == revision
