"""Watches: live ones get each entry at once, laggards catch up, nobody is skipped silently."""

from coord.errors import ErrorCode
from coord.frames import (
    Batch,
    WatchCanceled,
    WatchCreate,
    WatchCreated,
    WatchEvents,
    WatchProgress,
    WriteFrame,
)
from coord.ids import ClusterId, NodeId
from coord.node.settings import NodeSettings
from coord.node.streams import Streams
from coord.requests import Compact, DeleteRange, Put, Txn, WriteOp
from coord.store.machine import Store
from coord.store.once import INTERNAL_WRITER
from coord.testing.listener import RecordingListener
from transport.base import SendResult

_A, _B = b"route-a", b"route-b"


class _World:
    """A store, its streams, and a hand-driven feed of entries."""

    def __init__(self, **bounds: int) -> None:
        settings = NodeSettings(
            cluster=ClusterId(1),
            node=NodeId(1),
            name="n1",
            client_address="tcp://h:1",
            members={1: ("n1", "tcp://h:2")},
            **bounds,
        )
        self.clients = RecordingListener()
        self.streams = Streams(settings, self.clients)
        self.store = Store()
        self._index = 0

    def watch(self, route: bytes, wish: WatchCreate, now_ms: float = 0.0) -> None:
        self.streams.create(route, wish, self.store, now_ms)

    def write(self, *ops: WriteOp) -> None:
        """Apply one entry and publish it, as the node does."""
        self._index += 1
        frame = WriteFrame(INTERNAL_WRITER, 0, 1, ops)
        applied = self.store.apply(self._index, Batch(0, (frame,)))
        self.streams.publish(self.store, applied.first_revision, applied.last_revision)

    def pump(self) -> None:
        while self.streams.can_move(self.store):
            self.streams.pump(self.store)

    def events(self, route: bytes) -> list[tuple[int, int, bytes]]:
        """(watch, revision, key) of every event sent to a route, forgetting them."""
        return [
            (watch, event.kv.mod_revision, event.kv.key)
            for frame in self.clients.take(route)
            if isinstance(frame, WatchEvents)
            for watch in frame.watches
            for event in frame.events
        ]


def test_a_watch_from_now_sees_what_comes_and_not_what_was() -> None:
    world = _World()
    world.write(Put(b"k", b"old"))
    world.watch(_A, WatchCreate(1, b"k"))
    assert world.clients.take(_A) == [WatchCreated(1, 2)]
    world.write(Put(b"k", b"new"), Put(b"other"))
    assert world.events(_A) == [(1, 3, b"k")]


def test_all_watches_of_a_client_with_one_wish_share_one_frame() -> None:
    world = _World()
    for watch in (1, 2, 3):
        world.watch(_A, WatchCreate(watch, b"k", b"l"))
    world.clients.take(_A)
    world.write(Put(b"k1"), Put(b"k2"))
    frames = world.clients.take(_A)
    assert len(frames) == 1
    assert isinstance(frames[0], WatchEvents)
    assert frames[0].watches == (1, 2, 3)
    assert [event.kv.key for event in frames[0].events] == [b"k1", b"k2"]


def test_a_watch_from_the_past_catches_up_and_then_goes_live_without_gap_or_repeat() -> None:
    world = _World(watch_batch_revisions_max=2)
    for number in range(5):
        world.write(Put(b"k%d" % number))
    world.watch(_A, WatchCreate(1, b"k", b"l", start_revision=3))
    world.write(Put(b"k5"))
    world.pump()
    world.write(Put(b"k6"))
    assert [revision for _, revision, _ in world.events(_A)] == [3, 4, 5, 6, 7, 8]


def test_a_watch_from_the_future_waits_for_its_revision_even_inside_an_entry() -> None:
    world = _World()
    world.watch(_A, WatchCreate(1, b"k", b"l", start_revision=4))
    world.write(Put(b"k2"))
    world.pump()
    world.write(Put(b"k3"), Put(b"k4"), Put(b"k5"))
    world.pump()
    assert [revision for _, revision, _ in world.events(_A)] == [4, 5]


def test_a_client_that_does_not_consume_lags_and_loses_nothing() -> None:
    world = _World(watch_window_bytes=600, watch_batch_bytes_max=200)
    world.watch(_A, WatchCreate(1, b"k", b"l"))
    world.watch(_B, WatchCreate(1, b"k", b"l"))
    seen: list[int] = []
    for number in range(30):
        world.write(Put(b"k%d" % number, b"x" * 100))
        world.streams.credit(_B, 10**9)
    assert len(world.events(_B)) == 30
    seen += [revision for _, revision, _ in world.events(_A)]
    assert len(seen) < 30
    assert not world.streams.can_move(world.store)  # no room: the loop may sleep
    for _ in range(60):
        world.streams.credit(_A, 10**9)
        world.streams.pump(world.store)
        seen += [revision for _, revision, _ in world.events(_A)]
    assert seen == list(range(2, 32))


