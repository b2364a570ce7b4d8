"""A snapshot file: written and read in chunks, checked whole. Knows nothing of the log.

All numbers little-endian:

    header   8 "coordsnp", u32 format version 1, u32 meta_bytes, u64 cluster,
             meta_bytes of msgpack SnapshotMeta, u32 CRC-32 of all before
    chunk    u32 chunk_bytes (1..CHUNK_BYTES_MAX), u32 CRC-32 of the bytes, the bytes
    trailer  u32 zero, u32 zero, u64 number of chunks, u64 length of the file,
             32 bytes SHA-256 of all bytes before

The writer syncs every few MiB, so that the disk's queue is short when the log wants its turn.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator

import attrs
import msgspec

from coord import limits
from coord.errors import Corruption
from coord.raft.messages import SnapshotMeta
from coord.wal.disk import Buffer, File

MAGIC = b"coordsnp"
FORMAT_VERSION = 1
CHUNK_BYTES_MAX = 16 * limits.MIB
SYNC_STEP_BYTES = 4 * limits.MIB
DIGEST_BYTES = 32

_HEADER = struct.Struct("<8sIIQ")
_CHUNK = struct.Struct("<II")
_TRAILER = struct.Struct("<IIQQ")
_CHECKSUM_BYTES = 4
_META_BYTES_MAX = 64 * 1024
TRAILER_BYTES = _TRAILER.size + DIGEST_BYTES

assert limits.SNAPSHOT_CHUNK_BYTES <= CHUNK_BYTES_MAX

_meta_decoder = msgspec.msgpack.Decoder(SnapshotMeta)


def encode_header(cluster: int, meta: SnapshotMeta) -> bytes:
    """Return the header of a snapshot file."""
    encoded = msgspec.msgpack.encode(meta)
    assert len(encoded) <= _META_BYTES_MAX
    packed = _HEADER.pack(MAGIC, FORMAT_VERSION, len(encoded), cluster) + encoded
    return packed + zlib.crc32(packed).to_bytes(_CHECKSUM_BYTES, "little")


class SnapshotWriter:
    """Writes one snapshot file, front to back."""

    def __init__(self, file: File, cluster: int, meta: SnapshotMeta) -> None:
        """Begin a snapshot in an empty file; the caller keeps the file and closes it."""
        self._file = file
        self._size_bytes = 0
        self._unsynced_bytes = 0
        self._chunks = 0
        self._hash = hashlib.sha256()
        self._write([encode_header(cluster, meta)])

    def add(self, chunk: Buffer) -> None:
        """Append a chunk; an empty one is passed over.

        Raises:
            OSError: the file is worthless now.
        """
        if not chunk:
            return
        assert len(chunk) <= CHUNK_BYTES_MAX
        self._write([_CHUNK.pack(len(chunk), zlib.crc32(chunk)), chunk])
        self._chunks += 1
        if self._unsynced_bytes >= SYNC_STEP_BYTES:
            self._file.sync()
            self._unsynced_bytes = 0

    def finish(self) -> tuple[int, bytes]:
        """Write the trailer and make the whole file durable; returns its length and digest."""
        size_bytes = self._size_bytes + TRAILER_BYTES
        self._write([_TRAILER.pack(0, 0, self._chunks, size_bytes)])
        digest = self._hash.digest()
        self._file.write(self._size_bytes, [digest])
        self._file.sync()
        return size_bytes, digest

    def _write(self, buffers: list[Buffer]) -> None:
        self._file.write(self._size_bytes, buffers)
        for buffer in buffers:
            self._hash.update(buffer)
            self._size_bytes += len(buffer)
            self._unsynced_bytes += len(buffer)


@attrs.frozen
class SnapshotHead:
    """What a snapshot file says of itself."""

    cluster: int
    meta: SnapshotMeta
    size_bytes: int
    """Of the header: where the chunks start."""


def read_head(file: File) -> SnapshotHead:
    """Read the header of a snapshot file.

    Raises:
        Corruption: it is damaged or of another format; says what is wrong, not where.
    """
    fixed = file.read(0, _HEADER.size)
    if len(fixed) < _HEADER.size:
        raise Corruption("snapshot header is cut short")
    magic, version, meta_bytes, cluster = _HEADER.unpack(fixed)
    if magic != MAGIC:
        raise Corruption("this is no snapshot file")
    if version != FORMAT_VERSION:
        raise Corruption(f"snapshot format {version}; this build reads {FORMAT_VERSION}")
    if meta_bytes > _META_BYTES_MAX:
        raise Corruption("snapshot header is damaged")
    rest = file.read(_HEADER.size, meta_bytes + _CHECKSUM_BYTES)
    if len(rest) < meta_bytes + _CHECKSUM_BYTES:
        raise Corruption("snapshot header is cut short")
    encoded = rest[:meta_bytes]
    if zlib.crc32(encoded, zlib.crc32(fixed)) != int.from_bytes(rest[meta_bytes:], "little"):
        raise Corruption("snapshot header is damaged")
    try:
        meta = _meta_decoder.decode(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise Corruption(f"snapshot header is malformed: {error}") from error
    return SnapshotHead(cluster, meta, _HEADER.size + meta_bytes + _CHECKSUM_BYTES)


def read_digest(file: File) -> bytes:
    """Return the digest a snapshot file ends with, unchecked."""
    return file.read(max(0, file.size_bytes - DIGEST_BYTES), DIGEST_BYTES)


def read_chunks(file: File) -> Iterator[bytes]:
    """Read the chunks of a snapshot file in order; the last is followed by a check of the whole.

    What was yielded may be trusted only once the iterator has ended without an error.

    Raises:
        Corruption: cut short, damaged or longer than it says; names the offset.
    """
    head = read_head(file)
    digest = hashlib.sha256(file.read(0, head.size_bytes))
    offset, chunks = head.size_bytes, 0
    while True:
        fixed = file.read(offset, _CHUNK.size)
        if len(fixed) < _CHUNK.size:
            raise Corruption(f"at {offset}: snapshot is cut short")
        chunk_bytes, checksum = _CHUNK.unpack(fixed)
        if chunk_bytes == 0:
            break
        if chunk_bytes > CHUNK_BYTES_MAX:
            raise Corruption(f"at {offset}: snapshot chunk is damaged")
        chunk = file.read(offset + _CHUNK.size, chunk_bytes)
        if len(chunk) < chunk_bytes or zlib.crc32(chunk) != checksum:
            raise Corruption(f"at {offset}: snapshot chunk is cut short or damaged")
        digest.update(fixed)
        digest.update(chunk)
        offset += _CHUNK.size + chunk_bytes
        chunks += 1
        yield chunk
    trailer = file.read(offset, TRAILER_BYTES + 1)
    if len(trailer) != TRAILER_BYTES:
        raise Corruption(f"at {offset}: snapshot trailer has the wrong length")
    digest.update(trailer[: _TRAILER.size])
    stated = _TRAILER.unpack_from(trailer)
    if stated != (0, 0, chunks, offset + TRAILER_BYTES):
        raise Corruption(f"at {offset}: snapshot trailer does not match the file")
    if digest.digest() != trailer[_TRAILER.size :]:
        raise Corruption(f"at {offset}: snapshot digest does not match the file")
