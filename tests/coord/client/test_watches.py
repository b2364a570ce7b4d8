"""Watches against scripted nodes: resuming, reassembly, credit."""

from coord import limits
from coord.client.watches import CREDIT_STEP_BYTES
from coord.codec import node_frames
from coord.errors import CoordError, ErrorCode, HistoryCompacted, Misuse
from coord.frames import (
    Hello,
    WatchCancel,
    WatchCanceled,
    WatchCreate,
    WatchCreated,
    WatchCredit,
    WatchEvents,
    WatchProgress,
)
from coord.model import Cause, Event, EventKind, KeyValue
from coord.testing.client_script import Bench, Sink

A, B = "tcp://a:1", "tcp://b:1"
WISH = WatchCreate(0, b"k", b"l")


def event(revision: int, key: bytes = b"k", value: bytes = b"v") -> Event:
    return Event(EventKind.PUT, Cause.WRITTEN, KeyValue(key, value, revision, revision, 1))


def standing(*addresses: str, wish: WatchCreate = WISH) -> tuple[Bench, Sink, int]:
    """A bench with a watch that stands at A since revision 10, and its number."""
    bench = Bench(*addresses)
    bench.ready(*addresses)
    sink = bench.watch(wish)
    ((address, create),) = bench.watch_creates()
    bench.receive(address, WatchCreated(create.watch, 10))
    return bench, sink, create.watch


def events(number: int, revision: int, *happened: Event, more: bool = False) -> WatchEvents:
    return WatchEvents((number,), revision, more, happened)


def test_a_watch_from_now_tells_from_where_it_stands() -> None:
    _, sink, _ = standing(A)
    assert sink.created == [10]


def test_events_arrive_in_order_with_the_revision_they_are_complete_to() -> None:
    bench, sink, number = standing(A)
    bench.receive(A, events(number, 12, event(11), event(12)))
    bench.receive(A, events(number, 15, event(14)))
    assert sink.batches == [((event(11), event(12)), 12), ((event(14),), 15)]


def test_after_a_lost_connection_it_goes_on_elsewhere_behind_what_was_complete() -> None:
    bench, sink, number = standing(A, B)
    bench.receive(A, events(number, 12, event(12)))
    bench.unlink(A)
    ((address, create),) = bench.watch_creates()
    assert (address, create.start_revision) == (B, 13)
    assert create.watch != number
    bench.receive(B, WatchCreated(create.watch, 20))
    bench.receive(B, events(create.watch, 20, event(13), event(20)))
    assert [e.kv.mod_revision for e in sink.events] == [12, 13, 20]


def test_a_watch_from_now_that_missed_nothing_resumes_at_the_revision_it_stood_at() -> None:
    bench, _, _ = standing(A, B)
    bench.unlink(A)
    ((_, create),) = bench.watch_creates()
    assert create.start_revision == 11


def test_what_an_old_making_still_says_is_not_taken() -> None:
    bench, sink, number = standing(A)
    bench.unlink(A)
    bench.link(A)
    bench.greet(A, 1)
    ((_, create),) = bench.watch_creates()
    bench.receive(A, events(number, 12, event(12)))
    assert sink.events == []
    bench.receive(A, WatchCreated(create.watch, 12))
    bench.receive(A, events(create.watch, 12, event(12)))
    assert sink.events == [event(12)]


def test_events_sent_twice_are_handed_out_once() -> None:
    bench, sink, number = standing(A)
    bench.receive(A, events(number, 12, event(11), event(12)))
    bench.receive(A, events(number, 13, event(12), event(13)))
    assert [e.kv.mod_revision for e in sink.events] == [11, 12, 13]


def test_a_revision_in_pieces_is_handed_out_whole() -> None:
    bench, sink, number = standing(A)
    bench.receive(A, events(number, 11, event(11, b"k1"), more=True))
    assert sink.batches == []
    bench.receive(A, events(number, 11, event(11, b"k2")))
    assert sink.batches == [((event(11, b"k1"), event(11, b"k2")), 11)]


def test_pieces_of_a_revision_cut_off_are_asked_for_again() -> None:
    bench, sink, number = standing(A, B)
    bench.receive(A, events(number, 11, event(11, b"k1"), more=True))
    bench.unlink(A)
    ((_, create),) = bench.watch_creates()
    assert create.start_revision == 11
    bench.receive(B, WatchCreated(create.watch, 11))
    bench.receive(B, events(create.watch, 11, event(11, b"k1"), event(11, b"k2")))
    assert sink.batches == [((event(11, b"k1"), event(11, b"k2")), 11)]


