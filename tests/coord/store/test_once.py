"""Numbered writes: applied once, answered again, forgotten when acknowledged."""

import pytest

from coord import limits
from coord.errors import ErrorCode
from coord.frames import WriteFrame
from coord.requests import (
    CloseWriter,
    ErrorReply,
    Invalid,
    OpenWriter,
    Put,
    PutReply,
    Reply,
    WriteOp,
    WriterReply,
)
from coord.store.once import Writer, freeze_writer
from coord.testing.feed import Feed

WRITER = 77


def send(
    feed: Feed, first: int, *ops: WriteOp, ack: int = 0, writer: int = WRITER
) -> tuple[Reply, ...]:
    return feed.entry(WriteFrame(writer, ack, first, ops)).replies[0]


def opened(ttl_ms: int = 5000) -> Feed:
    feed = Feed()
    assert send(feed, 0, OpenWriter(ttl_ms)) == (WriterReply(ttl_ms),)
    return feed


def codes(replies: tuple[Reply, ...]) -> list[int]:
    return [reply.code if isinstance(reply, ErrorReply) else 0 for reply in replies]


def test_a_repeated_frame_is_answered_from_the_record_and_applied_once() -> None:
    feed = opened()
    first = send(feed, 1, Put(b"a", sequence=True), Put(b"b"))
    assert send(feed, 1, Put(b"a", sequence=True), Put(b"b")) == first
    assert feed.store.revision == 3


def test_a_repeated_frame_within_one_entry_is_applied_once() -> None:
    feed = opened()
    frame = WriteFrame(WRITER, 0, 1, (Put(b"a"),))
    assert feed.entry(frame, frame).replies == ((PutReply(2),), (PutReply(2),))


def test_an_error_is_remembered_like_any_answer() -> None:
    feed = opened()
    refused = Put(b"k", ignore_value=True)
    first = send(feed, 1, refused, Invalid(int(ErrorCode.EMPTY_KEY), "why"))
    feed.do(Put(b"k"))
    assert send(feed, 1, refused, Invalid(0)) == first
    assert first[1] == ErrorReply(ErrorCode.EMPTY_KEY, "why")


def test_numbers_packed_differently_the_second_time_are_still_applied_once() -> None:
    feed = opened()
    send(feed, 1, Put(b"a"), Put(b"b"))
    send(feed, 3, Put(b"c"))
    again = send(feed, 2, Put(b"b"), Put(b"c"), Put(b"d"))
    assert again == (PutReply(3), PutReply(4), PutReply(5))


def test_frames_may_arrive_out_of_order() -> None:
    feed = opened()
    assert send(feed, 5, Put(b"e"), Put(b"f")) == (PutReply(2), PutReply(3))
    assert send(feed, 3, Put(b"c"), Put(b"d"), Put(b"e")) == (
        PutReply(4), PutReply(5), PutReply(2),
    )  # fmt: skip
    assert send(feed, 1, Put(b"a")) == (PutReply(6),)
    assert send(feed, 1, *[Put(b"x")] * 6) == (
        PutReply(6), PutReply(7), PutReply(4), PutReply(5), PutReply(2), PutReply(3),
    )  # fmt: skip


def test_acknowledged_numbers_are_forgotten_and_never_applied_again() -> None:
    feed = opened()
    send(feed, 1, Put(b"a"), Put(b"b"), Put(b"c"))
    send(feed, 4, Put(b"d"), ack=3)
    late = send(feed, 1, Put(b"a"), Put(b"b"), Put(b"c"))
    assert codes(late) == [ErrorCode.WRITER_EXPIRED, ErrorCode.WRITER_EXPIRED, 0]
    assert feed.store.revision == 5


def test_an_acknowledgement_may_run_ahead_of_what_was_seen() -> None:
    feed = opened()
    assert codes(send(feed, 8, Put(b"a"), ack=9)) == [ErrorCode.WRITER_EXPIRED]
    assert codes(send(feed, 9, Put(b"a"))) == [0]


def test_every_number_of_an_unknown_writer_is_refused_as_maybe_done() -> None:
    feed = Feed()
    assert codes(send(feed, 1, Put(b"a"), Put(b"b"))) == [ErrorCode.WRITER_EXPIRED] * 2
    assert codes(send(feed, 0, Put(b"a"))) == [ErrorCode.WRITER_EXPIRED]
    assert codes(send(feed, 1, OpenWriter())) == [ErrorCode.WRITER_EXPIRED]
    assert feed.store.revision == 1


def test_opening_an_open_writer_just_answers() -> None:
    feed = opened(5000)
    send(feed, 1, Put(b"a"))
    assert send(feed, 0, OpenWriter(9000)) == (WriterReply(5000),)
    assert send(feed, 1, Put(b"a")) == (PutReply(2),)


def test_number_0_is_for_opening_only() -> None:
    feed = opened()
    assert codes(send(feed, 0, Put(b"a"), Put(b"b"))) == [ErrorCode.WRITER_EXPIRED, 0]


def test_a_closed_writer_is_forgotten_once_its_frame_is_done() -> None:
    feed = opened()
    replies = send(feed, 1, Put(b"a"), CloseWriter(), Put(b"b"))
    assert replies == (PutReply(2), WriterReply(0), PutReply(3))
    assert codes(send(feed, 4, Put(b"c"))) == [ErrorCode.WRITER_EXPIRED]


