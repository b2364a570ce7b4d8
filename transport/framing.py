"""Four bytes before every message, so that a stranger's bytes are never decoded.

    byte 0-1  b"CO"
    byte 2    version of this framing, 1
    byte 3    channel: 1 between peers, 2 between a client and a node

Pure. Says nothing about what a payload means. A message is refused for its size before any byte
of its payload is looked at.
"""

from enum import IntEnum

from transport.base import TransportError

MAGIC = b"CO"
VERSION = 1
HEADER_BYTES = 4


class Channel(IntEnum):
    """Who talks to whom: a client's message on a peer port (or back) is an error."""

    PEER = 1
    CLIENT = 2


class FramingError(TransportError):
    """Bytes that are not a message of this transport; the text says what was wrong."""


def header(channel: Channel) -> bytes:
    """Return the bytes every message of `channel` starts with."""
    return MAGIC + bytes((VERSION, channel))


PEER_HEADER = header(Channel.PEER)
CLIENT_HEADER = header(Channel.CLIENT)


def frame(payload: bytes, channel: Channel, payload_bytes_max: int) -> bytes:
    """Return `payload` with its header.

    Raises:
        FramingError: the payload is larger than `payload_bytes_max`.
    """
    if len(payload) > payload_bytes_max:
        raise FramingError(size_fault(len(payload), payload_bytes_max))
    return header(channel) + payload


def unframe(message: bytes, channel: Channel, payload_bytes_max: int) -> bytes:
    """Return the payload of `message`.

    Raises:
        FramingError: too large, too short, another protocol, version or channel.
    """
    fault = find_fault(message, channel, payload_bytes_max)
    if fault:
        raise FramingError(fault)
    return message[HEADER_BYTES:]


def find_fault(message: bytes, channel: Channel, payload_bytes_max: int) -> str:
    """Say what keeps `message` from being one of `channel`; empty if nothing does."""
    size_bytes = len(message) - HEADER_BYTES
    if size_bytes > payload_bytes_max:
        return size_fault(size_bytes, payload_bytes_max)
    if size_bytes < 0:
        return f"message of {len(message)} bytes is shorter than its header of {HEADER_BYTES}"
    if message[:2] != MAGIC:
        return f"not a message of this protocol: starts with {message[:HEADER_BYTES]!r}"
    if message[2] != VERSION:
        return f"framing version {message[2]}; this build speaks {VERSION}"
    if message[3] != channel:
        return f"message of {_channel_name(message[3])} on a {channel.name.lower()} connection"
    return ""


def size_fault(size_bytes: int, payload_bytes_max: int) -> str:
    """Word the refusal of a message that is too large."""
    return f"message of {size_bytes} bytes is larger than {payload_bytes_max}"


def _channel_name(channel: int) -> str:
    try:
        return f"channel {Channel(channel).name.lower()}"
    except ValueError:
        return f"unknown channel {channel}"
