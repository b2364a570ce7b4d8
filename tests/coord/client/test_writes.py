"""Writes against scripted nodes: numbers, packing, repeats, deadlines."""

import itertools

import pytest

from coord import limits
from coord.client.writes import LINGER_MS
from coord.errors import CoordError, ErrorCode, MaybeDone, Misuse, NotDone, Unavailable
from coord.frames import WriteRejected, WriteReply
from coord.requests import ErrorReply, OpenWriter, Put, PutReply, WriterReply
from coord.testing.client_script import Answer, Bench, puts

A, B, C = "tcp://a:1", "tcp://b:1", "tcp://c:1"


def started(*addresses: str, timeout_ms: float = 10_000.0) -> Bench:
    """A bench with every node ready, node 1 leading, and a registered writer."""
    bench = Bench(*addresses, timeout_ms=timeout_ms)
    bench.ready(*addresses)
    (answer,) = bench.write(Put(b"first"))
    bench.open_writer()
    ((address, frame),) = bench.writes()
    bench.acknowledge(address, frame)
    assert answer.reply == PutReply(1)
    bench.pass_ms(5)
    bench.wire.take()
    return bench


def rejected(frame_of: tuple[int, int, int], code: ErrorCode, leader: int = 0) -> WriteRejected:
    writer, first_seq, count = frame_of
    return WriteRejected(writer, first_seq, count, leader, code)


def code_of(answer: Answer) -> ErrorCode | None:
    assert isinstance(answer.error, CoordError)
    return answer.error.code


def test_no_write_leaves_before_the_writer_is_registered() -> None:
    bench = Bench(A)
    bench.ready(A)
    (answer,) = bench.write(Put(b"k"))
    ((address, frame),) = bench.writes()
    assert (address, frame.first_seq, frame.ack_below) == (A, 0, 0)
    assert frame.ops == (OpenWriter(),)
    bench.pass_ms(100)
    assert bench.writes() == []
    bench.acknowledge(A, frame, WriterReply(600_000))
    ((_, write),) = bench.writes()
    assert (write.writer, write.first_seq, write.ops) == (frame.writer, 1, (Put(b"k"),))
    assert not answer.done()


def test_requests_of_one_turn_share_one_frame() -> None:
    bench = started(A)
    answers = bench.write(*puts(100))
    ((_, frame),) = bench.writes()
    assert frame.first_seq == 2
    assert frame.ops == puts(100)
    bench.acknowledge(A, frame)
    assert [answer.reply for answer in answers] == [PutReply(2 + at) for at in range(100)]


def test_a_lone_write_never_lingers() -> None:
    bench = started(A)
    for _ in range(3):
        bench.write(Put(b"k"))
        ((_, frame),) = bench.writes()
        bench.acknowledge(A, frame)


def test_writes_behind_an_unanswered_frame_gather_for_a_millisecond() -> None:
    bench = started(A)
    bench.write(Put(b"a"))
    assert len(bench.writes()) == 1
    bench.write(Put(b"b"))
    bench.write(Put(b"c"))
    assert bench.writes() == []
    assert bench.core.flush(bench.now_ms) == bench.now_ms + LINGER_MS
    bench.now_ms += LINGER_MS
    assert bench.core.flush(bench.now_ms) == 0
    ((_, frame),) = bench.writes()
    assert frame.ops == (Put(b"b"), Put(b"c"))


def test_an_answer_lets_gathered_writes_leave_at_once() -> None:
    bench = started(A)
    bench.write(Put(b"a"))
    ((_, frame),) = bench.writes()
    bench.write(Put(b"b"))
    bench.acknowledge(A, frame)
    assert [f.ops for _, f in bench.writes()] == [(Put(b"b"),)]