def test_progress_moves_the_resume_point_unseen() -> None:
    bench, sink, number = standing(A, B)
    bench.receive(A, WatchProgress((number,), 50))
    assert sink.batches == []
    bench.unlink(A)
    ((_, create),) = bench.watch_creates()
    assert create.start_revision == 51
    assert create.progress


def test_progress_is_handed_out_where_it_was_asked_for() -> None:
    bench, sink, number = standing(A, wish=WatchCreate(0, b"k", progress=True))
    bench.receive(A, WatchProgress((number,), 50))
    assert sink.batches == [((), 50)]


def test_progress_older_than_what_was_handed_out_says_nothing() -> None:
    bench, sink, number = standing(A, B, wish=WatchCreate(0, b"k", progress=True))
    bench.receive(A, events(number, 60, event(60)))
    bench.receive(A, WatchProgress((number,), 50))
    assert len(sink.batches) == 1
    bench.unlink(A)
    ((_, create),) = bench.watch_creates()
    assert create.start_revision == 61


def test_falling_behind_compaction_is_told_with_where_to_start() -> None:
    bench, sink, number = standing(A)
    bench.receive(A, WatchCanceled(number, 40, ErrorCode.COMPACTED))
    assert isinstance(sink.error, HistoryCompacted)
    assert sink.error.compact_revision == 40


def test_a_node_that_stops_hands_the_watch_to_another() -> None:
    bench, sink, number = standing(A, B)
    bench.receive(A, WatchCanceled(number, 0, ErrorCode.STOPPING))
    bench.pass_ms(100)
    ((address, _),) = bench.watch_creates()
    assert address == B
    assert sink.error is None


def test_a_wish_that_cannot_be_fulfilled_ends_the_watch() -> None:
    bench, sink, number = standing(A)
    bench.receive(A, WatchCanceled(number, 0, ErrorCode.INVALID_OPTION, "empty range"))
    assert isinstance(sink.error, Misuse)


def test_a_making_nobody_confirms_is_tried_elsewhere() -> None:
    bench = Bench(A, B)
    bench.ready(A, B)
    sink = bench.watch(WISH)
    ((_, first),) = bench.watch_creates()
    bench.pass_ms(bench.settings.attempt_ms + 50)
    frames = bench.wire.take()
    assert (A, WatchCancel(first.watch)) in frames
    ((second),) = [f for a, f in frames if isinstance(f, WatchCreate) and a == B]
    bench.receive(A, WatchCreated(first.watch, 5))
    assert sink.created == []
    bench.receive(B, WatchCreated(second.watch, 6))
    assert sink.created == [6]


def test_a_watch_without_any_node_is_made_when_one_comes() -> None:
    bench = Bench(A)
    bench.watch(WISH)
    assert bench.watch_creates() == []
    bench.link(A)
    bench.greet(A, 1)
    assert [address for address, _ in bench.watch_creates()] == [A]


def test_credit_is_given_when_everything_is_consumed() -> None:
    bench, sink, number = standing(A)
    frame = events(number, 11, event(11))
    bench.receive(A, frame)
    assert bench.taken(WatchCredit) == []
    sink.consume()
    assert bench.taken(WatchCredit) == [], "not worth a frame of its own"
    bench.pass_ms(1.0)
    size_bytes = len(node_frames.encode(frame))
    assert bench.taken(WatchCredit) == [(A, WatchCredit(size_bytes))]


def test_credit_that_found_the_queue_full_is_given_with_a_later_tick() -> None:
    bench, sink, number = standing(A)
    frame = events(number, 11, event(11))
    bench.receive(A, frame)
    bench.wire.full.add(A)
    sink.consume()
    assert bench.taken(WatchCredit) == []
    bench.wire.full.clear()
    bench.pass_ms(1.0)
    credit = WatchCredit(len(node_frames.encode(frame)))
    assert bench.taken(WatchCredit) == [(A, credit)]
    bench.pass_ms(1.0)
    assert bench.taken(WatchCredit) == []


