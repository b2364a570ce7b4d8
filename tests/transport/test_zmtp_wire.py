"""The codec of ZeroMQ's wire protocol: every rule of the protocol, and any bytes at all."""

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import cycle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transport.zmtp_wire import (
    GREETING,
    Decoder,
    Event,
    Ping,
    Ready,
    Unfit,
    ZmtpError,
    message_head,
    ping,
    pong,
    ready,
)

MORE, LONG, COMMAND = 1, 2, 4
LIMIT_BYTES = 300
COMMAND_BYTES_MAX = 4096
SIGNATURE = b"\xff\0\0\0\0\0\0\0\x01\x7f"
HELLO = GREETING + b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH"
SLACK_BYTES = 4096  # what measuring memory cannot tell from the decoder's own few objects


def frame(flags: int, body: bytes) -> bytes:
    """Return a frame as the specification writes it; long if flagged so or too large for short."""
    if flags & LONG or len(body) > 255:
        return bytes((flags | LONG,)) + len(body).to_bytes(8, "big") + body
    return bytes((flags, len(body))) + body


def command(name: bytes, body: bytes = b"") -> bytes:
    return frame(COMMAND, bytes((len(name),)) + name + body)


def shake(body: bytes) -> bytes:
    """Return a greeting and a READY with these properties."""
    return GREETING + command(b"READY", body)


def new_decoder(limit_bytes: int = LIMIT_BYTES) -> Decoder:
    return Decoder(frozenset((b"PUSH", b"DEALER")), limit_bytes)


def ready_decoder(limit_bytes: int = LIMIT_BYTES) -> Decoder:
    decoder = new_decoder(limit_bytes)
    assert decoder.feed(HELLO) == [Ready(b"PUSH")]
    return decoder


def read(pieces: Iterable[bytes]) -> tuple[list[Event], str]:
    """Return what a new decoder finds, and the text of the error that ended it if one did."""
    decoder, found = new_decoder(), list[Event]()
    try:
        for piece in pieces:
            found += decoder.feed(piece)
    except ZmtpError as error:
        return found, str(error)
    return found, ""


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut data into pieces of these sizes."""
    start = 0
    for size in sizes:
        if start >= len(data):
            return
        yield data[start : start + size]
        start += size


@contextmanager
def measured() -> Iterator[Callable[[], int]]:
    """Give what tells how many bytes more are held than at the beginning."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield lambda: tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()


# --- what is sent -----------------------------------------------------------------------------


def test_what_is_sent_is_what_the_specification_says() -> None:
    greeting = GREETING
    assert greeting == b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(16) + b"\0" + bytes(31)
    assert ready(b"PULL") == b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL"
    identity = b"\x08Identity\0\0\0\0"
    assert ready(b"ROUTER") == b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06ROUTER" + identity
    assert ready(b"DEALER").endswith(b"DEALER" + identity)
    assert pong(b"context") == b"\x04\x0c\x04PONGcontext"


@pytest.mark.parametrize(
    ("size_bytes", "head"),
    [
        (0, b"\0\0"),
        (255, b"\0\xff"),
        (256, b"\x02\0\0\0\0\0\0\x01\0"),
        (65536, b"\x02\0\0\0\0\0\x01\0\0"),
        (2**40, b"\x02\0\0\x01\0\0\0\0\0"),
    ],
)
def test_a_head_is_short_up_to_255_bytes_and_long_from_256(size_bytes: int, head: bytes) -> None:
    assert message_head(size_bytes) == head


@pytest.mark.parametrize(
    ("ttl_ms", "units"), [(0, 0), (1, 1), (100, 1), (101, 2), (2500, 25), (10**9, 0xFFFF)]
)
def test_a_time_to_live_is_rounded_up_to_tenths_of_a_second(ttl_ms: int, units: int) -> None:
    assert ping(ttl_ms) == b"\x04\x07\x04PING" + units.to_bytes(2, "big")


# --- the handshake ----------------------------------------------------------------------------


def test_a_handshake_byte_by_byte_is_ready_with_its_last_byte() -> None:
    decoder = new_decoder()
    for at in range(len(HELLO) - 1):
        assert decoder.feed(b"") == []
        assert decoder.feed(HELLO[at : at + 1]) == []
    assert decoder.feed(HELLO[-1:]) == [Ready(b"PUSH")]


