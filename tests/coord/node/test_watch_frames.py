"""Tests of frames of watch events."""

from coord.codec import node_frames
from coord.frames import WatchEvents
from coord.model import Cause, Event, EventKind, KeyValue
from coord.node.watch_frames import cut_events, encode_events, encode_frame, events_bytes


def _event(number: int, size_bytes: int = 100) -> Event:
    kv = KeyValue(b"k%04d" % number, b"v" * size_bytes, number + 2, number + 2, 1)
    return Event(EventKind.PUT, Cause.WRITTEN, kv, kv)


def test_a_frame_with_events_encoded_before_is_a_frame_like_any_other() -> None:
    events = (_event(1), _event(2))
    payload = encode_frame((3, 4), 9, True, encode_events(events))
    assert node_frames.decode(payload) == WatchEvents((3, 4), 9, True, events)


def test_events_are_about_as_large_as_their_encoding() -> None:
    events = [_event(number) for number in range(100)]
    encoded_bytes = len(bytes(encode_events(events)))
    assert 0.8 * encoded_bytes < events_bytes(events) < 1.2 * encoded_bytes


def test_pieces_hold_every_event_once_in_order_and_say_whether_more_follow() -> None:
    events = [_event(number) for number in range(10)]
    pieces = list(cut_events(events, events_bytes(events[:3])))
    assert [event for piece, _ in pieces for event in piece] == events
    assert [len(piece) for piece, _ in pieces] == [3, 3, 3, 1]
    assert [more for _, more in pieces] == [True, True, True, False]


def test_one_event_larger_than_a_piece_travels_alone() -> None:
    events = [_event(1), _event(2, 5000), _event(3)]
    assert [len(piece) for piece, _ in cut_events(events, 1)] == [1, 1, 1]