def test_every_frame_tells_the_lowest_number_unanswered() -> None:
    bench = started(A)
    bench.write(*puts(3))
    ((_, first),) = bench.writes()
    bench.pass_ms(LINGER_MS)
    bench.write(*puts(3))
    ((_, second),) = bench.writes()
    assert (first.ack_below, second.ack_below) == (2, 2)
    bench.acknowledge(A, second)
    bench.pass_ms(LINGER_MS)
    bench.write(Put(b"x"))
    ((_, third),) = bench.writes()
    assert third.ack_below == 2, "the first frame still has no answer"
    bench.acknowledge(A, first)
    bench.acknowledge(A, third)
    bench.write(Put(b"x"))
    ((_, fourth),) = bench.writes()
    assert fourth.ack_below == fourth.first_seq == 9


def test_a_frame_holds_no_more_writes_than_allowed() -> None:
    bench = started(A)
    bench.write(*puts(limits.FRAME_OPS_MAX + 1))
    assert [len(frame.ops) for _, frame in bench.writes()] == [limits.FRAME_OPS_MAX]
    bench.pass_ms(LINGER_MS)
    assert [len(frame.ops) for _, frame in bench.writes()] == [1]


def test_numbers_run_no_further_ahead_of_the_lowest_unanswered_than_is_kept() -> None:
    bench = started(A)
    bench.write(*puts(limits.WRITER_PENDING_MAX + 10))
    bench.pass_ms(10)
    frames = [frame for _, frame in bench.writes()]
    assert sum(len(frame.ops) for frame in frames) == limits.WRITER_PENDING_MAX
    bench.acknowledge(A, frames[-1])
    assert bench.writes() == [], "a later answer frees nothing"
    bench.acknowledge(A, frames[0])
    assert [len(frame.ops) for _, frame in bench.writes()] == [10]


def test_more_writes_than_may_wait_are_refused_and_not_taken() -> None:
    bench = Bench(A)
    bench.write(*puts(bench.settings.pending_max))
    with pytest.raises(Unavailable) as refused:
        bench.write(Put(b"one more"))
    assert refused.value.code is ErrorCode.TOO_MANY_REQUESTS


def test_writes_go_to_the_leader() -> None:
    bench = Bench(A, B, C)
    bench.ready(A, B, C, leader=2)
    bench.write(Put(b"k"))
    assert [address for address, _ in bench.writes()] == [B]


def test_a_lost_answer_is_asked_for_again_elsewhere_under_the_same_numbers() -> None:
    bench = started(A, B)
    answers = bench.write(*puts(3))
    ((first_address, frame),) = bench.writes()
    bench.pass_ms(bench.settings.attempt_ms + 50)
    ((second_address, again),) = bench.writes()
    assert (first_address, second_address) == (A, B)
    assert (again.writer, again.first_seq, again.ops) == (
        frame.writer,
        frame.first_seq,
        frame.ops,
    )
    bench.acknowledge(B, again)
    assert all(answer.reply is not None for answer in answers)


def test_a_second_answer_to_the_same_numbers_changes_nothing() -> None:
    bench = started(A, B)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.pass_ms(bench.settings.attempt_ms + 50)
    bench.acknowledge(B, frame, PutReply(8))
    bench.acknowledge(A, frame, PutReply(9))
    assert answer.reply == PutReply(8)


def test_an_answer_to_another_writer_is_not_taken_for_ours() -> None:
    bench = started(A)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.receive(A, WriteReply(frame.writer + 1, frame.first_seq, 1, (PutReply(5),)))
    assert not answer.done()


def test_a_lost_connection_moves_its_unanswered_writes_at_once() -> None:
    bench = started(A, B)
    bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.unlink(A)
    ((address, again),) = bench.writes()
    assert address == B
    assert again == frame


def test_with_no_node_left_writes_wait_for_the_next_one() -> None:
    bench = started(A)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.unlink(A)
    bench.pass_ms(200)
    assert bench.writes() == []
    bench.link(A)
    bench.greet(A, 1, leader=1)
    ((_, again),) = bench.writes()
    assert again == frame
    bench.acknowledge(A, again)
    assert answer.reply is not None


def test_a_refusal_that_names_the_leader_is_followed_at_once() -> None:
    bench = started(A, B)
    bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    numbers = (frame.writer, frame.first_seq, 1)
    bench.receive(A, rejected(numbers, ErrorCode.NOT_LEADER, leader=2))
    ((address, again),) = bench.writes()
    assert (address, again) == (B, frame)