def test_a_full_queue_makes_a_watch_lag_and_a_lost_connection_drops_it() -> None:
    world = _World()
    world.watch(_A, WatchCreate(1, b"k"))
    world.clients.results[_A] = SendResult.BUSY
    world.write(Put(b"k"))
    assert world.streams.can_move(world.store)
    world.clients.results[_A] = SendResult.SENT
    world.pump()
    assert [revision for _, revision, _ in world.events(_A)] == [2]
    world.clients.results[_A] = SendResult.GONE
    world.write(Put(b"k"))
    assert world.streams.count == 0


def test_a_laggard_behind_compaction_is_told_where_to_start_again() -> None:
    world = _World()
    for _ in range(5):
        world.write(Put(b"k"))
    world.write(Compact(5))
    world.watch(_A, WatchCreate(7, b"k", start_revision=2))
    world.pump()
    assert world.clients.take(_A)[-1] == WatchCanceled(7, 5, ErrorCode.COMPACTED)
    assert world.streams.count == 0


def test_filters_and_previous_values_are_as_asked() -> None:
    world = _World()
    world.watch(_A, WatchCreate(1, b"k", no_put=True, prev_kv=True))
    world.clients.take(_A)
    world.write(Put(b"k", b"v"))
    assert world.clients.take(_A) == []
    world.write(DeleteRange(b"k"))
    (frame,) = world.clients.take(_A)
    assert isinstance(frame, WatchEvents)
    previous = frame.events[0].prev_kv
    assert previous is not None
    assert previous.value == b"v"


def test_the_same_number_again_starts_the_watch_anew() -> None:
    world = _World()
    world.watch(_A, WatchCreate(1, b"k"))
    world.watch(_A, WatchCreate(1, b"k"))
    assert world.streams.count == 1
    world.write(Put(b"k"))
    assert len(world.events(_A)) == 1


def test_an_inverted_range_and_too_many_watches_are_refused_by_name() -> None:
    world = _World(watches_per_client_max=1)
    world.watch(_A, WatchCreate(1, b"k", b"a"))
    world.watch(_A, WatchCreate(2, b"k"))
    world.watch(_A, WatchCreate(3, b"k"))
    codes = [f.code for f in world.clients.take(_A) if isinstance(f, WatchCanceled)]
    assert codes == [ErrorCode.INVALID_OPTION, ErrorCode.TOO_MANY_WATCHES]


def test_a_replaced_store_makes_live_watches_catch_up_from_where_they_were() -> None:
    world = _World()
    world.write(Put(b"k"))
    world.watch(_A, WatchCreate(1, b"k"))
    newer = _World()
    for _ in range(4):
        newer.write(Put(b"k"))
    world.streams.all_fall_behind(world.store.revision)
    world.store = newer.store
    world.pump()
    assert [revision for _, revision, _ in world.events(_A)] == [3, 4, 5]


def test_a_silent_client_is_let_go_with_notice_and_a_heard_one_stays() -> None:
    world = _World(watch_silence_ms=100)
    world.watch(_A, WatchCreate(1, b"k"))
    world.watch(_B, WatchCreate(1, b"k"))
    world.streams.heard(_B, 90.0)
    world.streams.let_go_silent(150.0)
    assert world.streams.count == 1
    canceled = world.clients.take(_A)[-1]
    assert isinstance(canceled, WatchCanceled)
    assert canceled.code == ErrorCode.TIMED_OUT


def test_a_silent_client_whose_queue_is_full_gets_its_notice_once_there_is_room() -> None:
    world = _World(watch_silence_ms=100)
    world.watch(_A, WatchCreate(1, b"k"))
    world.clients.take(_A)
    world.clients.results[_A] = SendResult.BUSY
    world.streams.let_go_silent(150.0)
    assert world.clients.take(_A) == []
    del world.clients.results[_A]
    world.pump()
    (canceled,) = world.clients.take(_A)
    assert isinstance(canceled, WatchCanceled)
    assert (canceled.watch, canceled.code) == (1, ErrorCode.TIMED_OUT)


def test_progress_is_told_to_live_watches_that_asked_for_it() -> None:
    world = _World(watch_progress_ms=50)
    world.watch(_A, WatchCreate(1, b"k", progress=True))
    world.watch(_A, WatchCreate(2, b"k"))
    world.write(Put(b"other"))
    world.clients.take(_A)
    world.streams.tell_progress(world.store, 60.0)
    world.streams.tell_progress(world.store, 70.0)
    assert world.clients.take(_A) == [WatchProgress((1,), 2)]


def test_an_entry_that_compacts_its_own_revisions_ends_watches_with_notice() -> None:
    world = _World()
    world.watch(_A, WatchCreate(1, b"k"))
    world.write(Put(b"k", b"1"), Put(b"k", b"2"), Put(b"k", b"3"), Compact(4))
    world.pump()
    canceled = [f for f in world.clients.take(_A) if isinstance(f, WatchCanceled)]
    assert [(f.code, f.compact_revision) for f in canceled] == [(ErrorCode.COMPACTED, 4)]


