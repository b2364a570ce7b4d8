"""What a record's body holds: a sequence of items. Pure: values to bytes and back.

Each item starts with a byte that says its kind; numbers are little-endian:

    1 hard state   u64 term, u64 vote, u64 commit
    2 entry        u8 entry kind, u32 payload_bytes, u64 index, u64 term, payload
    3 mark         u8 keep_suffix (0 or 1), u32 body_bytes, msgpack of SnapshotMark
    4 seal         nothing more: the segment is finished, its successor is durable

Entries replace the log from their index on. A mark says: the log up to this index is replaced by
that snapshot file; without keep_suffix, so is all that follows it in the log.
"""

import struct
from collections.abc import Iterator, Sequence

import attrs
import msgspec

from coord.errors import Corruption
from coord.raft.messages import Entry, EntryKind, HardState, SnapshotMeta
from coord.wal.disk import Buffer

KIND_HARD_STATE = 1
KIND_ENTRY = 2
KIND_MARK = 3
KIND_SEAL = 4
INTEGER_MAX = 2**63 - 1

_HARD_STATE = struct.Struct("<BQQQ")
_ENTRY = struct.Struct("<BBIQQ")
_MARK = struct.Struct("<BBI")
_MARK_BYTES_MAX = 64 * 1024

ENTRY_OVERHEAD_BYTES = _ENTRY.size
SEAL_BODY: Sequence[Buffer] = (bytes((KIND_SEAL,)),)


class SnapshotMark(msgspec.Struct, frozen=True, array_like=True):
    """Which snapshot file stands for the log up to meta.index, and how to know it again."""

    meta: SnapshotMeta
    size_bytes: int
    digest: bytes
    name: str


@attrs.frozen
class Marked:
    """A mark as it stands in the log."""

    mark: SnapshotMark
    keep_suffix: bool


@attrs.frozen
class Seal:
    """The end of a finished segment."""


Item = HardState | Entry | Marked | Seal

_mark_decoder = msgspec.msgpack.Decoder(SnapshotMark)
_ENTRY_KINDS = {int(kind): kind for kind in EntryKind}


def encode_hard_state(state: HardState) -> bytes:
    """Return the item for `state`."""
    return _HARD_STATE.pack(KIND_HARD_STATE, state.term, state.vote, state.commit)


def encode_entry_head(entry: Entry) -> bytes:
    """Return the part of the item that stands before the payload."""
    return _ENTRY.pack(KIND_ENTRY, entry.kind, len(entry.payload), entry.index, entry.term)


def encode_mark(mark: SnapshotMark, keep_suffix: bool) -> bytes:
    """Return the item for a mark."""
    body = msgspec.msgpack.encode(mark)
    assert len(body) <= _MARK_BYTES_MAX
    return _MARK.pack(KIND_MARK, keep_suffix, len(body)) + body


def decode_items(body: memoryview) -> Iterator[Item]:
    """Read the items of a record's body in order.

    Raises:
        Corruption: not a sequence of items; says what is wrong, not where. Items before the
            bad one have been yielded.
    """
    offset = 0
    while offset < len(body):
        kind = body[offset]
        if kind == KIND_ENTRY:
            item, offset = _decode_entry(body, offset)
        elif kind == KIND_HARD_STATE:
            item, offset = _decode_hard_state(body, offset)
        elif kind == KIND_MARK:
            item, offset = _decode_mark(body, offset)
        elif kind == KIND_SEAL:
            item, offset = Seal(), offset + 1
        else:
            raise Corruption(f"item of unknown kind {kind}")
        yield item


def _decode_entry(body: memoryview, offset: int) -> tuple[Item, int]:
    start = offset + _ENTRY.size
    if start > len(body):
        raise Corruption("entry is cut short")
    _, number, payload_bytes, index, term = _ENTRY.unpack_from(body, offset)
    end = start + payload_bytes
    kind = _ENTRY_KINDS.get(number)
    if kind is None or end > len(body):
        raise Corruption("entry is of unknown kind or longer than its record")
    if not 0 < index <= INTEGER_MAX or not 0 < term <= INTEGER_MAX:
        raise Corruption("entry has no valid index or term")
    return Entry(index, term, kind, bytes(body[start:end])), end


def _decode_hard_state(body: memoryview, offset: int) -> tuple[Item, int]:
    end = offset + _HARD_STATE.size
    if end > len(body):
        raise Corruption("hard state is cut short")
    _, term, vote, commit = _HARD_STATE.unpack_from(body, offset)
    if max(term, vote, commit) > INTEGER_MAX:
        raise Corruption("hard state has a number out of range")
    return HardState(term, vote, commit), end


def _decode_mark(body: memoryview, offset: int) -> tuple[Item, int]:
    start = offset + _MARK.size
    if start > len(body):
        raise Corruption("snapshot mark is cut short")
    _, keep, body_bytes = _MARK.unpack_from(body, offset)
    end = start + body_bytes
    if keep > 1 or body_bytes > _MARK_BYTES_MAX or end > len(body):
        raise Corruption("snapshot mark is malformed")
    try:
        mark = _mark_decoder.decode(body[start:end])
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise Corruption(f"snapshot mark is malformed: {error}") from error
    meta = mark.meta
    if not 0 < meta.index <= INTEGER_MAX or not 0 < meta.term <= INTEGER_MAX:
        raise Corruption("snapshot mark has no valid index or term")
    if not 0 < mark.size_bytes <= INTEGER_MAX:
        raise Corruption("snapshot mark has no valid size")
    return Marked(mark, bool(keep)), end