def test_while_nobody_leads_pauses_grow_until_somebody_does() -> None:
    bench = started(A, B)
    (answer,) = bench.write(Put(b"k"))
    tries: list[float] = []
    while len(tries) < 6:
        for address, frame in bench.writes():
            tries.append(bench.now_ms)
            numbers = (frame.writer, frame.first_seq, 1)
            bench.receive(address, rejected(numbers, ErrorCode.NO_LEADER))
        bench.pass_ms(5)
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * pauses[0]
    bench.pass_ms(1_000)
    (address, frame), *_ = bench.writes()
    bench.acknowledge(address, frame)
    assert answer.reply is not None


def test_refused_by_all_until_the_deadline_is_not_done() -> None:
    bench = started(A, B, timeout_ms=500)
    (answer,) = bench.write(Put(b"k"))
    for _ in range(200):
        for address, frame in bench.writes():
            bench.receive(
                address, rejected((frame.writer, frame.first_seq, 1), ErrorCode.NO_LEADER)
            )
        bench.pass_ms(5)
    assert isinstance(answer.error, Unavailable)
    assert code_of(answer) is ErrorCode.NO_LEADER


def test_one_attempt_without_word_makes_the_end_maybe_done() -> None:
    bench = started(A, B, timeout_ms=3_000)
    (answer,) = bench.write(Put(b"k"))
    bench.writes()  # taken by A, which says nothing
    for _ in range(400):
        for address, frame in bench.writes():
            if address == B:
                numbers = (frame.writer, frame.first_seq, 1)
                bench.receive(B, rejected(numbers, ErrorCode.NO_LEADER))
        bench.pass_ms(10)
    assert isinstance(answer.error, MaybeDone)


def test_a_late_refusal_of_the_only_attempt_still_makes_it_not_done() -> None:
    bench = started(A, timeout_ms=900)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.pass_ms(800)
    bench.receive(A, rejected((frame.writer, frame.first_seq, 1), ErrorCode.STOPPING))
    bench.wire.full.add(A)
    bench.pass_ms(200)
    assert isinstance(answer.error, NotDone)


def test_what_never_left_is_not_done() -> None:
    bench = Bench(A, timeout_ms=300)
    (answer,) = bench.write(Put(b"k"))
    bench.pass_ms(400)
    assert isinstance(answer.error, Unavailable)
    assert code_of(answer) is ErrorCode.TIMED_OUT


def test_told_not_done_is_never_sent_again() -> None:
    bench = started(A)
    bench.core.write(Put(b"short"), 64, bench.now_ms + 50, short_answer := Answer())
    bench.core.write(Put(b"long"), 64, bench.now_ms + 5_000, long_answer := Answer())
    bench.core.flush(bench.now_ms)
    ((_, frame),) = bench.writes()
    bench.wire.full.add(A)
    bench.receive(A, rejected((frame.writer, frame.first_seq, 2), ErrorCode.NO_LEADER))
    bench.pass_ms(100)
    assert isinstance(short_answer.error, NotDone)
    bench.wire.full.clear()
    bench.pass_ms(1_000)
    (address, again), *_ = bench.writes()
    assert again.ops == (Put(b"long"),)
    assert again.first_seq == frame.first_seq + 1, "each keeps its number"
    bench.acknowledge(address, again)
    assert long_answer.reply is not None


def test_too_many_requests_is_retried_with_the_same_node_after_a_pause() -> None:
    bench = started(A, B)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    numbers = (frame.writer, frame.first_seq, 1)
    bench.receive(A, rejected(numbers, ErrorCode.TOO_MANY_REQUESTS, leader=1))
    assert bench.writes() == []
    bench.pass_ms(100)
    ((address, again),) = bench.writes()
    assert (address, again) == (A, frame)
    bench.acknowledge(A, again)
    assert answer.reply is not None


