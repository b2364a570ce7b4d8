"""Writes against scripted nodes: numbers, packing, repeats."""

import pytest

from coord import limits
from coord.client.writes import LINGER_MS
from coord.errors import CoordError, ErrorCode, Unavailable
from coord.frames import WriteReply
from coord.requests import ErrorReply, OpenWriter, Put, PutReply, WriterReply
from coord.testing.client_script import Answer, Bench, puts, refusal, writing

A, B, C = "tcp://a:1", "tcp://b:1", "tcp://c:1"


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
    bench = writing(A)
    answers = bench.write(*puts(100))
    ((_, frame),) = bench.writes()
    assert frame.first_seq == 2
    assert frame.ops == puts(100)
    bench.acknowledge(A, frame)
    assert [answer.reply for answer in answers] == [PutReply(2 + at) for at in range(100)]


def test_a_lone_write_never_lingers() -> None:
    bench = writing(A)
    for _ in range(3):
        bench.write(Put(b"k"))
        ((_, frame),) = bench.writes()
        bench.acknowledge(A, frame)


def test_writes_behind_an_unanswered_frame_gather_for_a_moment() -> None:
    bench = writing(A)
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
    bench = writing(A)
    bench.write(Put(b"a"))
    ((_, frame),) = bench.writes()
    bench.write(Put(b"b"))
    bench.acknowledge(A, frame)
    assert [f.ops for _, f in bench.writes()] == [(Put(b"b"),)]


def test_every_frame_tells_the_lowest_number_unanswered() -> None:
    bench = writing(A)
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
    bench = writing(A)
    bench.write(*puts(limits.FRAME_OPS_MAX + 1))
    assert [len(frame.ops) for _, frame in bench.writes()] == [limits.FRAME_OPS_MAX]
    bench.pass_ms(LINGER_MS)
    assert [len(frame.ops) for _, frame in bench.writes()] == [1]


def test_numbers_run_no_further_ahead_of_the_lowest_unanswered_than_is_kept() -> None:
    bench = writing(A)
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
    bench = writing(A, B)
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
    bench = writing(A, B)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.pass_ms(bench.settings.attempt_ms + 50)
    bench.acknowledge(B, frame, PutReply(8))
    bench.acknowledge(A, frame, PutReply(9))
    assert answer.reply == PutReply(8)


def test_an_answer_to_another_writer_is_not_taken_for_ours() -> None:
    bench = writing(A)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.receive(A, WriteReply(frame.writer + 1, frame.first_seq, 1, (PutReply(5),)))
    assert not answer.done()


def test_a_lost_connection_moves_its_unanswered_writes_at_once() -> None:
    bench = writing(A, B)
    bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.unlink(A)
    ((address, again),) = bench.writes()
    assert address == B
    assert again == frame


def test_with_no_node_left_writes_wait_for_the_next_one() -> None:
    bench = writing(A)
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
    bench = writing(A, B)
    bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.receive(A, refusal(frame, ErrorCode.NOT_LEADER, leader=2))
    ((address, again),) = bench.writes()
    assert (address, again) == (B, frame)


def test_after_a_long_silence_a_new_writer_is_registered_first() -> None:
    bench = writing(A)
    bench.now_ms += limits.WRITER_TTL_MS
    bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    assert frame.first_seq == 0


def test_a_late_answer_to_a_frame_since_cut_answers_what_is_left() -> None:
    bench = writing(A)
    first, second = bench.write(*puts(2))
    ((_, frame),) = bench.writes()
    bench.pass_ms(bench.settings.attempt_ms + 50)
    bench.acknowledge(A, frame, PutReply(7), ErrorReply(ErrorCode.LOST_ANSWER))
    assert first.reply == PutReply(7)
    assert not second.done()
    bench.acknowledge(A, frame, PutReply(7), PutReply(8))
    assert second.reply == PutReply(8)


def test_an_answer_nobody_waits_for_any_more_is_dropped() -> None:
    bench = writing(A)
    gone, there = bench.write(*puts(2))
    gone.set_exception(KeyboardInterrupt())
    ((_, frame),) = bench.writes()
    bench.acknowledge(A, frame)
    assert there.reply is not None


def test_a_writer_is_closed_only_while_no_copy_of_its_registration_can_come_late() -> None:
    once = writing(A, B)
    assert once.core.writes.may_close_writer
    bench = Bench(A, B)
    bench.ready(A, B)
    bench.write(Put(b"k"))
    ((first, opening),) = bench.writes()
    for _ in range(400):
        bench.pass_ms(10)
        if again := bench.writes():
            break
    ((second, repeated),) = again
    assert second != first
    assert repeated == opening
    bench.acknowledge(second, repeated, WriterReply(600_000))
    assert len(bench.writes()) == 1  # it may write, but the node at `first` may still wake up
    assert not bench.core.writes.may_close_writer


def test_a_registration_refused_before_leaves_no_copy_behind() -> None:
    bench = Bench(A, B)
    bench.ready(A, B)
    bench.write(Put(b"k"))
    ((first, opening),) = bench.writes()
    bench.receive(first, refusal(opening, ErrorCode.NO_LEADER))
    bench.pass_ms(2_000)
    ((second, repeated), *_) = bench.writes()
    bench.acknowledge(second, repeated, WriterReply(600_000))
    assert bench.core.writes.may_close_writer
