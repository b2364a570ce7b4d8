"""The snapshot's bytes: a magic number, then checksummed blocks, then an end that seals them.

    magic (9 bytes, the last is the format version)
    block: length, crc32 of the payload (4 bytes each, little endian), payload
    payload: msgpack of one struct below, in this order: Head, LeaseRows*, WriterRows*,
             OriginRows*, KeyRows*, UndoRows*, End

Rows are in ascending order of their id or key. History is written as what would undo it, newest
first: loading walks back from the present, so every version of a key is written exactly once.
Which rows share a block depends on their content alone, so equal stores give equal bytes.
"""

from struct import Struct

import msgspec

from coord.model import KeyValue
from coord.store.leases import LeaseState
from coord.store.once import WriterState

VERSION = 1
MAGIC = b"coordsnp" + bytes((VERSION,))
BLOCK_HEADER = Struct("<II")
BLOCK_BYTES_MAX = 256 * 1024 * 1024  # a longer length is damage, not a block

UNDO_DELETE = 1  #: the change was a delete
UNDO_MORE = 2  #: the next item undoes an earlier change of the same revision
UNDO_CAUSE_SHIFT = 2


class Head(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The store's counters and small tables."""

    revision: int
    compact_revision: int
    time_ms: int
    applied_index: int
    alarms: tuple[int, ...]


class LeaseRows(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Leases; the keys that hang on them say so themselves."""

    rows: list[LeaseState]


class WriterRows(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Writers with the answers kept for them."""

    rows: list[WriterState]


class OriginRows(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Claimed keys, each with where it was taken from."""

    rows: list[tuple[bytes, bytes]]


class KeyRows(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Live keys."""

    rows: list[KeyValue]


class Undo(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How to undo one change: what the key was before, or just its name if it was not there.

    `what` is UNDO_DELETE and UNDO_MORE flags, and the change's cause above them.
    """

    before: KeyValue | bytes
    what: int


class UndoRows(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Changes, newest first; bare bytes are a key that a lone put made."""

    rows: list[Undo | bytes]


class End(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """How many blocks stand before this one, and a hash of every byte before it."""

    blocks: int
    digest: bytes


Block = Head | LeaseRows | WriterRows | OriginRows | KeyRows | UndoRows | End