def test_credit_is_given_in_steps_while_more_waits() -> None:
    bench, sink, number = standing(A)
    value = bytes(CREDIT_STEP_BYTES // 4)
    for revision in range(11, 21):
        bench.receive(A, events(number, revision, event(revision, value=value)))
    given = 0
    for receipt in sink.receipts[:-1]:
        bench.core.consumed(receipt)
        given += receipt.size_bytes
    told = [f.consumed_bytes for _, f in bench.taken(WatchCredit) if isinstance(f, WatchCredit)]
    assert len(told) == 2
    assert told == sorted(told)
    assert told[-1] <= given < limits.WATCH_WINDOW_BYTES


def test_a_frame_for_two_watches_counts_once_both_have_consumed_it() -> None:
    bench, first, number = standing(A)
    second = bench.watch(WISH)
    ((_, create),) = bench.watch_creates()
    bench.receive(A, WatchCreated(create.watch, 10))
    bench.receive(A, WatchEvents((number, create.watch), 11, False, (event(11),)))
    first.consume()
    bench.pass_ms(1.0)
    assert bench.taken(WatchCredit) == []
    second.consume()
    bench.pass_ms(1.0)
    assert len(bench.taken(WatchCredit)) == 1


def test_events_of_a_canceled_watch_are_consumed_by_nobody_and_still_counted() -> None:
    bench, sink, number = standing(A)
    other = bench.watch(WISH)
    ((_, create),) = bench.watch_creates()
    bench.receive(A, WatchCreated(create.watch, 10))
    bench.core.cancel(next(h for h in bench.core.watches._held.values() if h.sink is sink))
    bench.pass_ms(1.0)
    assert bench.taken(WatchCancel) == [(A, WatchCancel(number))]
    bench.receive(A, events(number, 11, event(11)))
    bench.pass_ms(1.0)
    assert len(bench.taken(WatchCredit)) == 1
    assert other.events == []


def test_credit_starts_from_zero_on_a_new_connection() -> None:
    bench, sink, number = standing(A)
    bench.receive(A, events(number, 11, event(11)))
    bench.unlink(A)
    bench.link(A)
    bench.greet(A, 1)
    ((_, create),) = bench.watch_creates()
    bench.receive(A, WatchCreated(create.watch, 11))
    sink.consume()
    bench.pass_ms(1.0)
    assert bench.taken(WatchCredit) == [], "these bytes came on the old connection"
    frame = events(create.watch, 12, event(12))
    bench.receive(A, frame)
    sink.consume()
    bench.pass_ms(1.0)
    assert bench.taken(WatchCredit) == [(A, WatchCredit(len(node_frames.encode(frame))))]


def test_a_cancel_that_found_the_queue_full_is_told_with_a_later_tick() -> None:
    bench, sink, number = standing(A)
    bench.wire.full.add(A)
    bench.core.cancel(next(h for h in bench.core.watches._held.values() if h.sink is sink))
    bench.pass_ms(1.0)
    assert bench.taken(WatchCancel) == []
    assert bench.core.watches.is_waiting
    bench.wire.full.clear()
    bench.pass_ms(1.0)
    assert bench.taken(WatchCancel) == [(A, WatchCancel(number))]
    assert not bench.core.watches.is_waiting


def test_a_silent_node_loses_its_watches_to_another() -> None:
    bench, _, _ = standing(A, B)
    bench.wire.take()
    bench.pass_ms(bench.settings.silence_ms + 3 * bench.settings.heartbeat_ms)
    assert bench.wire.closed == [A]
    assert B in [address for address, _ in bench.watch_creates()]


def test_a_node_that_answers_greetings_keeps_its_watches() -> None:
    bench, _, _ = standing(A, B)
    for _ in range(20):
        bench.pass_ms(bench.settings.heartbeat_ms)
        for address in bench.hellos():
            bench.greet(address, 1 if address == A else 2)
    assert bench.wire.closed == []


def test_a_node_cut_off_from_its_leader_loses_its_watches_to_one_that_is_not() -> None:
    bench, sink, number = standing(A, B)
    bench.receive(A, events(number, 12, event(12)))
    moved: list[WatchCreate] = []
    for _ in range(50):
        for address, frame in bench.wire.take():
            if isinstance(frame, Hello):
                node = 1 if address == A else 2
                bench.greet(address, node, leader=0 if address == A else 3)
            elif isinstance(frame, WatchCreate):
                assert address == B
                moved.append(frame)
                bench.receive(B, WatchCreated(frame.watch, 20))
        bench.pass_ms(100)
    (create,) = moved
    assert create.start_revision == 13
    bench.receive(B, events(create.watch, 20, event(20)))
    assert [e.kv.mod_revision for e in sink.events] == [12, 20]


def test_while_nobody_knows_a_leader_watches_stay() -> None:
    bench, _, _ = standing(A, B)
    for _ in range(50):
        for address, frame in bench.wire.take():
            assert not isinstance(frame, WatchCreate)
            if isinstance(frame, Hello):
                bench.greet(address, 1 if address == A else 2, leader=0)
        bench.pass_ms(200)


def test_closing_ends_every_watch() -> None:
    bench, sink, _ = standing(A)
    bench.core.close()
    assert isinstance(sink.error, CoordError)