def test_a_notice_of_compaction_that_finds_no_room_is_told_later() -> None:
    world = _World()
    for number in range(5):
        world.write(Put(b"k", b"%d" % number))
    world.watch(_A, WatchCreate(1, b"k", start_revision=2))
    world.clients.take(_A)
    world.write(Compact(5))
    world.clients.results[_A] = SendResult.BUSY
    world.streams.pump(world.store)
    assert world.clients.take(_A) == []
    assert world.streams.can_move(world.store)
    del world.clients.results[_A]
    world.streams.pump(world.store)
    (canceled,) = world.clients.take(_A)
    assert isinstance(canceled, WatchCanceled)
    assert not world.streams.can_move(world.store)


_MANY = 40


def _large_world() -> _World:
    """Forty keys, and frames that hold only a few of them with their previous values."""
    world = _World(watch_frame_bytes_max=4000, watch_batch_bytes_max=1000, watch_window_bytes=3000)
    for number in range(_MANY):
        world.write(Put(b"k%02d" % number, b"x" * 300))
    return world


def _pieces(world: _World, route: bytes) -> list[WatchEvents]:
    return [frame for frame in world.clients.take(route) if isinstance(frame, WatchEvents)]


def test_a_revision_too_large_for_a_frame_comes_in_pieces_whatever_the_window_holds() -> None:
    world = _large_world()
    world.watch(_A, WatchCreate(1, b"k", b"l", prev_kv=True))
    world.write(DeleteRange(b"k", b"l"))
    assert _pieces(world, _A) == []  # not live any more: it catches up
    world.pump()
    pieces = _pieces(world, _A)
    assert len(pieces) > 5
    assert [piece.more for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert {piece.revision for piece in pieces} == {_MANY + 2}
    keys = [event.kv.key for piece in pieces for event in piece.events]
    assert keys == [b"k%02d" % number for number in range(_MANY)]
    world.streams.credit(_A, 10**9)
    world.pump()
    world.write(Put(b"k"))
    assert world.events(_A) == [(1, _MANY + 3, b"k")]  # live again


def test_a_client_that_takes_only_some_pieces_is_told_to_watch_anew() -> None:
    world = _large_world()
    world.watch(_A, WatchCreate(1, b"k", b"l", prev_kv=True))
    world.write(DeleteRange(b"k", b"l"))
    send = world.clients.send
    room = iter([SendResult.SENT] * 2 + [SendResult.BUSY] * 2)

    def send_few(route: bytes, payload: bytes) -> SendResult:
        world.clients.results[_A] = next(room, SendResult.SENT)
        return send(route, payload)

    world.clients.send = send_few  # type: ignore[method-assign]
    world.pump()
    told = world.clients.take(_A)
    assert [type(frame) for frame in told[-3:]] == [WatchEvents, WatchEvents, WatchCanceled]
    canceled = told[-1]
    assert isinstance(canceled, WatchCanceled)
    assert (canceled.code, canceled.compact_revision) == (ErrorCode.TOO_MANY_REQUESTS, 0)
    assert world.streams.count == 0


def test_a_revision_of_many_small_events_stays_in_one_frame() -> None:
    world = _large_world()
    world.watch(_A, WatchCreate(1, b"k", b"l"))
    world.write(Txn(success=tuple(Put(b"k%02d" % number) for number in range(_MANY))))
    assert [len(frame.events) for frame in _pieces(world, _A)] == [_MANY]


def test_many_watches_from_long_ago_share_the_history_that_one_turn_reads() -> None:
    world = _World(watch_batch_revisions_max=10)
    for number in range(20):
        world.write(Put(b"k%d" % number))
    for watch in range(50):
        world.watch(_A, WatchCreate(watch, b"k", b"l", start_revision=2))
    world.watch(_B, WatchCreate(99, b"k", b"l", start_revision=21))
    world.streams.pump(world.store)
    seen = world.events(_A)
    assert 0 < len(seen) <= 20
    assert world.streams.can_move(world.store)
    for _ in range(200):
        world.streams.credit(_A, 10**9)
        world.streams.pump(world.store)
        seen += world.events(_A)
    assert world.events(_B) == [(99, 21, b"k19")]
    assert not world.streams.can_move(world.store)
    for watch in range(50):
        assert [revision for of, revision, _ in seen if of == watch] == list(range(2, 22))


def test_watches_that_cannot_be_told_now_do_not_use_up_the_turns_of_others() -> None:
    world = _World(watch_batch_revisions_max=2)
    world.write(Put(b"k"))
    for watch in range(10):
        world.watch(_A, WatchCreate(watch, b"k", start_revision=2))
    world.watch(_B, WatchCreate(1, b"k", start_revision=2))
    world.clients.results[_A] = SendResult.BUSY
    for _ in range(20):
        world.streams.pump(world.store)
    assert world.events(_B) == [(1, 2, b"k")]