@pytest.mark.parametrize("version", [(3, 0), (3, 1), (3, 200), (4, 0)])
def test_a_later_version_is_let_in(version: tuple[int, int]) -> None:
    greeting = SIGNATURE + bytes(version) + GREETING[12:]
    assert new_decoder().feed(greeting + ready(b"DEALER")) == [Ready(b"DEALER")]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_an_earlier_version_is_told_by_its_number(version: int) -> None:
    decoder = new_decoder()
    assert decoder.feed(SIGNATURE) == []
    # It would say no more before it is answered in its own version.
    with pytest.raises(ZmtpError, match=f"spoke version {version} of the protocol; expected 3"):
        decoder.feed(bytes((version,)))


@pytest.mark.parametrize(
    "data",
    [
        b"\x01\0",  # version 1, no identity
        b"\xff\0\0\0\0\0\0\0\x0a\0",  # version 1, an identity with a long head
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\0",
    ],
)
def test_another_protocol_is_told_as_soon_as_it_shows(data: bytes) -> None:
    assert read([data]) == read(cut(data, cycle((1,)))) == ([], "spoke another protocol")


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"CURVE", b"NULLS", b"null", b""])
def test_another_mechanism_is_told_by_its_name(mechanism: bytes) -> None:
    greeting = SIGNATURE + b"\x03\x01" + mechanism.ljust(20, b"\0") + bytes(32)
    with pytest.raises(ZmtpError, match=f"mechanism {mechanism!r}; expected none"):
        new_decoder().feed(greeting)


@pytest.mark.parametrize(
    "properties",
    [
        b"\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02id",
        b"\x08Identity\0\0\0\0\x0bsocket-TYPE\0\0\0\x06DEALER",
        b"\x03X-a\0\0\x01\0" + bytes(256) + b"\x0bSocket-Type\0\0\0\x06DEALER",
    ],
)
def test_other_properties_of_ready_are_passed_over(properties: bytes) -> None:
    assert new_decoder().feed(shake(properties)) == [Ready(b"DEALER")]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        (b"", "a READY without a socket type"),
        (b"\x08Identity\0\0\0\0", "a READY without a socket type"),
        (b"\x0bSocket-Type\0\0\0\x06PUSH", "a READY that is cut off"),
        (b"\x0bSocket-Type\0\0\0", "a READY that is cut off"),
        (b"\x0bSocket-Ty", "a READY that is cut off"),
        (b"\x08Identity\xff\xff\xff\xff\x0bSocket-Type\0\0\0\x04PUSH", "a READY that is cut off"),
        (b"\x0bSocket-Type\0\0\0\x03SUB", "of type b'SUB'; expected DEALER, PUSH"),
        (b"\x0bSocket-Type\0\0\0\0", "of type b''; expected DEALER, PUSH"),
    ],
)
def test_a_ready_that_does_not_do_is_told_with_its_fault(properties: bytes, reason: str) -> None:
    with pytest.raises(ZmtpError, match=reason):
        new_decoder().feed(shake(properties))


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (command(b"ERROR", b"\x07go away"), "refused the connection: b'go away'"),
        (command(b"ERROR"), "refused the connection: b''"),
        (command(b"HELLO"), "something else than READY first"),
        (frame(COMMAND, b""), "something else than READY first"),
        (frame(0, b"\x05READY"), "something else than READY first"),
        (frame(COMMAND | MORE, b"\x05READY"), "something else than READY first"),
        (b"\x06" + (COMMAND_BYTES_MAX + 1).to_bytes(8, "big"), "command of 4097 bytes"),
    ],
)
def test_only_ready_comes_first(first: bytes, reason: str) -> None:
    with pytest.raises(ZmtpError, match=reason):
        new_decoder().feed(GREETING + first)


# --- traffic ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size_bytes", [0, 1, 255, 256, 65536])
@pytest.mark.parametrize("flags", [0, LONG])
def test_a_message_arrives_with_its_last_byte(size_bytes: int, flags: int) -> None:
    body = (bytes(range(256)) * 257)[:size_bytes]
    data = frame(flags, body)
    decoder = ready_decoder(65536)
    for piece in cut(data[:-1], cycle((1, 2, 997))):
        assert decoder.feed(piece) == []
    assert decoder.feed(data[-1:] + frame(0, b"next")) == [body, b"next"]


