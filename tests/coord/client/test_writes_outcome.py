"""What a write ends as: done, not done or maybe done, and why."""

import itertools

from coord.errors import CoordError, ErrorCode, MaybeDone, Misuse, NotDone, Unavailable
from coord.requests import ErrorReply, Put, PutReply, WriterReply
from coord.testing.client_script import Answer, Bench, puts, refusal, writing

A, B, C = "tcp://a:1", "tcp://b:1", "tcp://c:1"


def code_of(answer: Answer) -> ErrorCode | None:
    assert isinstance(answer.error, CoordError)
    return answer.error.code


def test_while_nobody_leads_pauses_grow_until_somebody_does() -> None:
    bench = writing(A, B)
    (answer,) = bench.write(Put(b"k"))
    tries: list[float] = []
    while len(tries) < 6:
        for address, frame in bench.writes():
            tries.append(bench.now_ms)
            bench.receive(address, refusal(frame, ErrorCode.NO_LEADER))
        bench.pass_ms(5)
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * pauses[0]
    bench.pass_ms(1_000)
    (address, frame), *_ = bench.writes()
    bench.acknowledge(address, frame)
    assert answer.reply is not None


def test_refused_by_all_until_the_deadline_is_not_done() -> None:
    bench = writing(A, B, timeout_ms=500)
    (answer,) = bench.write(Put(b"k"))
    for _ in range(200):
        for address, frame in bench.writes():
            bench.receive(address, refusal(frame, ErrorCode.NO_LEADER))
        bench.pass_ms(5)
    assert isinstance(answer.error, Unavailable)
    assert code_of(answer) is ErrorCode.NO_LEADER


def test_one_attempt_without_word_makes_the_end_maybe_done() -> None:
    bench = writing(A, B, timeout_ms=3_000)
    (answer,) = bench.write(Put(b"k"))
    bench.writes()  # taken by A, which says nothing
    for _ in range(400):
        for address, frame in bench.writes():
            if address == B:
                bench.receive(B, refusal(frame, ErrorCode.NO_LEADER))
        bench.pass_ms(10)
    assert isinstance(answer.error, MaybeDone)


def test_a_late_refusal_of_the_only_attempt_still_makes_it_not_done() -> None:
    bench = writing(A, timeout_ms=900)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.pass_ms(800)
    bench.receive(A, refusal(frame, ErrorCode.STOPPING))
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
    bench = writing(A)
    bench.core.write(Put(b"short"), 64, bench.now_ms + 50, short_answer := Answer())
    bench.core.write(Put(b"long"), 64, bench.now_ms + 5_000, long_answer := Answer())
    bench.core.flush(bench.now_ms)
    ((_, frame),) = bench.writes()
    bench.wire.full.add(A)
    bench.receive(A, refusal(frame, ErrorCode.NO_LEADER))
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
    bench = writing(A, B)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.receive(A, refusal(frame, ErrorCode.TOO_MANY_REQUESTS, leader=1))
    assert bench.writes() == []
    bench.pass_ms(100)
    ((address, again),) = bench.writes()
    assert (address, again) == (A, frame)
    bench.acknowledge(A, again)
    assert answer.reply is not None


def test_while_the_cluster_has_too_much_to_do_further_writes_hold_back() -> None:
    bench = writing(A)
    bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.receive(A, refusal(frame, ErrorCode.TOO_MANY_REQUESTS, leader=1))
    bench.write(*puts(1_000))
    assert bench.writes() == []
    bench.pass_ms(100)
    assert sum(len(again.ops) for _, again in bench.writes()) == 1_001


def test_a_refusal_for_good_ends_every_write_of_the_frame() -> None:
    bench = writing(A)
    answers = bench.write(*puts(2))
    ((_, frame),) = bench.writes()
    bench.receive(A, refusal(frame, ErrorCode.MALFORMED))
    assert all(isinstance(answer.error, Misuse) for answer in answers)


def test_an_error_among_the_answers_is_for_its_own_request_only() -> None:
    bench = writing(A)
    good, bad = bench.write(*puts(2))
    ((_, frame),) = bench.writes()
    bench.acknowledge(A, frame, PutReply(5), ErrorReply(ErrorCode.LEASE_NOT_FOUND, "7"))
    assert good.reply == PutReply(5)
    assert code_of(bad) is ErrorCode.LEASE_NOT_FOUND


def test_an_error_code_of_a_later_version_may_be_done() -> None:
    bench = writing(A)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.acknowledge(A, frame, ErrorReply(9_999, "new"))
    assert isinstance(answer.error, MaybeDone)


def test_an_expired_writer_is_replaced_and_what_was_sent_once_starts_anew() -> None:
    bench = writing(A)
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
    bench = writing(A)
    (answer,) = bench.write(Put(b"k"))
    bench.writes()
    bench.pass_ms(bench.settings.attempt_ms + 50)
    ((_, again),) = bench.writes()
    bench.acknowledge(A, again, ErrorReply(ErrorCode.WRITER_EXPIRED))
    assert isinstance(answer.error, MaybeDone)
    assert code_of(answer) is ErrorCode.WRITER_EXPIRED


def test_closing_tells_what_left_from_what_did_not() -> None:
    bench = writing(A)
    (sent,) = bench.write(Put(b"sent"))
    (waiting,) = bench.write(Put(b"waiting"))
    bench.core.close()
    assert isinstance(sent.error, MaybeDone)
    assert isinstance(waiting.error, NotDone)


def test_an_answer_said_to_be_lost_leaves_it_maybe_done_whatever_is_refused_later() -> None:
    bench = writing(A, B, timeout_ms=1_000)
    (answer,) = bench.write(Put(b"k"))
    ((_, frame),) = bench.writes()
    bench.acknowledge(A, frame, ErrorReply(ErrorCode.LOST_ANSWER))
    for _ in range(300):
        for address, again in bench.writes():
            bench.receive(address, refusal(again, ErrorCode.NO_LEADER))
        bench.pass_ms(5)
    assert isinstance(answer.error, MaybeDone)
