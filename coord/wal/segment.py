"""A segment: one file of the log, its head, and how its end is told from damage.

Segments are named log-<number, 16 hex digits>.wal, numbered 1, 2, 3, ... All numbers
little-endian:

    offset  bytes
       0      8   "coordlog"
       8      4   format version, 1
      12      4   previous: header checksum of the last record before this segment (0: none)
      16      8   cluster        24   8   node        32   8   log (record.py)
      40      8   number of this segment
      48      8   sequence of its first record
      56      8   where the records of the segment before it end, as an offset (0: none)
      64      8   index of the last log entry before this segment (0: none)
      72      4   zero           76   4   CRC-32 of bytes 0..75
      80          records; the first repeats hard state and snapshot mark
                  then zero bytes: the file is filled ahead, which makes syncs cheaper

A finished segment ends with a seal record, written once its successor is durable.
"""

import struct
import zlib

import attrs

from coord.errors import Corruption
from coord.wal import record
from coord.wal.disk import Buffer
from coord.wal.record import Link

MAGIC = b"coordlog"
FORMAT_VERSION = 1
HEAD_BYTES = 80
SECTOR_BYTES = 512  # what a disk writes whole or not at all
SEAL_RECORD_BYTES = record.HEADER_BYTES + record.ALIGN_BYTES

_HEAD = struct.Struct("<8sIIQQQQQQQI")
_PREFIX, _SUFFIX = "log-", ".wal"


@attrs.frozen
class SegmentHead:
    """The first bytes of a segment."""

    cluster: int
    node: int
    log: int
    number: int
    sequence: int
    previous: int
    previous_end: int
    base_index: int

    @property
    def link(self) -> Link:
        """What the first record must say."""
        return Link(self.log, self.sequence, self.previous)


def segment_name(number: int) -> str:
    """Return the file name of a segment."""
    return f"{_PREFIX}{number:016x}{_SUFFIX}"


def segment_number(name: str) -> int | None:
    """Return the number in a segment's file name; None if `name` is no such name."""
    digits = name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    if len(digits) != 16 or not set(digits) <= set("0123456789abcdef"):
        return None
    return int(digits, 16) if name == segment_name(int(digits, 16)) else None


def encode_head(head: SegmentHead) -> bytes:
    """Return the first 80 bytes of a segment."""
    packed = _HEAD.pack(
        MAGIC,
        FORMAT_VERSION,
        head.previous,
        head.cluster,
        head.node,
        head.log,
        head.number,
        head.sequence,
        head.previous_end,
        head.base_index,
        0,
    )
    return packed + zlib.crc32(packed).to_bytes(4, "little")


def decode_head(data: Buffer) -> SegmentHead:
    """Read the first 80 bytes of a segment.

    Raises:
        Corruption: they are no segment head of this format; says what is wrong, not where.
    """
    if len(data) < HEAD_BYTES:
        raise Corruption("segment head is cut short")
    magic, version, previous, *numbers, zero = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise Corruption("this is no log segment")
    if version != FORMAT_VERSION:
        raise Corruption(f"segment format {version}; this build reads {FORMAT_VERSION}")
    if zlib.crc32(data[: HEAD_BYTES - 4]) != int.from_bytes(data[76:80], "little") or zero:
        raise Corruption("segment head is damaged")
    cluster, node, log, number, sequence, previous_end, base_index = numbers
    return SegmentHead(cluster, node, log, number, sequence, previous, previous_end, base_index)


def is_torn(data: Buffer, offset: int, link: Link) -> bool:
    """Tell what stands at `offset`, where the chain's next record cannot be read.

    A write cut short leaves whole sectors out, which then read as the zero bytes the file was
    filled with, or lie beyond its end. Damage leaves other bytes, or has a record after it.

    Returns:
        False: nothing was written there; this is the end of the log. True: the last write was
        cut short; it was never durable, so nobody was told of it.

    Raises:
        Corruption: neither; something durable was damaged. Says what, not where.
    """
    if not bytes(memoryview(data)[offset:]).strip(b"\0"):
        return False
    later = _find_later_record(data, offset, link)
    if later is not None:
        raise Corruption(f"record {link.sequence} is damaged: one after it stands at {later}")
    header = record.decode_header(data, offset)
    if header is not None and not header.follows(link):
        raise Corruption(f"record {header.sequence} found where {link.sequence} belongs")
    extent = record.HEADER_BYTES + (header.padded_bytes if header is not None else 0)
    if not _has_missing_sector(data, offset, extent):
        raise Corruption(f"record {link.sequence} is damaged, and not by a write cut short")
    return True


def _find_later_record(data: Buffer, offset: int, link: Link) -> int | None:
    """Return where a record of this log stands after `offset`, newer than the chain; or None."""
    whole = bytes(data)
    log = link.log.to_bytes(8, "little")
    at = offset + record.LOG_FIELD_OFFSET
    while (at := whole.find(log, at + 1)) >= 0:
        start = at - record.LOG_FIELD_OFFSET
        if start % record.ALIGN_BYTES:
            continue
        header = record.decode_header(whole, start)
        if header is not None and header.sequence >= link.sequence:
            return start
    return None


def _has_missing_sector(data: Buffer, offset: int, extent: int) -> bool:
    """Say whether a sector's share of the extent is all zero or beyond the end of the file."""
    end = offset + extent
    if end > len(data):
        return True
    view = memoryview(data)
    while offset < end:
        stop = min(end, (offset // SECTOR_BYTES + 1) * SECTOR_BYTES)
        if not bytes(view[offset:stop]).strip(b"\0"):
            return True
        offset = stop
    return False