def test_a_ping_tells_its_context_and_time_to_live() -> None:
    decoder = ready_decoder()
    assert decoder.feed(command(b"PING", b"\0\x03")) == [Ping(300, b"")]
    context = bytes(range(16))
    assert decoder.feed(command(b"PING", b"\xff\xff" + context)) == [Ping(6_553_500, context)]
    assert decoder.feed(frame(COMMAND | LONG, b"\x04PING\0\0a")) == [Ping(0, b"a")]


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\x01" + bytes(17)])
def test_a_ping_of_a_wrong_size_is_refused(body: bytes) -> None:
    with pytest.raises(ZmtpError, match=f"a PING of {5 + len(body)} bytes"):
        ready_decoder().feed(command(b"PING", body))


@pytest.mark.parametrize(
    "passed_over",
    [
        command(b"PONG"),
        command(b"PONG", b"context"),
        command(b"SUBSCRIBE", b"topic"),
        command(b"ping", b"\0\x01"),
        command(b"X", bytes(COMMAND_BYTES_MAX - 2)),
        frame(COMMAND, b""),
    ],
)
def test_other_commands_are_passed_over(passed_over: bytes) -> None:
    decoder = ready_decoder(4)  # as small as where nothing but commands comes back
    for at in range(len(passed_over)):
        assert decoder.feed(passed_over[at : at + 1]) == []
    assert decoder.feed(frame(0, b"next")) == [b"next"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x06" + (COMMAND_BYTES_MAX + 1).to_bytes(8, "big"),
        b"\x06" + b"\xff" * 8,
        frame(COMMAND | MORE, b"\x04PONG"),
    ],
)
def test_a_command_too_large_or_of_several_parts_is_refused(data: bytes) -> None:
    with pytest.raises(ZmtpError, match=r"a command of \d+ bytes or several parts"):
        ready_decoder().feed(data)


@pytest.mark.parametrize("flags", [8, 9, 0x10, 0x80, 0xF0])
def test_unknown_flags_are_refused(flags: int) -> None:
    with pytest.raises(ZmtpError, match=f"unknown flags {flags:#x}"):
        ready_decoder().feed(bytes((flags, 200)))


@pytest.mark.parametrize("sizes", [(0, 0), (0, 5), (5, 0, 7), (1,) * 100, (256, 44), (300, 300)])
def test_a_message_of_several_parts_is_told_once_with_their_number(sizes: tuple[int, ...]) -> None:
    *first, last = (bytes(size) for size in sizes)
    data = b"".join(frame(MORE, part) for part in first) + frame(0, last) + frame(0, b"next")
    told = [Unfit(sum(sizes), len(sizes)), b"next"]
    assert ready_decoder().feed(data + data) == told + told


def test_a_beat_between_two_parts_does_not_count_as_one() -> None:
    data = frame(MORE, b"a") + ping(100) + frame(0, b"b") + frame(0, b"next")
    assert ready_decoder().feed(data) == [Ping(100, b""), Unfit(2, 2), b"next"]


def test_parts_far_too_large_together_end_the_connection() -> None:
    decoder = ready_decoder()
    assert decoder.feed(frame(MORE, bytes(2 * LIMIT_BYTES))) == []
    with pytest.raises(ZmtpError, match="a message of 601 bytes or more; at most 300"):
        decoder.feed(b"\0\x01")


@pytest.mark.parametrize("size_bytes", [100_001, 200_000])
def test_a_message_too_large_is_read_over_and_not_held(size_bytes: int) -> None:
    decoder, found = ready_decoder(100_000), list[Event]()
    data = frame(0, bytes(100_000)) + frame(0, bytes(size_bytes)) + frame(0, b"next")
    too_large = data[100_009:]
    assert decoder.feed(data[:100_009]) == [bytes(100_000)]
    with measured() as held:
        for piece in cut(too_large, cycle((1, 1000))):
            found += decoder.feed(piece)
            assert held() < SLACK_BYTES
    assert found == [Unfit(size_bytes, 1), b"next"]


@pytest.mark.parametrize("size_bytes", [2 * LIMIT_BYTES + 1, 2**32, 2**64 - 1])
@pytest.mark.parametrize("flags", [LONG, LONG | MORE])
def test_of_a_message_far_too_large_nothing_is_read(size_bytes: int, flags: int) -> None:
    decoder = ready_decoder()
    head = bytes((flags,)) + size_bytes.to_bytes(8, "big")
    assert decoder.feed(head[:-1]) == []
    with pytest.raises(ZmtpError, match=f"a message of {size_bytes} bytes or more; at most 300"):
        decoder.feed(head[-1:])