def test_a_refusal_for_good_ends_every_write_of_the_frame() -> None:
    bench = started(A)
    answers = bench.write(*puts(2))
    ((_, frame),) = bench.writes()
    bench.receive(A, rejected((frame.writer, frame.first_seq, 2), ErrorCode.MALFORMED))
    assert all(isinstance(answer.error, Misuse) for answer in answers)


def test_an_error_among_the_answers_is_for_its_own_request_only() -> None:
    bench = started(A)
    good, bad = bench.write(*puts(2))
    ((_, frame),) = bench.writes()
    bench.acknowledge(A, frame, PutReply(5), ErrorReply(ErrorCode.LEASE_NOT_FOUND, "7"))
    assert good.reply == PutReply(5)
    assert code_of(bad) is ErrorCode.LEASE_NOT_FOUND


def test_an_error_code_of_a_later_version_may_be_done() -> None:
    bench = started(A)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.acknowledge(A, frame, ErrorReply(9_999, "new"))
    assert isinstance(answer.error, MaybeDone)


def test_an_expired_writer_is_replaced_and_what_was_sent_once_starts_anew() -> None:
    bench = started(A)
    answers = bench.write(*puts(2))
    ((_, frame),) = bench.writes()
    gone = ErrorReply(ErrorCode.WRITER_EXPIRED)
    bench.acknowledge(A, frame, gone, gone)
    ((_, opening),) = bench.writes()
    assert opening.first_seq == 0
    bench.acknowledge(A, opening, WriterReply(600_000))
    ((_, again),) = bench.writes()
    assert again.ops == frame.ops
    bench.acknowledge(A, again)
    assert all(answer.reply is not None for answer in answers)


def test_an_expired_writer_leaves_what_was_sent_twice_maybe_done() -> None:
    bench = started(A)
    (answer,) = bench.write(Put(b"k"))
    bench.writes()
    bench.pass_ms(bench.settings.attempt_ms + 50)
    ((_, again),) = bench.writes()
    bench.acknowledge(A, again, ErrorReply(ErrorCode.WRITER_EXPIRED))
    assert isinstance(answer.error, MaybeDone)
    assert code_of(answer) is ErrorCode.WRITER_EXPIRED


def test_after_a_long_silence_a_new_writer_is_registered_first() -> None:
    bench = started(A)
    bench.now_ms += limits.WRITER_TTL_MS
    bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    assert frame.first_seq == 0


def test_a_late_answer_to_a_frame_since_cut_answers_what_is_left() -> None:
    bench = started(A)
    first, second = bench.write(*puts(2))
    ((_, frame),) = bench.writes()
    bench.pass_ms(bench.settings.attempt_ms + 50)
    bench.acknowledge(A, frame, PutReply(7), ErrorReply(ErrorCode.LOST_ANSWER))
    assert first.reply == PutReply(7)
    assert not second.done()
    bench.acknowledge(A, frame, PutReply(7), PutReply(8))
    assert second.reply == PutReply(8)


def test_closing_tells_what_left_from_what_did_not() -> None:
    bench = started(A)
    (sent,) = bench.write(Put(b"sent"))
    (waiting,) = bench.write(Put(b"waiting"))
    bench.core.close()
    assert isinstance(sent.error, MaybeDone)
    assert isinstance(waiting.error, NotDone)


def test_an_answer_nobody_waits_for_any_more_is_dropped() -> None:
    bench = started(A)
    gone, there = bench.write(*puts(2))
    gone.set_exception(KeyboardInterrupt())
    ((_, frame),) = bench.writes()
    bench.acknowledge(A, frame)
    assert there.reply is not None


def test_an_answer_said_to_be_lost_leaves_it_maybe_done_whatever_is_refused_later() -> None:
    bench = started(A, B, timeout_ms=1_000)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.acknowledge(A, frame, ErrorReply(ErrorCode.LOST_ANSWER))
    for _ in range(300):
        for address, again in bench.writes():
            numbers = (again.writer, again.first_seq, 1)
            bench.receive(address, rejected(numbers, ErrorCode.NO_LEADER))
        bench.pass_ms(5)
    assert isinstance(answer.error, MaybeDone)
