"""Writes snapshots of the store while it goes on serving.

The store gives its state at one moment in slices of a millisecond or two; each turn of the loop
takes at most one and hands it to the storage, which writes on its own thread. The storage's
backlog is the brake.
"""

from collections.abc import Iterator

from coord.ids import LogIndex
from coord.node.settings import NodeSettings
from coord.raft.messages import Membership, SnapshotAvailable, SnapshotMeta
from coord.store.machine import Store
from coord.wal.port import SnapshotSaved, Storage

_BACKLOG_BYTES_MAX = 8 * 1024 * 1024  # handed over and not yet written
_RETRY_LOG_BYTES = 8 * 1024 * 1024  # more log before a snapshot that found no room is tried again


class Saving:
    """At most one snapshot being written, and the newest one that is durable."""

    def __init__(
        self, settings: NodeSettings, storage: Storage, newest: SnapshotMeta | None
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._newest = newest
        self._size_bytes = 0  # 0: not known, as after a restart; each chunk read tells it
        self._wanted_index = 0
        self._meta: SnapshotMeta | None = None
        self._slices: Iterator[bytes] | None = None
        self._held: bytes | None = None
        self._retry_log_bytes = 0

    @property
    def busy(self) -> bool:
        """Whether slices are still to be taken from the store."""
        return self._slices is not None

    @property
    def can_go_on(self) -> bool:
        """Whether the storage has room for another slice."""
        return self.busy and self._storage.saving_backlog_bytes < _BACKLOG_BYTES_MAX

    @property
    def _newest_index(self) -> int:
        return self._newest.index if self._newest is not None else 0

    def want(self, min_index: LogIndex) -> SnapshotAvailable | None:
        """Ask for a snapshot at least as new as `min_index`, for a peer.

        Returns:
            The newest durable one if it is new enough; else None, and one will be written.
        """
        if self._newest is not None and self._newest.index >= min_index:
            return SnapshotAvailable(self._newest, self._size_bytes)
        self._wanted_index = max(self._wanted_index, min_index)
        return None

    def maybe_start(self, store: Store, index: LogIndex, term: int, membership: Membership) -> bool:
        """Start a snapshot if the log has grown enough or a peer needs one.

        Args:
            store: the state the snapshot shall hold.
            index: of the last entry applied.
            term: of that entry.
            membership: in force at that index.
        """
        if self._meta is not None or index <= self._newest_index:
            return False
        enough = max(self._settings.snapshot_log_bytes, self._retry_log_bytes)
        grown = self._storage.log_bytes >= enough
        if not grown and self._wanted_index <= self._newest_index:
            return False
        self._meta = SnapshotMeta(index, term, membership)
        self._slices = store.snapshot(self._settings.snapshot_chunk_bytes)
        return True

    def go_on(self) -> None:
        """Move one slice from the store to the storage, if the storage has room."""
        if self._slices is None or self._meta is None or not self.can_go_on:
            return
        # One slice is held back, so that the last one can be marked as such.
        following = next(self._slices, None)
        if self._held is not None:
            self._storage.save_chunk(self._meta, self._held, following is None)
        self._held = following
        if following is None:
            self._slices = None

    def saved(self, saved: SnapshotSaved) -> None:
        """Note that a snapshot is durable; or, by size 0, that there was no room for it.

        Word of one that was given up is late: another may be under way by now.
        """
        if saved.meta != self._meta:
            return
        self._meta = None
        if saved.size_bytes == 0:
            # Not at once again on a full disk: when the log has grown some more.
            self._retry_log_bytes = self._storage.log_bytes + _RETRY_LOG_BYTES
            self._wanted_index = 0
            return
        self._retry_log_bytes = 0
        self._newest, self._size_bytes = saved.meta, saved.size_bytes

    def abandon(self) -> None:
        """Give up the snapshot being written: the store it came from was replaced."""
        if self._meta is not None:
            self._storage.abandon_save()
        self._meta = None
        self._slices = None
        self._held = None

    def replaced(self, meta: SnapshotMeta) -> None:
        """Note that a snapshot from the leader took the place of what was here."""
        self._newest, self._size_bytes = meta, 0
        self._wanted_index = 0
