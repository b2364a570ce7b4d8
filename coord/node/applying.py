"""Applies committed entries to the store, in slices, and replaces the store by a snapshot.

Entries are applied exactly once, in order, on every member. While a received snapshot is being
loaded the old store goes on answering stale reads; then it is swapped whole.
"""

from collections.abc import Callable, Iterator

from coord.codec import decode_batch
from coord.frames import Batch
from coord.ids import LogIndex, Revision
from coord.node.cluster_time import ClusterTime
from coord.node.consensus import Consensus
from coord.node.streams import Streams
from coord.node.writes import Writes
from coord.raft.membership import decode_membership
from coord.raft.messages import Entry, EntryKind, SnapshotMeta
from coord.store.machine import Store
from coord.store.restore import SnapshotLoader

_LOAD_SLICE_MS = 10.0  # of one turn given to loading a snapshot


class Applying:
    """The store and its place in the log."""

    def __init__(
        self,
        store: Store,
        meta: SnapshotMeta,
        consensus: Consensus,
        writes: Writes,
        streams: Streams,
    ) -> None:
        self.store = store
        self.membership = meta.membership
        """As of the last applied entry."""
        self.term = meta.term
        """Of the last applied entry."""
        self.index = LogIndex(meta.index)
        """Of the last applied entry, empty ones included."""
        self.applied_bytes = 0
        """Payload bytes applied since the log in memory was last compacted."""
        self._consensus = consensus
        self._writes = writes
        self._streams = streams
        self._loading: tuple[SnapshotMeta, SnapshotLoader, Iterator[bytes]] | None = None

    @property
    def backlog(self) -> bool:
        """Whether there is more to do without new input."""
        return bool(self._consensus.committed) or self._loading is not None

    def apply_slice(self, entries_max: int, ops_max: int, time: ClusterTime, now_ms: float) -> None:
        """Apply committed entries and tell watches and writers.

        Args:
            entries_max: after so many, or
            ops_max: after the entry that brings the operations to so many, the loop goes on.
            time: restarted from each entry's stamp while this node follows.
            now_ms: the node's clock.
        """
        if self._loading is not None:
            return
        committed = self._consensus.committed
        ops = 0
        for _ in range(min(entries_max, len(committed))):
            entry = committed.popleft()
            assert entry.index == self.index + 1, (entry.index, self.index)
            if entry.kind is EntryKind.NORMAL:
                ops += self._apply_batch(entry, time, now_ms)
            elif entry.kind is EntryKind.CONFIG:
                # One that cannot be read was not taken by the core at append either.
                self.membership = decode_membership(entry.payload) or self.membership
            self.index = LogIndex(entry.index)
            self.term = entry.term
            self.applied_bytes += len(entry.payload)
            if ops >= ops_max:
                break

    def _apply_batch(self, entry: Entry, time: ClusterTime, now_ms: float) -> int:
        """Apply one entry's batch; return how many operations it held."""
        batch: Batch | None = self._writes.recall(entry)
        if batch is None:
            batch = decode_batch(entry.payload)
        applied = self.store.apply(LogIndex(entry.index), batch)
        if not self._consensus.leads:
            time.restart(self.store.time_ms, now_ms)
        leader = self._consensus.standing.leader
        ops = 0
        for frame, replies in zip(batch.frames, applied.replies, strict=True):
            ops += len(replies)
            self._writes.answer(frame, replies, leader)
        self._streams.publish(self.store, applied.first_revision, applied.last_revision)
        return ops

    def start_loading(self, meta: SnapshotMeta, chunks: Iterator[bytes]) -> None:
        """Begin to replace the store by the snapshot just installed."""
        self._loading = (meta, SnapshotLoader(), chunks)

    def load_slice(self, now_ms: Callable[[], float]) -> SnapshotMeta | None:
        """Load for a few milliseconds; return the snapshot's meta once the store is replaced."""
        if self._loading is None:
            return None
        meta, loader, chunks = self._loading
        until_ms = now_ms() + _LOAD_SLICE_MS
        for chunk in chunks:
            loader.feed(chunk)
            if now_ms() >= until_ms:
                return None
        self._replace(meta, loader.finish())
        return meta

    def _replace(self, meta: SnapshotMeta, store: Store) -> None:
        self._loading = None
        assert store.applied_index <= meta.index, "a snapshot from the future of its own meta"
        self._streams.all_fall_behind(Revision(self.store.revision))
        self.store = store
        self.index = LogIndex(meta.index)
        self.term = meta.term
        self.membership = meta.membership
