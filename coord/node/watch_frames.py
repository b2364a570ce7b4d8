"""Frames of watch events: how large they are, how they are cut, and encoding them only once."""

from collections.abc import Iterator, Sequence

import msgspec

from coord.frames import WatchEvents
from coord.model import Event

_EVENT_BYTES = 64  # of an event beside its keys and values

_encoder = msgspec.msgpack.Encoder()


class _EncodedEvents(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """A WatchEvents frame whose events are already encoded."""

    watches: tuple[int, ...]
    revision: int
    more: bool
    events: msgspec.Raw


assert _EncodedEvents.__struct_config__.tag == WatchEvents.__struct_config__.tag


def encode_events(events: Sequence[Event]) -> msgspec.Raw:
    """Encode events, for any number of frames that shall hold them."""
    return msgspec.Raw(_encoder.encode(events))


def encode_frame(watches: tuple[int, ...], revision: int, more: bool, events: msgspec.Raw) -> bytes:
    """Return the bytes of a WatchEvents frame."""
    return _encoder.encode(_EncodedEvents(watches, revision, more, events))


def events_bytes(events: Sequence[Event]) -> int:
    """Return about how many bytes events take in a frame."""
    size_bytes = _EVENT_BYTES * len(events)
    for event in events:
        size_bytes += len(event.kv.key) + len(event.kv.value)
        if event.prev_kv is not None:
            size_bytes += len(event.prev_kv.key) + len(event.prev_kv.value)
    return size_bytes


def cut_events(events: Sequence[Event], size_bytes_max: int) -> Iterator[tuple[list[Event], bool]]:
    """Cut events into pieces of about a size, each larger by one event at most.

    Yields:
        Each piece, and whether more follow.
    """
    piece: list[Event] = []
    left_bytes = size_bytes_max
    for event in events:
        if piece and left_bytes <= 0:
            yield piece, True
            piece, left_bytes = [], size_bytes_max
        piece.append(event)
        left_bytes -= events_bytes((event,))
    yield piece, False
