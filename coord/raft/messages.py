"""What goes into the Raft core and what comes out of it: messages, events, effects.

Messages are msgspec structs because they travel; events and effects are attrs classes because
they do not. A payload is bytes throughout: Raft never looks inside.
"""

from enum import IntEnum

import attrs
import msgspec

from coord.ids import LogIndex, NodeId, Term


class EntryKind(IntEnum):
    """What an entry's payload is for."""

    NORMAL = 0  #: the application's
    NOOP = 1  #: made by a new leader, to commit what earlier terms left (section 5.4.2, 8)
    CONFIG = 2  #: a member list, in force from append (section 6)


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One place of the log."""

    index: int
    term: int
    kind: EntryKind
    payload: bytes


class Membership(msgspec.Struct, frozen=True, array_like=True):
    """Who votes and who only listens. `outgoing` is non-empty during joint consensus.

    All tuples are sorted, so that equal memberships are equal values.
    """

    voters: tuple[int, ...]
    learners: tuple[int, ...] = ()
    outgoing: tuple[int, ...] = ()


class HardState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What must survive a crash beside the entries. `commit` is a hint, never ahead of the log."""

    term: int = 0
    vote: int = 0
    commit: int = 0


class SnapshotMeta(msgspec.Struct, frozen=True, array_like=True):
    """Which prefix of the log a snapshot replaces, and the members at that point."""

    index: int
    term: int
    membership: Membership


# --- messages between members -----------------------------------------------------------------


class _Message(msgspec.Struct, frozen=True, array_like=True):
    """Every message names its cluster, receiver, sender and the sender's term."""

    cluster: int
    to: int
    sender: int
    term: int


class PreVote(_Message, frozen=True, array_like=True, tag=1):
    """Would you vote for me in `term` (one above mine)? Changes nobody's state (thesis 9.6)."""

    last_index: int
    last_term: int


class PreVoteReply(_Message, frozen=True, array_like=True, tag=2):
    """`term` is the asked-for term when granted, the refuser's own otherwise."""

    granted: bool


class Vote(_Message, frozen=True, array_like=True, tag=3):
    """RequestVote. `transfer`: the leader asked for this, so stickiness does not apply."""

    last_index: int
    last_term: int
    transfer: bool = False


class VoteReply(_Message, frozen=True, array_like=True, tag=4):
    """Sent only after the vote is durable."""

    granted: bool


class Append(_Message, frozen=True, array_like=True, tag=5):
    """AppendEntries with at least one entry, or a probe with none."""

    prev_index: int
    prev_term: int
    commit: int
    entries: tuple[Entry, ...] = ()


class AppendReply(_Message, frozen=True, array_like=True, tag=6):
    """Accepted: `match` is durable here. Rejected: `match` is 0 and the hint says where to probe.

    `prev_index` echoes the question, so that a stale rejection is told apart.
    """

    prev_index: int
    match: int
    rejected: bool = False
    hint_index: int = 0
    hint_term: int = 0


class Heartbeat(_Message, frozen=True, array_like=True, tag=7):
    """`commit` is at most what the leader knows the follower to hold.

    `round` numbers the leadership proofs for reads; it only grows within a term.
    """

    commit: int
    round: int


class HeartbeatReply(_Message, frozen=True, array_like=True, tag=8):
    """Echoes the round."""

    round: int


class InstallSnapshot(_Message, frozen=True, array_like=True, tag=9):
    """One chunk of a snapshot; stop-and-wait, `offset` bytes were before it."""

    meta: SnapshotMeta
    total_bytes: int
    offset: int
    chunk: bytes


class SnapshotReply(_Message, frozen=True, array_like=True, tag=10):
    """`next_offset` is what the follower has stored; `done`: installed and durable."""

    index: int
    next_offset: int
    done: bool = False
    rejected: bool = False


class ReadIndex(_Message, frozen=True, array_like=True, tag=11):
    """A follower asks the leader for a read index, under its own unique `context`."""

    context: int


class ReadIndexReply(_Message, frozen=True, array_like=True, tag=12):
    """`index` 0: not served; ask again."""

    context: int
    index: int


class Commit(_Message, frozen=True, array_like=True, tag=14):
    """Committed up to `index`, an entry of `index_term`; nobody answers, heartbeats tell again."""

    index: int
    index_term: int


class TimeoutNow(_Message, frozen=True, array_like=True, tag=13):
    """Leadership transfer: campaign at once (thesis 3.10)."""


_Election = PreVote | PreVoteReply | Vote | VoteReply | TimeoutNow
_Replication = Append | AppendReply | Heartbeat | HeartbeatReply | Commit
_Rest = InstallSnapshot | SnapshotReply | ReadIndex | ReadIndexReply

