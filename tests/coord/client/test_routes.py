"""Where requests go: greetings, members, leaders."""

from coord.client.routes import CREDIT_STEP_BYTES
from coord.codec import node_frames
from coord.errors import ErrorCode
from coord.frames import AnswerCredit, FrameRejected, Hello, HelloReply, ReadReply, WatchEvents
from coord.model import KeyValue
from coord.requests import Put, RangeReply
from coord.testing.client_script import CLUSTER, Bench

A, B, C, D = "tcp://a:1", "tcp://b:1", "tcp://c:1", "tcp://d:1"


def test_every_given_address_is_connected_and_greeted() -> None:
    bench = Bench(A, B)
    assert bench.wire.opened == [A, B]
    bench.link(A)
    assert bench.taken(Hello) == [(A, Hello(1, 0))]


def test_nothing_is_sent_to_a_node_that_has_not_greeted_back() -> None:
    bench = Bench(A)
    bench.link(A)
    bench.write(Put(b"k"))
    assert bench.writes() == []
    bench.greet(A, 1)
    assert len(bench.writes()) == 1


def test_a_greeting_without_answer_is_repeated() -> None:
    bench = Bench(A)
    bench.link(A)
    bench.wire.take()
    bench.pass_ms(bench.settings.heartbeat_ms)
    assert bench.hellos() == [A, A]


def test_the_leader_is_connected_though_nobody_named_its_address() -> None:
    bench = Bench(A)
    bench.link(A)
    bench.greet(A, 1, leader=2, members=[(1, A), (2, B), (3, C)])
    assert bench.wire.opened == [A, B]
    assert bench.core.routes.addresses() == [A, B, C]
    bench.write(Put(b"k"))
    assert [address for address, _ in bench.writes()] == [A], "any node takes it meanwhile"
    bench.link(B)
    bench.greet(B, 2, leader=2)
    assert bench.core.routes.for_writes(bench.now_ms) == B


def test_members_known_only_from_others_are_tried_when_no_known_node_answers() -> None:
    bench = Bench(A)
    bench.link(A)
    bench.greet(A, 1, leader=1, members=[(1, A), (2, B), (3, C)])
    bench.unlink(A)
    bench.pass_ms(100)
    assert bench.wire.opened == [A, B, C]


def test_an_alias_of_a_node_does_not_make_it_two() -> None:
    bench = Bench("tcp://localhost:1")
    bench.link("tcp://localhost:1")
    bench.greet("tcp://localhost:1", 1, leader=1, members=[(1, "tcp://127.0.0.1:1")])
    assert bench.wire.opened == bench.core.routes.addresses() == ["tcp://localhost:1"]
    assert bench.core.routes.for_writes(bench.now_ms) == "tcp://localhost:1"


def test_a_member_that_left_is_forgotten() -> None:
    bench = Bench(A)
    bench.link(A)
    bench.greet(A, 1, members=[(1, A), (2, B), (3, C)])
    bench.greet(A, 1, members=[(1, A), (2, B)])
    assert bench.core.routes.addresses() == [A, B]


def test_old_news_of_the_leader_does_not_count() -> None:
    bench = Bench(A, B)
    bench.ready(A, B, leader=2)
    bench.greet(B, 2, leader=2, term=5)
    bench.greet(A, 1, leader=1, term=4)
    assert bench.core.routes.leader == 2


def test_a_node_of_another_cluster_gets_nothing() -> None:
    bench = Bench(A, B)
    bench.ready(A)
    bench.link(B)
    bench.greet(B, 9, leader=9, cluster=CLUSTER + 1)
    assert not bench.core.routes.is_ready(B)
    assert bench.core.routes.cluster == CLUSTER


def test_a_node_that_refuses_the_greeting_gets_nothing() -> None:
    bench = Bench(A, B)
    bench.ready(A, B, leader=2)
    bench.receive(B, FrameRejected(ErrorCode.WRONG_CLUSTER, ""))
    assert bench.core.routes.for_writes(bench.now_ms) == A


def test_bytes_that_are_no_frame_are_counted_and_dropped() -> None:
    bench = Bench(A)
    bench.link(A)
    bench.core.received(A, b"\xc1garbage", bench.now_ms)
    assert bench.core.malformed_count == 1
    bench.greet(A, 1)
    assert bench.core.routes.is_ready(A)


def test_a_broken_connection_must_greet_again() -> None:
    bench = Bench(A)
    bench.ready(A)
    bench.unlink(A)
    assert not bench.core.routes.is_ready(A)
    bench.link(A)
    assert bench.hellos() == [A]
    assert not bench.core.routes.is_ready(A)


def test_a_greeting_that_arrives_after_the_connection_broke_does_not_count() -> None:
    bench = Bench(A)
    bench.link(A)
    bench.unlink(A)
    bench.receive(A, HelloReply(1, CLUSTER, 1, 1, 1, 1, ()))
    assert not bench.core.routes.is_ready(A)


def _large_answer() -> ReadReply:
    """Return an answer of a little more than half a step."""
    kv = KeyValue(b"k", bytes(CREDIT_STEP_BYTES // 8), 2, 2, 1)
    return ReadReply(1, (RangeReply(2, (kv,) * 4),))


def test_a_node_is_told_of_the_answers_taken_from_it_step_by_step() -> None:
    bench = Bench(A, B)
    bench.ready(A, B)
    bench.receive(A, _large_answer())
    bench.receive(B, _large_answer())
    assert bench.taken(AnswerCredit) == []
    bench.receive(A, _large_answer())
    ((address, credit),) = bench.taken(AnswerCredit)
    greeting_bytes = 100  # and more were taken on the same connection
    taken_bytes = 2 * len(node_frames.encode(_large_answer()))
    assert address == A
    assert isinstance(credit, AnswerCredit)
    assert taken_bytes < credit.taken_bytes < taken_bytes + greeting_bytes


def test_answers_of_which_a_node_could_not_be_told_are_told_with_the_next() -> None:
    bench = Bench(A)
    bench.ready(A)
    bench.wire.full.add(A)
    for _ in range(2):
        bench.receive(A, _large_answer())
    bench.wire.full.clear()
    bench.receive(A, _large_answer())
    ((_, credit),) = bench.taken(AnswerCredit)
    assert isinstance(credit, AnswerCredit)
    assert credit.taken_bytes > 3 * CREDIT_STEP_BYTES // 2


def test_a_new_connection_starts_with_nothing_taken_and_events_never_count() -> None:
    bench = Bench(A)
    bench.ready(A)
    bench.receive(A, _large_answer())
    bench.unlink(A)
    bench.ready(A)
    bench.receive(A, _large_answer())
    bench.receive(A, WatchEvents((1,), 5, False, ()))
    assert bench.taken(AnswerCredit) == []
