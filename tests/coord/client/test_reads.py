"""Reads against scripted nodes: where they go, packing, repeats."""

import functools

import pytest

from coord.client.reads import LEADER
from coord.errors import CoordError, ErrorCode, Refused, Unavailable
from coord.frames import ReadFrame, ReadRejected, ReadReply
from coord.requests import ErrorReply, Range, RangeReply, Status, TransferLeader, TransferReply
from coord.testing.client_script import Answer, Bench

A, B, C = "tcp://a:1", "tcp://b:1", "tcp://c:1"
GET = Range(b"k")


def reply(bench: Bench, address: str, frame: ReadFrame) -> None:
    replies = tuple(RangeReply(9, count=at) for at in range(len(frame.ops)))
    bench.receive(address, ReadReply(frame.request, replies))


def _drawn(wish: int, low: int, high: int) -> int:
    return min(low + wish, high)


def test_reads_of_one_turn_share_a_frame() -> None:
    bench = Bench(A)
    bench.ready(A)
    answers = bench.read(GET, GET, GET)
    ((_, frame),) = bench.reads()
    assert frame.ops == (GET, GET, GET)
    reply(bench, A, frame)
    assert [answer.reply for answer in answers] == [RangeReply(9, count=at) for at in range(3)]


def test_serializable_reads_travel_apart_from_linearizable_ones() -> None:
    bench = Bench(A)
    bench.ready(A)
    until_ms = bench.now_ms + 1_000
    bench.core.read(GET, True, "", until_ms, Answer())
    bench.core.read(GET, False, "", until_ms, Answer())
    bench.core.flush(bench.now_ms)
    assert sorted(frame.serializable for _, frame in bench.reads()) == [False, True]


def test_a_client_keeps_to_one_node_and_clients_spread() -> None:
    homes = set()
    for drawn in range(3):
        bench = Bench(A, B, C, draw=functools.partial(_drawn, drawn))
        bench.ready(A, B, C)
        used = set()
        for _ in range(5):
            bench.read(GET)
            ((address, frame),) = bench.reads()
            used.add(address)
            reply(bench, address, frame)
        assert len(used) == 1
        homes |= used
    assert homes == {A, B, C}


def test_reads_go_to_the_leader_where_that_was_chosen() -> None:
    bench = Bench(A, B, C, read_from="leader")
    bench.ready(A, B, C, leader=3)
    bench.read(GET)
    assert [address for address, _ in bench.reads()] == [C]


def test_a_lost_connection_moves_reads_at_once() -> None:
    bench = Bench(A, B)
    bench.ready(A, B)
    (answer,) = bench.read(GET)
    bench.reads()
    bench.unlink(A)
    ((address, frame),) = bench.reads()
    assert address == B
    reply(bench, B, frame)
    assert answer.reply is not None


def test_a_silent_node_is_given_up_for_another() -> None:
    bench = Bench(A, B)
    bench.ready(A, B)
    bench.read(GET)
    ((first, frame),) = bench.reads()
    bench.pass_ms(bench.settings.attempt_ms + 50)
    ((second, again),) = bench.reads()
    assert (first, second) == (A, B)
    assert again == frame


def test_a_refused_read_is_tried_elsewhere() -> None:
    bench = Bench(A, B)
    bench.ready(A, B)
    (answer,) = bench.read(GET)
    ((_, frame),) = bench.reads()
    bench.receive(A, ReadRejected(frame.request, 0, ErrorCode.NO_LEADER))
    bench.pass_ms(50)
    ((address, again),) = bench.reads()
    assert address == B
    reply(bench, B, again)
    assert answer.reply is not None


def test_a_read_without_answer_is_unavailable_never_maybe_done() -> None:
    bench = Bench(A)
    bench.ready(A)
    (answer,) = bench.read(GET, timeout_ms=500)
    bench.pass_ms(600)
    assert isinstance(answer.error, Unavailable)


def test_what_the_store_refuses_is_final() -> None:
    bench = Bench(A)
    bench.ready(A)
    good, bad = bench.read(GET, GET)
    ((_, frame),) = bench.reads()
    bench.receive(
        A, ReadReply(frame.request, (RangeReply(9), ErrorReply(ErrorCode.COMPACTED, "3")))
    )
    assert good.reply == RangeReply(9)
    assert isinstance(bad.error, Refused)


def test_reads_too_large_together_are_asked_for_alone() -> None:
    bench = Bench(A)
    bench.ready(A)
    answers = bench.read(GET, GET)
    ((_, frame),) = bench.reads()
    too_large = ErrorReply(ErrorCode.REPLY_TOO_LARGE)
    bench.receive(A, ReadReply(frame.request, (too_large, too_large)))
    bench.pass_ms(50)
    first, second = bench.reads()
    reply(bench, *first)
    bench.receive(A, ReadReply(second[1].request, (too_large,)))
    assert answers[0].reply is not None
    assert isinstance(answers[1].error, CoordError)
    assert answers[1].error.code is ErrorCode.REPLY_TOO_LARGE


def test_a_pinned_read_goes_nowhere_else() -> None:
    bench = Bench(A, B)
    bench.ready(A, B)
    (answer,) = bench.read(Status(), pinned=B, timeout_ms=3_000)
    assert [address for address, _ in bench.reads()] == [B]
    bench.unlink(B)
    bench.pass_ms(4_000)
    assert bench.reads() == []
    assert isinstance(answer.error, Unavailable)


def test_an_unknown_address_named_by_the_caller_is_connected() -> None:
    bench = Bench(A)
    bench.ready(A)
    bench.read(Status(), pinned=C)
    assert C in bench.wire.opened
    bench.link(C)
    bench.greet(C, 3)
    assert [address for address, _ in bench.reads()] == [C]


def test_what_only_the_leader_can_do_finds_it() -> None:
    bench = Bench(A, B, C)
    bench.ready(A, B, C, leader=2)
    (answer,) = bench.read(TransferLeader(3), serializable=True, pinned=LEADER)
    ((address, frame),) = bench.reads()
    assert address == B
    bench.receive(B, ReadReply(frame.request, (ErrorReply(ErrorCode.NOT_LEADER),)))
    bench.greet(C, 3, leader=3, term=2)
    bench.pass_ms(100)
    (address, frame), *_ = bench.reads()
    assert address == C
    bench.receive(C, ReadReply(frame.request, (TransferReply(3),)))
    assert answer.reply == TransferReply(3)


def test_more_reads_than_may_wait_are_refused_those_under_way_included() -> None:
    bench = Bench(A)
    bench.ready(A)
    bench.read(*[GET] * bench.settings.pending_max)
    with pytest.raises(Unavailable) as refused:
        bench.read(GET)
    assert refused.value.code is ErrorCode.TOO_MANY_REQUESTS
    for address, frame in bench.reads():
        reply(bench, address, frame)
    bench.read(GET)