def test_a_writer_expires_its_time_after_its_last_frame() -> None:
    feed = opened(5000)
    feed.time_ms = 4000
    send(feed, 1, Put(b"a"))
    feed.at(8999)
    assert codes(send(feed, 1, Put(b"a"))) == [0]
    feed.at(13998)
    assert codes(send(feed, 1, Put(b"a"))) == [0]
    feed.at(18998)
    assert codes(send(feed, 1, Put(b"a"))) == [ErrorCode.WRITER_EXPIRED]
    assert feed.store.revision == 2


def test_too_many_writers_are_refused_until_one_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WRITERS_MAX", 1)
    feed = opened()
    refused = send(feed, 0, OpenWriter(), writer=78)
    assert codes(refused) == [ErrorCode.TOO_MANY_REQUESTS]
    send(feed, 1, CloseWriter())
    assert codes(send(feed, 0, OpenWriter(), writer=78)) == [0]


@pytest.mark.parametrize("first", [1, 4])
def test_answers_beyond_the_window_are_refused_unapplied_and_may_be_asked_again(
    monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(limits, "WRITER_PENDING_MAX", 2)
    feed = opened()
    puts = (Put(b"a"), Put(b"b"), Put(b"c"))
    assert codes(send(feed, first, *puts)) == [0, 0, ErrorCode.TOO_MANY_REQUESTS]
    assert feed.store.revision == 3
    assert codes(send(feed, first, *puts)) == [0, 0, ErrorCode.TOO_MANY_REQUESTS]
    assert codes(send(feed, first + 2, Put(b"c"), ack=first + 1)) == [0]
    assert feed.store.revision == 4


def test_the_nodes_own_writer_is_never_recorded() -> None:
    feed = Feed()
    assert feed.do(Put(b"a")) == PutReply(2)
    assert feed.do(Put(b"a")) == PutReply(3)
    assert feed.refused(OpenWriter()) == ErrorCode.NOT_SUPPORTED
    assert feed.refused(CloseWriter()) == ErrorCode.NOT_SUPPORTED


def test_the_record_survives_a_snapshot_whole() -> None:
    feed = opened()
    send(feed, 1, Put(b"a"), Put(b"b"))
    send(feed, 5, Put(b"e"), ack=2)
    again = feed.restored()
    for each in (feed, again):
        replies = send(each, 1, Put(b"a"), Put(b"b"), Put(b"c"), Put(b"d"), Put(b"e"))
        assert codes(replies) == [ErrorCode.WRITER_EXPIRED, 0, 0, 0, 0]
        assert replies[1:] == (PutReply(3), PutReply(5), PutReply(6), PutReply(4))
    assert again.store.digest() == feed.store.digest()


def test_a_restored_writer_expires_when_the_original_does() -> None:
    feed = opened(5000)
    feed.time_ms = 4000
    send(feed, 1, Put(b"a"))
    again = feed.restored()
    for each in (feed, again):
        each.at(8999)
        assert codes(send(each, 2, Put(b"b"))) == [0]


def test_writers_that_come_and_go_leave_no_places_behind() -> None:
    feed = Feed()
    for writer in range(100, 3100):
        send(feed, 0, OpenWriter(), writer=writer)
        send(feed, 1, CloseWriter(), writer=writer)
    assert len(feed.store._writers._heap) < 1500


def test_a_snapshot_holds_only_answers_not_yet_acknowledged_and_joins_them() -> None:
    writer = Writer(5000, 0)
    for first in (1, 3, 9):
        writer.keep(first, (PutReply(first), PutReply(first + 1)))
    writer.acknowledge(2)
    frozen = freeze_writer(WRITER, writer)
    assert [(first, len(replies)) for first, replies in frozen.runs] == [(2, 3), (9, 2)]
    assert frozen.runs[0][1] == (PutReply(2), PutReply(3), PutReply(4))


def test_writers_changed_behind_a_snapshots_back_stay_as_they_were_in_it() -> None:
    feed = opened()
    send(feed, 1, Put(b"a"))
    wanted = b"".join(feed.store.snapshot())
    snapshot = feed.store.snapshot()
    chunks = [next(snapshot)]
    send(feed, 2, Put(b"b"), ack=2)
    send(feed, 0, OpenWriter(), writer=78)
    send(feed, 3, CloseWriter())
    assert b"".join([*chunks, *snapshot]) == wanted


def test_a_member_restored_from_a_snapshot_refuses_what_the_others_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "WRITER_PENDING_MAX", 4)
    feed = opened()
    send(feed, 1, Put(b"a"), Put(b"b"), Put(b"c"))
    send(feed, 4, Put(b"d"), ack=3)  # the first two of three answers kept together may go
    again = feed.restored()
    for each in (feed, again):
        assert codes(send(each, 5, Put(b"e"), Put(b"f"), Put(b"g"), ack=3)) == [
            0,
            0,
            ErrorCode.TOO_MANY_REQUESTS,
        ]
        assert codes(send(each, 7, Put(b"g"), ack=4)) == [0]
    assert again.store.digest() == feed.store.digest()