@pytest.mark.parametrize("piece_bytes", [1, 2, 100, 5000])
def test_a_message_in_tiny_pieces_takes_little_more_than_its_size(piece_bytes: int) -> None:
    size_bytes = 60_000
    decoder, found = ready_decoder(size_bytes), list[Event]()
    data = frame(0, bytes(size_bytes))
    with measured() as held:
        for piece in cut(data[:-1], cycle((piece_bytes,))):
            found += decoder.feed(piece)
        assert held() < 1.25 * size_bytes + SLACK_BYTES
    assert found == []
    assert decoder.feed(data[-1:]) == [bytes(size_bytes)]


# --- any bytes --------------------------------------------------------------------------------

SIZES = st.integers(0, 40) | st.sampled_from((254, 255, 256, 299, 300, 301, 600))
BODIES = st.builds(lambda size, fill: bytes((fill,)) * size, SIZES, st.integers(0, 255))
FRAMES = st.one_of(
    st.builds(frame, st.sampled_from((0, LONG)), BODIES),
    st.builds(frame, st.sampled_from((MORE, MORE | LONG)), st.binary(max_size=20)),
    st.builds(frame, st.sampled_from((COMMAND, COMMAND | LONG)), BODIES),
    st.builds(command, st.just(b"PING"), st.binary(min_size=2, max_size=18)),
    st.builds(command, st.sampled_from((b"PONG", b"X")), st.binary(max_size=300)),
)
TRAFFIC = st.lists(FRAMES, max_size=12).map(b"".join)
STREAMS = st.one_of(
    TRAFFIC.map(lambda data: HELLO + data),
    st.builds(lambda data, noise: HELLO + data + noise, TRAFFIC, st.binary(max_size=20)),
    st.builds(lambda noise: GREETING + noise, st.binary(max_size=60)),
    st.builds(lambda at, noise: HELLO[:at] + noise, st.integers(0, len(HELLO)), st.binary()),
)
CUTS = st.lists(st.integers(1, 9) | st.integers(10, 700), min_size=1, max_size=8)


@given(data=STREAMS, sizes=CUTS)
@example(data=HELLO + frame(0, bytes(256)) + frame(0, b"next"), sizes=[9, 64])
def test_any_pieces_give_what_the_whole_gives(data: bytes, sizes: list[int]) -> None:
    found, fault = read([data])
    in_pieces, fault_in_pieces = read(cut(data, cycle(sizes)))
    by_bytes, fault_by_bytes = read(cut(data, cycle((1,))))
    assert fault == fault_in_pieces == fault_by_bytes
    # What came with the fault in one piece is lost with it.
    assert in_pieces == by_bytes[: len(in_pieces)]
    if not fault:
        assert found == in_pieces == by_bytes


@given(data=STREAMS | st.binary(max_size=500), sizes=CUTS)
def test_any_bytes_give_events_or_the_one_error_and_little_is_held(
    data: bytes, sizes: list[int]
) -> None:
    data += bytes(COMMAND_BYTES_MAX)  # a long command is what may be held most of
    decoder = new_decoder()
    with measured() as held:
        for piece in cut(data, cycle(sizes)):
            try:
                for event in decoder.feed(piece):
                    assert isinstance(event, bytes | Ready | Ping | Unfit)
            except ZmtpError:
                return
            assert held() < COMMAND_BYTES_MAX + 700 + SLACK_BYTES


@given(messages=st.lists(BODIES.filter(lambda body: len(body) <= LIMIT_BYTES)), sizes=CUTS)
@pytest.mark.parametrize("kind", [b"PUSH", b"DEALER"])
def test_what_is_encoded_is_decoded(kind: bytes, messages: list[bytes], sizes: list[int]) -> None:
    sent = [GREETING, ready(kind), pong(b"context")]
    for body in messages:
        sent += [message_head(len(body)), body, ping(100 * len(body))]
    expected: list[Event] = [Ready(kind)]
    for body in messages:
        expected += [body, Ping(100 * len(body), b"")]
    assert read(cut(b"".join(sent), cycle(sizes))) == (expected, "")
