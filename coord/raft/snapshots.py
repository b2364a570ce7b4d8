"""Snapshots from leader to follower, a chunk at a time (section 7).

Stop-and-wait: the leader sends a chunk, the follower stores it and says how far it got. The
follower keeps its old state until the whole is verified and durable. What is already in the log
is never replaced: a snapshot at or before commit, or one that ends at an entry we hold, is
answered at once.
"""

import attrs

from coord.ids import LogIndex, NodeId
from coord.raft.messages import (
    ChunkRead,
    ChunkReceived,
    ChunkStored,
    ChunkWanted,
    InstallSnapshot,
    Role,
    SnapshotAvailable,
    SnapshotInstalled,
    SnapshotMeta,
    SnapshotReply,
    SnapshotWanted,
)
from coord.raft.progress import Progress, ProgressEvent, ProgressState, Shipment
from coord.raft.state import State


class SnapshotSender:
    """The leader's side, for all its followers."""

    __slots__ = ("_available", "_size_bytes", "_state")

    def __init__(self, state: State) -> None:
        self._state = state
        self._available: SnapshotMeta | None = None
        self._size_bytes = 0

    def begin(self, progress: Progress) -> None:
        """Turn to a snapshot for a follower whose next entry is gone.

        A silent follower is not sent one: its next heartbeat reply brings us back here.
        """
        if not progress.is_active:
            progress.is_probing = True
            return
        progress.change(ProgressEvent.COMPACTED)
        self.ship(progress)

    def ship(self, progress: Progress) -> None:
        """Start with the first chunk, or ask the shell for a snapshot that is new enough."""
        meta = self._available
        if meta is None or meta.index < self._state.log.base_index:
            self._state.snapshot_wanted = SnapshotWanted(LogIndex(self._state.log.base_index))
            return
        progress.shipment = Shipment(meta, self._size_bytes)
        self._want(progress.node, progress.shipment)

    def on_available(self, event: SnapshotAvailable, followers: list[Progress]) -> None:
        """Start for everyone who waits for a snapshot."""
        self._available = event.meta
        self._size_bytes = event.size_bytes
        for progress in followers:
            if progress.state is ProgressState.SNAPSHOT and progress.shipment is None:
                self.ship(progress)

    def on_chunk_read(self, event: ChunkRead, progress: Progress) -> None:
        """Send the chunk, unless the question is no longer ours."""
        shipment = progress.shipment
        if shipment is None or shipment.meta != event.meta or shipment.offset != event.offset:
            return
        if event.total_bytes == 0:
            if self._available == event.meta:
                self._available = None
            progress.shipment = None
            self.ship(progress)
            return
        shipment.total_bytes = event.total_bytes
        state = self._state
        head = (state.settings.cluster, progress.node, state.node, state.term)
        state.send(InstallSnapshot(*head, event.meta, event.total_bytes, event.offset, event.chunk))

    def on_reply(self, message: SnapshotReply, progress: Progress) -> bool:
        """Go on with the next chunk, or finish.

        Returns:
            Whether the follower now holds the snapshot and entries can follow.
        """
        if message.done:
            progress.accept(message.index)
            if progress.state is ProgressState.SNAPSHOT:
                progress.change(ProgressEvent.ACCEPTED)
            return True
        shipment = progress.shipment
        if shipment is None or message.index != shipment.meta.index:
            return False
        if message.rejected:
            self._abandon(progress)
            return False
        # Only forward, or back to the start: a late reply must not begin a second conversation.
        offset = message.next_offset
        is_forward = shipment.offset < offset < shipment.total_bytes
        if is_forward or (offset == 0 and shipment.offset != 0):
            shipment.offset = offset
            shipment.idle_ticks = 0
            self._want(progress.node, shipment)
        return False

    def on_tick(self, progress: Progress) -> None:
        """Repeat a chunk when nothing came back for an election timeout."""
        shipment = progress.shipment
        if shipment is None:
            return
        shipment.idle_ticks += 1
        if shipment.idle_ticks >= self._state.settings.election_ticks:
            shipment.idle_ticks = 0
            self._want(progress.node, shipment)

    def on_period(self, progress: Progress) -> None:
        """Leave a follower alone that was silent for a whole election timeout.

        For one that was heard, repeat a wish that the shell may have missed.
        """
        if progress.state is not ProgressState.SNAPSHOT:
            return
        if not progress.is_active:
            self._abandon(progress)
        elif progress.shipment is None:
            self.ship(progress)

    def _abandon(self, progress: Progress) -> None:
        progress.change(ProgressEvent.ABANDONED)
        progress.next = progress.match + 1
        progress.is_probing = True  # until its next heartbeat reply, or this would spin

    def _want(self, node: int, shipment: Shipment) -> None:
        self._state.chunks_wanted.append(ChunkWanted(NodeId(node), shipment.meta, shipment.offset))


