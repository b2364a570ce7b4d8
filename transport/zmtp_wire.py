"""ZMTP 3.1 with the NULL mechanism, pure: bytes in, messages and commands out.

The wire protocol of ZeroMQ (rfc.zeromq.org/spec/37). Both sides send a greeting of 64 bytes and
then a READY command that names their socket type; after that come frames: messages, heart-beats.
A message longer than its reader takes is read over and told, one far longer ends the connection
before any of it is read. Nothing here knows a socket or a clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from transport.base import TransportError

_SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
_MAJOR, _MINOR = 3, 1
_MECHANISM = b"NULL".ljust(20, b"\0")
GREETING = _SIGNATURE + bytes((_MAJOR, _MINOR)) + _MECHANISM + bytes(32)
"""What each side sends first: signature, version, mechanism, and what NULL leaves empty."""

_MORE, _LONG, _COMMAND = 1, 2, 4
_SHORT_BYTES_MAX = 255
_LONG_HEAD_BYTES = 9
_COMMAND_BYTES_MAX = 4096
_PING_CONTEXT_BYTES_MAX = 16
_TTL_UNIT_MS = 100
_TTL_MAX = 0xFFFF
_CRUMBS_MIN = 64
_CRUMB_BYTES = 512


class ZmtpError(TransportError):
    """The other side broke the protocol, or never spoke it; the text says how."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The handshake is done."""

    socket_type: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life, to be answered by pong(context)."""

    ttl_ms: int
    """After so long without another sign the sender counts as gone; 0: it does not say."""
    context: bytes


@dataclass(frozen=True, slots=True)
class Unfit:
    """A message that was read over: too large, or of several parts."""

    size_bytes: int
    parts: int


Event: TypeAlias = bytes | Ready | Ping | Unfit
"""What feed() finds; bytes are the one part of a message."""


def message_head(size_bytes: int) -> bytes:
    """Return what goes before a message of one part."""
    if size_bytes <= _SHORT_BYTES_MAX:
        return bytes((0, size_bytes))
    return b"\x02" + size_bytes.to_bytes(8, "big")


def ready(socket_type: bytes) -> bytes:
    """Return the command that ends a handshake, from a socket of this type."""
    properties = b"\x0bSocket-Type" + len(socket_type).to_bytes(4, "big") + socket_type
    if socket_type in (b"DEALER", b"ROUTER"):
        properties += b"\x08Identity" + bytes(4)
    return _command(b"\x05READY" + properties)


def ping(ttl_ms: int) -> bytes:
    """Return a sign of life that asks for one back; the time to live is rounded up to 0.1 s."""
    ttl = min(-(-ttl_ms // _TTL_UNIT_MS), _TTL_MAX)
    return _command(b"\x04PING" + ttl.to_bytes(2, "big"))


def pong(context: bytes) -> bytes:
    """Return the answer to a ping of this context."""
    return _command(b"\x04PONG" + context)


def _command(body: bytes) -> bytes:
    return bytes((_COMMAND, len(body))) + body


class Decoder:
    """What one side reads of a connection."""

    __slots__ = (
        "_cut_bytes", "_expected", "_held", "_held_bytes", "_message_bytes_max", "_needed_bytes",
        "_parts", "_skip_bytes", "_stage", "_total_bytes",
    )  # fmt: skip

    def __init__(self, expected: frozenset[bytes], message_bytes_max: int) -> None:
        """Begin before the greeting.

        Args:
            expected: socket types of the other side that are welcome.
            message_bytes_max: larger messages are read over and told as Unfit; of one that is
                more than twice as large nothing is read.
        """
        self._expected = expected
        self._message_bytes_max = message_bytes_max
        self._cut_bytes = 2 * message_bytes_max
        self._held: list[bytes] = []  # the beginning of what is not complete
        self._held_bytes = 0
        self._needed_bytes = 0  # how much there must be for it to be worth looking again
        # Not a bound method: that would tie every decoder to itself, for the cyclic collector,
        # which hardly ever comes in a node.
        self._stage: Callable[[Decoder, bytes, list[Event]], bytes] = Decoder._greet
        self._skip_bytes = 0
        self._parts = 0  # of the message being read, when it is not of one part
        self._total_bytes = 0

    @property
    def held_bytes(self) -> int:
        """How much is kept of what is not complete."""
        return self._held_bytes if self._held else 0

    def feed(self, data: bytes) -> list[Event]:
        """Take what arrived and return what it completed, in order.

        Raises:
            ZmtpError: this connection is of no use any more. What was complete before is lost
                with it.
        """
        held = self._held
        if held:
            held.append(data)
            self._held_bytes += len(data)
            # Many small pieces take far more memory than what is in them: they are put together.
            crumbs_max = max(_CRUMBS_MIN, self._held_bytes // _CRUMB_BYTES)
            if self._held_bytes < self._needed_bytes and len(held) < crumbs_max:
                return []
            data = b"".join(held)
            held.clear()
        found: list[Event] = []
        self._needed_bytes = 0
        rest = self._stage(self, data, found)
        if rest:
            held.append(rest)
            self._held_bytes = len(rest)
        return found

    # --- the handshake ----------------------------------------------------------------------

    def _greet(self, data: bytes, found: list[Event]) -> bytes:
        if not _SIGNATURE.startswith(data[:1]) or (len(data) > 9 and data[9] & 1 == 0):
            raise ZmtpError("spoke another protocol")
        if len(data) > 10 and data[10] < _MAJOR:
            raise ZmtpError(f"spoke version {data[10]} of the protocol; expected {_MAJOR}")
        if len(data) < len(GREETING):
            return data
        mechanism = data[12:32]
        if mechanism != _MECHANISM:
            name = mechanism.rstrip(b"\0")
            raise ZmtpError(f"spoke the protocol with security mechanism {name!r}; expected none")
        self._stage = Decoder._shake
        return self._shake(data[len(GREETING) :], found)

    def _shake(self, data: bytes, found: list[Event]) -> bytes:
        if len(data) < 2 or (data[0] == _COMMAND | _LONG and len(data) < _LONG_HEAD_BYTES):
            return data
        if data[0] & ~_LONG != _COMMAND:
            raise ZmtpError("sent something else than READY first")
        start, end = _extent(data, 0)
        if end - start > _COMMAND_BYTES_MAX:
            raise ZmtpError(f"sent a command of {end - start} bytes; at most {_COMMAND_BYTES_MAX}")
        if len(data) < end:
            return data
        socket_type = _socket_type(data[start:end])
        if socket_type not in self._expected:
            welcome = ", ".join(sorted(one.decode() for one in self._expected))
            raise ZmtpError(f"is a ZeroMQ socket of type {socket_type[:16]!r}; expected {welcome}")
        found.append(Ready(socket_type))
        self._stage = Decoder._frames
        return self._frames(data[end:], found)

    # --- traffic ----------------------------------------------------------------------------

    def _frames(self, data: bytes, found: list[Event]) -> bytes:
        position, size_bytes = 0, len(data)
        if self._skip_bytes:
            position = min(self._skip_bytes, size_bytes)
            self._skip_bytes -= position
        while size_bytes - position >= 2:
            flags = data[position]
            if flags == 0:
                start = position + 2
                end = start + data[position + 1]
            else:
                if flags & _LONG and size_bytes - position < _LONG_HEAD_BYTES:
                    break
                start, end = _extent(data, position)
            if flags & ~_LONG or self._parts or end - start > self._message_bytes_max:
                if end > size_bytes and flags & _COMMAND and end - start <= _COMMAND_BYTES_MAX:
                    break
                self._rare(flags, end - start, data[start:end] if flags & _COMMAND else b"", found)
                position = end
                if end > size_bytes:
                    self._skip_bytes = end - size_bytes
                    return b""
                continue
            if end > size_bytes:
                self._needed_bytes = end - position
                break
            found.append(data[start:end])
            position = end
        return data[position:]

    def _rare(self, flags: int, size_bytes: int, body: bytes, found: list[Event]) -> None:
        """Take a frame that is not a message of one part."""
        if flags & ~(_MORE | _LONG | _COMMAND):
            raise ZmtpError(f"sent a frame with unknown flags {flags:#x}")
        if flags & _COMMAND:
            if flags & _MORE or size_bytes > _COMMAND_BYTES_MAX:
                raise ZmtpError(f"sent a command of {size_bytes} bytes or several parts")
            if body.startswith(b"\x04PING"):
                found.append(_ping(body))
            return  # commands that are not known are passed over, as the protocol asks
        self._parts += 1
        self._total_bytes += size_bytes
        if self._total_bytes > self._cut_bytes:
            raise ZmtpError(
                f"sent a message of {self._total_bytes} bytes or more; "
                f"at most {self._message_bytes_max}"
            )
        if not flags & _MORE:
            found.append(Unfit(self._total_bytes, self._parts))
            self._parts = self._total_bytes = 0


def _extent(data: bytes, position: int) -> tuple[int, int]:
    """Return where the body of the frame at `position` begins and ends."""
    if data[position] & _LONG:
        start = position + _LONG_HEAD_BYTES
        return start, start + int.from_bytes(data[position + 1 : start], "big")
    return position + 2, position + 2 + data[position + 1]


def _socket_type(body: bytes) -> bytes:
    """Return what READY says the other side is."""
    if body.startswith(b"\x05ERROR"):
        raise ZmtpError(f"refused the connection: {body[7:71]!r}")
    if not body.startswith(b"\x05READY"):
        raise ZmtpError("sent something else than READY first")
    position = 6
    while position < len(body):
        name_end = position + 1 + body[position]
        value_start = name_end + 4
        value_end = value_start + int.from_bytes(body[name_end:value_start], "big")
        if value_end > len(body) or value_start > len(body):
            raise ZmtpError("sent a READY that is cut off")
        if body[position + 1 : name_end].lower() == b"socket-type":
            return body[value_start:value_end]
        position = value_end
    raise ZmtpError("sent a READY without a socket type")


def _ping(body: bytes) -> Ping:
    context = body[7:]
    if len(body) < 7 or len(context) > _PING_CONTEXT_BYTES_MAX:
        raise ZmtpError(f"sent a PING of {len(body)} bytes")
    return Ping(int.from_bytes(body[5:7], "big") * _TTL_UNIT_MS, context)
