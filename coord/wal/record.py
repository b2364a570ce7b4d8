"""The log's unit of durability: one record is what one sync makes durable, whole or not at all.

All numbers little-endian. A record starts at a multiple of 8 in its segment:

    offset  bytes
       0      4   header checksum: CRC-32 of bytes 4..31; the next record repeats it
       4      4   body_bytes: length of the body without padding, 1..RECORD_BYTES_MAX
       8      4   body checksum: CRC-32 of body and padding
      12      4   previous: header checksum of the record before this one (0 at the log's start)
      16      8   sequence: 1, 2, 3, ... over all segments of the log
      24      8   log: the random number of this log; bytes of any other log never parse
      32      n   body (items.py), then zero bytes up to a multiple of 8

A record is written only after the one before it is durable. So an unreadable record followed by
a readable one was damaged after it was durable; at the very end it may be a write cut short.
"""

import struct
import zlib
from collections.abc import Sequence

import attrs

from coord import limits
from coord.errors import Corruption
from coord.wal.disk import Buffer

HEADER_BYTES = 32
ALIGN_BYTES = 8
RECORD_BYTES_MAX = limits.ENTRY_BYTES_MAX + 4 * limits.MIB
LOG_FIELD_OFFSET = 24

_HEADER = struct.Struct("<IIIIQQ")
_PADDING = tuple(bytes(size) for size in range(ALIGN_BYTES))
# zlib lets go of the interpreter above 5 KiB; taking it back from a busy loop can cost
# milliseconds, the checksum of a small piece costs microseconds.
_PIECE_BYTES = 4096
_PIECEWISE_BYTES_MAX = 512 * limits.KIB

assert RECORD_BYTES_MAX > limits.ENTRY_BYTES_MAX + 1024


@attrs.frozen
class Link:
    """Where a log's chain of records stands: what the next record must say."""

    log: int
    sequence: int
    previous: int


@attrs.frozen
class Header:
    """A record's header, whose own checksum was right."""

    checksum: int
    body_bytes: int
    body_checksum: int
    previous: int
    sequence: int
    log: int

    @property
    def padded_bytes(self) -> int:
        """Length of body and padding."""
        return padded(self.body_bytes)

    def follows(self, link: Link) -> bool:
        """Say whether this is the record the chain expects next."""
        return (self.log, self.sequence, self.previous) == (
            link.log,
            link.sequence,
            link.previous,
        )

    def next_link(self) -> Link:
        """Return what the record after this one must say."""
        return Link(self.log, self.sequence + 1, self.checksum)


def padded(size_bytes: int) -> int:
    """Round up to a multiple of 8."""
    return -(-size_bytes // ALIGN_BYTES) * ALIGN_BYTES


def checksum(buffers: Sequence[Buffer]) -> int:
    """Return the CRC-32 of the buffers one after the other."""
    crc = 0
    for buffer in buffers:
        if _PIECE_BYTES < len(buffer) <= _PIECEWISE_BYTES_MAX:
            view = memoryview(buffer)
            for start in range(0, len(view), _PIECE_BYTES):
                crc = zlib.crc32(view[start : start + _PIECE_BYTES], crc)
        else:
            crc = zlib.crc32(buffer, crc)
    return crc


def encode(body: Sequence[Buffer], link: Link) -> tuple[list[Buffer], Link]:
    """Build a record without copying its body.

    Args:
        body: the pieces of the body, 1..RECORD_BYTES_MAX bytes together.
        link: where the chain stands.

    Returns:
        The buffers to write one after the other, and where the chain stands after them.
    """
    body_bytes = sum(map(len, body))
    assert 0 < body_bytes <= RECORD_BYTES_MAX
    buffers: list[Buffer] = [b"", *body]
    gap = padded(body_bytes) - body_bytes
    if gap:
        buffers.append(_PADDING[gap])
    header = _HEADER.pack(0, body_bytes, checksum(buffers), link.previous, link.sequence, link.log)
    header_checksum = zlib.crc32(header[4:])
    buffers[0] = header_checksum.to_bytes(4, "little") + header[4:]
    return buffers, Link(link.log, link.sequence + 1, header_checksum)


def decode_header(data: Buffer, offset: int) -> Header | None:
    """Read the header at `offset`; None if there is none, it is damaged, or absurd.

    Never looks beyond the 32 bytes of the header; the length it returns is bounded.
    """
    if offset < 0 or len(data) - offset < HEADER_BYTES:
        return None
    header = Header(*_HEADER.unpack_from(data, offset))
    if zlib.crc32(memoryview(data)[offset + 4 : offset + HEADER_BYTES]) != header.checksum:
        return None
    if not 0 < header.body_bytes <= RECORD_BYTES_MAX:
        return None
    return header


def decode_body(data: Buffer, offset: int, header: Header) -> memoryview | None:
    """Return the body of the record at `offset`; None if it is cut short or damaged."""
    start = offset + HEADER_BYTES
    whole = memoryview(data)[start : start + header.padded_bytes]
    if len(whole) < header.padded_bytes or zlib.crc32(whole) != header.body_checksum:
        return None
    return whole[: header.body_bytes]


def decode(data: Buffer, offset: int, link: Link) -> tuple[memoryview, Header]:
    """Read the record the chain expects at `offset`.

    Raises:
        Corruption: there is no such record there; says what is wrong, not where.
    """
    header = decode_header(data, offset)
    if header is None:
        raise Corruption("record header is damaged")
    if not header.follows(link):
        raise Corruption(f"record {header.sequence} found where {link.sequence} belongs")
    body = decode_body(data, offset, header)
    if body is None:
        raise Corruption(f"body of record {header.sequence} is cut short or damaged")
    return body, header
