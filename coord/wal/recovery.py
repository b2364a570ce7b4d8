"""Open a log: read every segment, refuse damage, cut a write that was cut short.

Only the end of the last segment may be unreadable, and only as an unfinished write leaves it
(segment.is_torn); those bytes are kept in a .torn file beside it. Anything else raises Corruption
naming file and offset. The last record is written again before it is trusted: after a failed sync
the page cache may show what the disk does not hold (ATC'20).
"""

from collections.abc import Sequence

import attrs

from coord.errors import Corruption
from coord.wal import record
from coord.wal.disk import Disk, File
from coord.wal.identity import Identity
from coord.wal.image import LogImage
from coord.wal.items import decode_items
from coord.wal.log import OpenSegment
from coord.wal.record import Link
from coord.wal.segment import (
    HEAD_BYTES,
    SEAL_RECORD_BYTES,
    SegmentHead,
    decode_head,
    is_torn,
    segment_name,
)


@attrs.frozen
class RecoveredLog:
    """A log that was read whole; all of it is durable."""

    image: LogImage
    link: Link
    segment: OpenSegment
    finished: tuple[tuple[int, int], ...]
    note: str


@attrs.frozen
class _Scanned:
    """How far a segment's records could be read."""

    link: Link
    end: int
    last_start: int
    """Where the last readable record starts; HEAD_BYTES if none."""


def recover_log(
    disk: Disk, identity: Identity, log: int, numbers: Sequence[int], fill_bytes: int
) -> RecoveredLog:
    """Read all segments and make the end of the last one good.

    Args:
        disk: where they are.
        identity: whose they must be.
        log: the log they must belong to.
        numbers: the numbers of all segments found, ascending, not empty.
        fill_bytes: zero bytes to keep ahead of the end.

    Raises:
        Corruption: damage, a missing segment, or one of another log; nothing was changed.
        OSError: the disk failed.
    """
    image = LogImage()
    finished: list[tuple[int, int]] = []
    scanned: _Scanned | None = None
    data = b""
    for position, number in enumerate(numbers):
        name = segment_name(number)
        if number != numbers[0] + position:
            raise Corruption(f"{segment_name(number - 1)}: segment is missing")
        previous_data, data = data, _read_segment(disk, name)
        head = _read_head(name, data, identity, log, number)
        if scanned is None:
            image.base = head.base_index
        else:
            _check_seam(numbers[position - 1], previous_data, scanned, head)
            finished.append((number - 1, head.base_index))
            _check_base(name, image, head)
        image.sealed = False
        scanned = _scan(name, data, head, image)
    assert scanned is not None
    name = segment_name(numbers[-1])
    if image.sealed:
        raise Corruption(f"{segment_name(numbers[-1] + 1)}: segment is missing")
    _check_whole(name, scanned, image)
    file = disk.open(name)
    note = _mend_end(disk, name, file, data, scanned, fill_bytes)
    size_bytes = file.size_bytes
    segment = OpenSegment(file, numbers[-1], scanned.end, size_bytes)
    return RecoveredLog(image, scanned.link, segment, tuple(finished), note)


def read_first_head(disk: Disk, number: int) -> SegmentHead:
    """Read the head of one segment.

    Raises:
        Corruption: it is damaged.
    """
    name = segment_name(number)
    data = _read_segment(disk, name)
    try:
        return decode_head(data)
    except Corruption as error:
        raise Corruption(f"{name}: {error}") from error


def _read_segment(disk: Disk, name: str) -> bytes:
    file = disk.open(name)
    try:
        return file.read(0, file.size_bytes)
    finally:
        file.close()


def _read_head(name: str, data: bytes, identity: Identity, log: int, number: int) -> SegmentHead:
    try:
        head = decode_head(data)
    except Corruption as error:
        raise Corruption(f"{name} at 0: {error}") from error
    found = (head.cluster, head.node, head.log, head.number)
    if found != (identity.cluster, identity.node, log, number):
        raise Corruption(f"{name}: segment of another log, or under another's name")
    return head


def _check_seam(number: int, data: bytes, scanned: _Scanned, head: SegmentHead) -> None:
    """Check that a finished segment ends where and how its successor says."""
    name = segment_name(number)
    if scanned.end != head.previous_end or scanned.link != head.link:
        raise Corruption(
            f"{name} at {scanned.end}: record {scanned.link.sequence} is damaged or missing; "
            f"the segment went on to {head.previous_end}"
        )
    # Here may stand a seal, whole or cut short, and then only the zero bytes filled ahead.
    if data[scanned.end + SEAL_RECORD_BYTES :].strip(b"\0"):
        raise Corruption(f"{name} at {scanned.end}: bytes after the end of the segment")


def _check_base(name: str, image: LogImage, head: SegmentHead) -> None:
    if image.last_index != head.base_index:
        raise Corruption(
            f"{name}: starts after entry {head.base_index}, the log before it ends at "
            f"{image.last_index}"
        )


def _check_whole(name: str, scanned: _Scanned, image: LogImage) -> None:
    if scanned.last_start == 0:
        raise Corruption(f"{name} at {HEAD_BYTES}: the first record is missing")
    try:
        image.check_complete()
    except Corruption as error:
        raise Corruption(f"{name}: {error}") from error


def _scan(name: str, data: bytes, head: SegmentHead, image: LogImage) -> _Scanned:
    """Apply a segment's records up to the first that cannot be read."""
    view = memoryview(data)
    link, offset, last_start = head.link, HEAD_BYTES, 0
    while True:
        header = record.decode_header(view, offset)
        if header is None or not header.follows(link):
            break
        body = record.decode_body(view, offset, header)
        if body is None:
            break
        try:
            for item in decode_items(body):
                image.apply(item)
        except Corruption as error:
            raise Corruption(f"{name} at {offset}: {error}") from error
        if image.sealed:
            break
        last_start = offset
        offset += record.HEADER_BYTES + header.padded_bytes
        link = header.next_link()
    return _Scanned(link, offset, last_start)


def _mend_end(
    disk: Disk, name: str, file: File, data: bytes, scanned: _Scanned, fill_bytes: int
) -> str:
    """Cut what a crash left unfinished and write the last record again; returns the note."""
    try:
        torn = is_torn(data, scanned.end, scanned.link)
    except Corruption as error:
        raise Corruption(f"{name} at {scanned.end}: {error}") from error
    note = ""
    if torn:
        rest = data[scanned.end :].rstrip(b"\0")
        note = (
            f"{name} at {scanned.end}: cut {len(rest)} bytes of a write that never finished; "
            f"kept in {name}.torn"
        )
        _keep_torn(disk, f"{name}.torn", rest)
    filled = -(-max(scanned.end, len(data)) // fill_bytes) * fill_bytes
    last = data[scanned.last_start : scanned.end]
    file.write_durable(scanned.last_start, [last, bytes(filled - scanned.end)])
    return note


def _keep_torn(disk: Disk, name: str, rest: bytes) -> None:
    """Keep the cut bytes for whoever wants to know; an older copy is replaced."""
    temporary = f"{name}.tmp"
    copy = disk.create(temporary)
    try:
        copy.write_durable(0, [rest])
    finally:
        copy.close()
    disk.rename(temporary, name)
    disk.sync_directory()
