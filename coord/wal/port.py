"""The storage port: what a node asks of its disk, and the answers that come back.

No method waits, but for the time of one small write. Requests of one kind are carried out in
order; each answer appears in poll() only after what it says is durable. A storage that fails to
write ends the process: after a failed fsync nothing it says could be trusted (ATC'20, "Can
Applications Recover from fsync Failures?").
"""

from collections.abc import Iterator
from typing import Protocol

import attrs

from coord.raft.messages import (
    ChunkRead,
    ChunkReceived,
    ChunkStored,
    ChunkWanted,
    Entry,
    HardState,
    SnapshotInstalled,
    SnapshotMeta,
    Write,
    Written,
)


@attrs.frozen
class Recovered:
    """What was found on disk at open. All of it is durable."""

    hard_state: HardState
    snapshot: SnapshotMeta | None
    entries: tuple[Entry, ...]
    note: str = ""
    """What was repaired (a torn tail that was cut), for the log; empty if nothing."""


@attrs.frozen
class SnapshotSaved:
    """The node's own snapshot is durable and named by the log; older files may go.

    `size_bytes` 0: it was not saved (no space, or overtaken by an installed one) and nothing of
    it is left; the snapshot before it still stands.
    """

    meta: SnapshotMeta
    size_bytes: int


Completion = Written | ChunkRead | ChunkStored | SnapshotInstalled | SnapshotSaved


class Storage(Protocol):
    """A node's disk."""

    @property
    def recovered(self) -> Recovered:
        """What open found."""
        ...

    @property
    def log_bytes(self) -> int:
        """Bytes of log written since the newest snapshot."""
        ...

    @property
    def saving_backlog_bytes(self) -> int:
        """Snapshot bytes handed over and not yet written: the node's own brake."""
        ...

    def write(self, write: Write) -> None:
        """Take a write to be appended and made durable, in order; answers Written."""
        ...

    def flush(self) -> bool:
        """Begin what write() took; the node calls it once it has no more to hand over.

        Returns:
            Whether an answer became ready at once. A lone small write may be carried out right
            here, when nothing else is under way: waiting for it costs less than handing it over.
        """
        ...

    def save_chunk(self, meta: SnapshotMeta, chunk: bytes, last: bool) -> None:
        """Append to the node's own new snapshot; with `last`, answers SnapshotSaved."""
        ...

    def abandon_save(self) -> None:
        """Throw away the snapshot being saved, if any."""
        ...

    def read_chunk(self, wanted: ChunkWanted) -> None:
        """Read from the newest snapshot for a peer; answers ChunkRead."""
        ...

    def store_chunk(self, received: ChunkReceived) -> None:
        """Keep a chunk from the leader; answers ChunkStored, or SnapshotInstalled at the last."""
        ...

    def poll(self) -> list[Completion]:
        """Take the answers that are ready; never waits."""
        ...

    def open_snapshot(self) -> Iterator[bytes]:
        """Read the newest durable snapshot in chunks; waits for the disk.

        Raises:
            Corruption: the file is damaged; names it and the offset.
        """
        ...

    def free_bytes(self) -> int:
        """Free space where the log lives."""
        ...

    def close(self) -> None:
        """Finish what was handed over, then close the files."""
        ...