Message = _Election | _Replication | _Rest


# --- events: everything that can happen to the core ---------------------------------------------


@attrs.frozen
class Tick:
    """One tick of the shell's clock has passed."""


@attrs.frozen
class Received:
    """A message arrived; the core checks cluster, receiver and sender itself."""

    message: Message


@attrs.frozen
class Propose:
    """Append these payloads, one entry each, if this node leads. Effects.proposed answers."""

    payloads: tuple[bytes, ...]


@attrs.frozen
class ProposeMembership:
    """Append a member list, if this node leads and no other change is in flight."""

    membership: Membership


@attrs.frozen
class Read:
    """Find an index at which a read is linearizable. `context` must be unique for this node."""

    context: int


@attrs.frozen
class Written:
    """The Write with this ticket, and all before it, is durable."""

    ticket: int


@attrs.frozen
class Compacted:
    """The shell no longer needs entries up to `index` (applied, and enough kept for peers)."""

    index: LogIndex


@attrs.frozen
class SnapshotAvailable:
    """A durable snapshot of `size_bytes` can be read from for sending."""

    meta: SnapshotMeta
    size_bytes: int


@attrs.frozen
class ChunkRead:
    """The bytes asked for by ChunkWanted. `total_bytes` 0: that snapshot is gone."""

    to: NodeId
    meta: SnapshotMeta
    total_bytes: int
    offset: int
    chunk: bytes


@attrs.frozen
class ChunkStored:
    """A received chunk is in the temporary file; `next_offset` bytes are there now."""

    meta: SnapshotMeta
    next_offset: int


@attrs.frozen
class SnapshotInstalled:
    """The received snapshot is verified, durable and named by the write-ahead log.

    `accepted` False: it was damaged and thrown away; the old state stands.
    """

    meta: SnapshotMeta
    accepted: bool = True


@attrs.frozen
class Transfer:
    """Hand leadership to `target` (0: the most advanced voter)."""

    target: NodeId


Event = (
    Tick
    | Received
    | Propose
    | ProposeMembership
    | Read
    | Written
    | Compacted
    | SnapshotAvailable
    | ChunkRead
    | ChunkStored
    | SnapshotInstalled
    | Transfer
)


# --- effects: everything the core asks of the shell ----------------------------------------------


class Role(IntEnum):
    """What a node is doing in its term."""

    FOLLOWER = 0
    PRE_CANDIDATE = 1
    CANDIDATE = 2
    LEADER = 3


@attrs.frozen
class Write:
    """Make this durable, in ticket order, then report Written(ticket).

    `entries` replace the log from entries[0].index on. `hard_state` None: unchanged.
    """

    ticket: int
    hard_state: HardState | None
    entries: tuple[Entry, ...]


@attrs.frozen
class Proposed:
    """Answer to Propose: where the payloads stand, or index 0 when refused."""

    first_index: LogIndex
    term: Term


@attrs.frozen
class ReadReady:
    """Serve the reads under `context` once `index` is applied. index 0: failed, ask again."""

    context: int
    index: LogIndex


@attrs.frozen
class Standing:
    """Role, leader (0: none known) and term, after a step in which any of them changed."""

    role: Role
    leader: NodeId
    term: Term


@attrs.frozen
class SnapshotWanted:
    """A peer needs a snapshot at least as new as `min_index`; answer with SnapshotAvailable."""

    min_index: LogIndex


@attrs.frozen
class ChunkWanted:
    """Read one chunk of the available snapshot and report it as ChunkRead."""

    to: NodeId
    meta: SnapshotMeta
    offset: int


@attrs.frozen
class ChunkReceived:
    """Store this chunk (offset 0 starts a new temporary file) and report ChunkStored.

    When `last`, verify, make durable, and report SnapshotInstalled instead; entries of the log
    that the snapshot covers may go, those after it must go too unless `keep_suffix`.
    """

    meta: SnapshotMeta
    total_bytes: int
    offset: int
    chunk: bytes
    last: bool
    keep_suffix: bool


@attrs.frozen
class Effects:
    """What one step asks for. Empty tuples and None where there is nothing.

    The order law: `messages` may leave at once: the core itself withholds every message that
    promises something not yet durable until the Written that makes it true. `committed` is
    durable on a quorum and may be applied at once, even before this node's own write ends.
    """

    write: Write | None = None
    messages: tuple[Message, ...] = ()
    committed: tuple[Entry, ...] = ()
    reads: tuple[ReadReady, ...] = ()
    proposed: Proposed | None = None
    standing: Standing | None = None
    membership: Membership | None = None
    snapshot_wanted: SnapshotWanted | None = None
    chunks_wanted: tuple[ChunkWanted, ...] = ()
    chunk_received: ChunkReceived | None = None
