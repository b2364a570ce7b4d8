"""Carries out what the Raft core asks: writes to storage, messages to peers.

What concerns the rest of the node (committed entries, read indexes, a change of standing) is
left in public queues for the loop to take; nothing here calls back.
"""

from collections import deque

from coord.ids import LogIndex, NodeId, Term
from coord.node.peers import peer_frames
from coord.raft.core import RaftCore
from coord.raft.messages import (
    Commit,
    Effects,
    Entry,
    Event,
    Message,
    Proposed,
    ReadReady,
    Role,
    Standing,
)
from coord.wal.port import Storage
from transport.base import PeerTransport


class Consensus:
    """One node's part in the cluster's agreement."""

    def __init__(self, core: RaftCore, storage: Storage, peers: PeerTransport) -> None:
        self.core = core
        self.committed: deque[Entry] = deque()
        """Entries to apply, in order, each exactly once."""
        self.reads: list[ReadReady] = []
        """Read indexes found (or failed) since the loop last looked."""
        self.standing = Standing(core.role, NodeId(core.leader), Term(core.term))
        self.standing_changed = False
        self.serving_term = Term(0)
        """The term of which this node, leading it, has applied the first entry."""
        self.snapshot_wanted: LogIndex | None = None
        self._news: list[Message] = []
        self._storage = storage
        self._peers = peers

    @property
    def leads(self) -> bool:
        """Whether this node believes to lead."""
        return self.standing.role is Role.LEADER

    @property
    def serves(self) -> bool:
        """Whether this node leads and has applied all that earlier terms left behind."""
        return self.leads and self.serving_term == self.standing.term

    def step(self, event: Event) -> Proposed | None:
        """Feed one event to the core and carry out its effects.

        Messages leave first: a follower's disk is further away than this node's own, and both
        must be done before anybody is answered. The core itself withholds what must wait.

        Returns:
            Where proposed payloads stand, if the event proposed any.
        """
        effects = self.core.step(event)
        for message in effects.messages:
            if type(message) is Commit:
                self._news.append(message)
            else:
                self._send(message)
        if effects.write is not None:
            self._storage.write(effects.write)
        if effects.committed:
            self.committed.extend(effects.committed)
        if effects.reads:
            self.reads.extend(effects.reads)
        if effects.standing is not None:
            self.standing = effects.standing
            self.standing_changed = True
        self._move_snapshots(effects)
        return effects.proposed

    def send_news(self) -> None:
        """Tell followers the commit index, last in a turn: clients' answers come first."""
        for message in self._news:
            self._send(message)
        self._news.clear()

    def _move_snapshots(self, effects: Effects) -> None:
        if effects.snapshot_wanted is not None:
            self.snapshot_wanted = effects.snapshot_wanted.min_index
        for wanted in effects.chunks_wanted:
            self._storage.read_chunk(wanted)
        if effects.chunk_received is not None:
            self._storage.store_chunk(effects.chunk_received)

    def _send(self, message: Message) -> None:
        # A dropped message is Raft's daily bread: it is repeated or made up for.
        self._peers.send(message.to, peer_frames.encode(message))