@attrs.define
class _Incoming:
    """A snapshot being received. Another sender's bytes may be cut differently: never mixed."""

    sender: int
    term: int
    meta: SnapshotMeta
    total_bytes: int
    next_offset: int = 0

    def is_of(self, message: InstallSnapshot) -> bool:
        return (
            self.sender == message.sender
            and self.term == message.term
            and self.meta == message.meta
            and self.total_bytes == message.total_bytes
        )


class SnapshotReceiver:
    """The follower's side. One chunk at a time is with the storage."""

    __slots__ = ("_held", "_incoming", "_is_storing", "_state")

    def __init__(self, state: State) -> None:
        self._state = state
        self._incoming: _Incoming | None = None
        self._is_storing = False
        self._held: InstallSnapshot | None = None

    def on_chunk(self, message: InstallSnapshot) -> None:
        """Store the chunk if it is the next one, else say which is."""
        state = self._state
        meta = message.meta
        if state.is_installing:
            return
        if self._is_held(meta):
            self._incoming = None
            reply = self._reply(message.sender, meta.index, message.total_bytes, done=True)
            state.send_when_durable(reply, meta.index)
            return
        if self._is_storing:
            return  # its answer will say how far we are
        if self._incoming is None or not self._incoming.is_of(message):
            self._incoming = None
            if message.offset == 0:
                self._incoming = _Incoming(message.sender, message.term, meta, message.total_bytes)
        next_offset = self._incoming.next_offset if self._incoming else 0
        if self._incoming is None or message.offset != next_offset:
            state.send(self._reply(message.sender, meta.index, next_offset))
            return
        self._store(message)

    def on_durable(self) -> None:
        """Go on with a last chunk that had to wait for the log."""
        message = self._held
        if message is None or self._state.log.is_writing:
            return
        self._held = None
        state = self._state
        if message.term == state.term and message.sender == state.leader:
            self.on_chunk(message)

    def on_stored(self, event: ChunkStored) -> None:
        """Tell the leader how far we are, if it is still the one who sends."""
        self._is_storing = False
        incoming = self._incoming
        if incoming is None or incoming.meta != event.meta:
            return
        incoming.next_offset = event.next_offset
        self._tell_sender(
            incoming, self._reply(incoming.sender, event.meta.index, event.next_offset)
        )

    def on_installed(self, event: SnapshotInstalled) -> None:
        """Stand on the snapshot from now on, or keep the old state when it was damaged."""
        state = self._state
        incoming = self._incoming
        self._incoming = None
        self._is_storing = False
        state.is_installing = False
        meta = event.meta
        if event.accepted:
            state.log.restart_at(meta.index, meta.term)
            state.members.restart_at(meta.index, meta.membership)
            state.handed = meta.index
        if incoming is not None:
            size = incoming.total_bytes if event.accepted else 0
            reply = self._reply(
                incoming.sender, meta.index, size, done=event.accepted, rejected=not event.accepted
            )
            self._tell_sender(incoming, reply)

    def _is_held(self, meta: SnapshotMeta) -> bool:
        """Whether the log already holds what the snapshot replaces; then commit reaches it."""
        log = self._state.log
        if meta.index <= log.commit:
            return True
        if log.term_at(meta.index) != meta.term:
            return False
        log.commit_to(meta.index)
        return True

    def _store(self, message: InstallSnapshot) -> None:
        state = self._state
        is_last = message.offset + len(message.chunk) == message.total_bytes
        if is_last and state.log.is_writing:
            # Entries that reached the disk after the snapshot would look like its suffix.
            self._held = message
            return
        self._is_storing = True
        state.is_installing = is_last
        # A log that holds the snapshot's end never gets here, so no suffix is worth keeping.
        state.chunk_received = ChunkReceived(
            message.meta,
            message.total_bytes,
            message.offset,
            message.chunk,
            is_last,
            keep_suffix=False,
        )

    def _tell_sender(self, incoming: _Incoming, reply: SnapshotReply) -> None:
        state = self._state
        if state.role is not Role.FOLLOWER or state.term != incoming.term:
            return
        if state.leader == incoming.sender:
            state.send(reply)

    def _reply(
        self, to: int, index: int, next_offset: int, done: bool = False, rejected: bool = False
    ) -> SnapshotReply:
        state = self._state
        head = (state.settings.cluster, to, state.node, state.term)
        return SnapshotReply(*head, index, next_offset, done, rejected)
