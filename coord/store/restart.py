"""A saved snapshot made the beginning of a new cluster, and what is in one, told without a store.

The new beginning keeps keys, leases with the time they had left, claims and cluster time. It
forgets history and kept answers, and its revision lies far above any the old cluster can have
reached: whoever remembers an old one is told that it is compacted and reads anew, rather than
taking an old revision number for a new one.
"""

from collections.abc import Iterable, Iterator

import attrs

from coord.model import Cause
from coord.store.blocks import (
    UNDO_CAUSE_SHIFT,
    UNDO_DELETE,
    Block,
    End,
    Head,
    KeyRows,
    LeaseRows,
    Undo,
    UndoRows,
    WriterRows,
)
from coord.store.blockstream import BlockReader, BlockWriter

REVISION_BUMP = 1_000_000_000  # more than a cluster writes between a backup and its restore
_FIRST_KEY = b"\0"


@attrs.frozen
class Survey:
    """What a snapshot holds."""

    revision: int
    compact_revision: int
    applied_index: int
    time_ms: int
    keys: int
    leases: int
    size_bytes: int
    digest: bytes


def survey(pieces: Iterable[bytes]) -> Survey:
    """Read a snapshot through, checking every byte.

    Raises:
        ProtocolError: it is damaged or of another format.
    """
    reader = BlockReader()
    head: Head | None = None
    keys = leases = size_bytes = 0
    for piece in pieces:
        size_bytes += len(piece)
        for block in reader.feed(piece):
            if type(block) is Head:
                head = block
            elif type(block) is KeyRows:
                keys += len(block.rows)
            elif type(block) is LeaseRows:
                leases += len(block.rows)
    reader.finish()
    assert head is not None, "a snapshot that ends has begun"
    assert reader.end is not None
    return Survey(
        revision=head.revision,
        compact_revision=head.compact_revision,
        applied_index=head.applied_index,
        time_ms=head.time_ms,
        keys=keys,
        leases=leases,
        size_bytes=size_bytes,
        digest=reader.end.digest,
    )


def restarted(pieces: Iterable[bytes], bump: int = REVISION_BUMP) -> Iterator[bytes]:
    """Rewrite a snapshot as a new beginning, chunk by chunk.

    Args:
        pieces: of the saved snapshot, of any size.
        bump: added to the revision; at least 1.

    Yields:
        Chunks of the new snapshot. They may be believed once the iteration has ended.

    Raises:
        ProtocolError: the saved one is damaged or of another format.
    """
    assert bump >= 1
    reader, writer = BlockReader(), BlockWriter()
    unused = _FIRST_KEY
    for piece in pieces:
        for block in reader.feed(piece):
            if type(block) is KeyRows:
                for kv in block.rows:
                    # Keys ascend, so what follows directly on a taken one is the next candidate.
                    if kv.key == unused:
                        unused += b"\0"
            yield from (writer.encode(kept) for kept in _kept(block, bump))
    reader.finish()
    yield writer.encode(UndoRows([_nothing_deleted(unused)]))
    yield writer.encode(writer.end())


def _kept(block: Block, bump: int) -> list[Block]:
    if type(block) is Head:
        revision = block.revision + bump
        return [Head(revision, revision, block.time_ms, block.applied_index, ())]
    if isinstance(block, WriterRows | UndoRows | End):
        return []
    return [block]


def _nothing_deleted(key: bytes) -> Undo:
    """Return what the newest revision did: every revision that is kept has done something."""
    return Undo(key, UNDO_DELETE | Cause.DELETED << UNDO_CAUSE_SHIFT)
