"""The four bytes before every message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.framing import (
    CLIENT_HEADER,
    HEADER_BYTES,
    PEER_HEADER,
    Channel,
    FramingError,
    find_fault,
    frame,
    unframe,
)


@given(st.binary(max_size=100), st.sampled_from(Channel))
def test_what_is_framed_comes_back_the_same(payload: bytes, channel: Channel) -> None:
    assert unframe(frame(payload, channel, 100), channel, 100) == payload


@given(st.binary(max_size=30))
def test_bytes_without_the_header_are_refused_with_a_reason(noise: bytes) -> None:
    for channel, header in ((Channel.PEER, PEER_HEADER), (Channel.CLIENT, CLIENT_HEADER)):
        assert (find_fault(noise, channel, 100) == "") == noise.startswith(header)


def test_the_header_is_four_bytes_that_never_change() -> None:
    assert (PEER_HEADER, CLIENT_HEADER) == (b"CO\x01\x01", b"CO\x01\x02")
    assert len(PEER_HEADER) == HEADER_BYTES


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "message of 0 bytes is shorter than its header of 4"),
        (b"CO\x01", "message of 3 bytes is shorter than its header of 4"),
        (b"GET / HTTP/1.1", "not a message of this protocol: starts with b'GET '"),
        (b"CO\x02\x02x", "framing version 2; this build speaks 1"),
        (b"CO\x01\x01x", "message of channel peer on a client connection"),
        (b"CO\x01\x09x", "message of unknown channel 9 on a client connection"),
        (CLIENT_HEADER + b"x" * 11, "message of 11 bytes is larger than 10"),
    ],
)
def test_each_fault_is_named(message: bytes, reason: str) -> None:
    with pytest.raises(FramingError) as raised:
        unframe(message, Channel.CLIENT, 10)
    assert str(raised.value) == reason


def test_size_is_looked_at_before_anything_else() -> None:
    assert find_fault(b"?" * 50, Channel.PEER, 10) == "message of 46 bytes is larger than 10"


def test_a_payload_too_large_is_not_framed() -> None:
    with pytest.raises(FramingError, match="11 bytes is larger than 10"):
        frame(b"x" * 11, Channel.PEER, 10)
