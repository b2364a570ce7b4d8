"""The consensus core: one door, events in, effects out.

Dispatch only: what a role does lives in follower, candidate and leader; what every role shares
in state. Pure: no clock, no luck but `draw`, no I/O; the same events give the same effects.
"""

from collections.abc import Callable
from typing import Any

from coord.ids import LogIndex, NodeId, Term
from coord.raft import votes
from coord.raft.candidate import Candidate, PreCandidate
from coord.raft.follower import Follower
from coord.raft.leader import Leader
from coord.raft.messages import (
    Append,
    AppendReply,
    ChunkRead,
    ChunkStored,
    Commit,
    Compacted,
    Effects,
    Event,
    Heartbeat,
    InstallSnapshot,
    Membership,
    Message,
    PreVote,
    PreVoteReply,
    Propose,
    ProposeMembership,
    Read,
    Received,
    Role,
    SnapshotAvailable,
    SnapshotInstalled,
    SnapshotMeta,
    Tick,
    Transfer,
    Vote,
    Written,
)
from coord.raft.progress import Progress
from coord.raft.sanity import is_sensible
from coord.raft.settings import RaftSettings, Restored
from coord.raft.snapshots import SnapshotReceiver
from coord.raft.state import Behaviour, State

_FROM_LEADER = (Append, Commit, Heartbeat, InstallSnapshot)


class RaftCore:
    """One member's part in the consensus.

    The first step hands over, as committed, the entries known to be committed that the restored
    snapshot does not cover.

    Args:
        settings: identity and bounds.
        restored: what was on disk, all durable.
        draw: returns a random number from low to high, both included. The seed must differ
            between nodes and between lives of one node.

    Raises:
        Corruption: a restored member list cannot be read.
    """

    def __init__(
        self, settings: RaftSettings, restored: Restored, draw: Callable[[int, int], int]
    ) -> None:
        self._state = State(settings, restored, draw)
        self._receiver = SnapshotReceiver(self._state)
        self._turns = _Turns(self)
        self._role = Behaviour(self._state, self._turns)
        self._follow(self._state.term, 0)
        if self.membership.voters == (settings.node,) and not self.membership.outgoing:
            self._state.timeout_ticks = 1  # alone: there is nobody to wait for
        self._on: dict[type, Callable[[Any], None]] = {
            Tick: self._on_tick,
            Received: self._on_received,
            Propose: lambda event: self._role.on_propose(event),
            ProposeMembership: lambda event: self._role.on_propose_membership(event),
            Read: lambda event: self._role.on_read(event.context),
            Written: self._on_written,
            Compacted: self._on_compacted,
            SnapshotAvailable: self._on_snapshot_available,
            ChunkRead: self._on_chunk_read,
            ChunkStored: self._receiver.on_stored,
            SnapshotInstalled: self._receiver.on_installed,
            Transfer: lambda event: self._role.on_transfer(event),
        }

    def step(self, event: Event) -> Effects:
        """Let one thing happen.

        Never raises for the content of a message: what cannot be true is refused without a
        change and counted in `refused`.

        Args:
            event: what happened. The shell reports in order; see each event's contract.

        Returns:
            What to do about it, to be carried out before the next step's.
        """
        self._on[type(event)](event)
        return self._state.collect()

    # --- what the shell may look at --------------------------------------------------------

    @property
    def role(self) -> Role:
        """What this node is doing in its term."""
        return self._state.role

    @property
    def is_leader(self) -> bool:
        """Whether this node leads its term, as far as it knows."""
        return self._state.role is Role.LEADER

    @property
    def term(self) -> Term:
        """The present term."""
        return Term(self._state.term)

    @property
    def leader(self) -> NodeId:
        """The leader of the term, 0 when none is known."""
        return NodeId(self._state.leader)

    @property
    def commit(self) -> LogIndex:
        """The last index known to be committed."""
        return LogIndex(self._state.log.commit)

    @property
    def first_index(self) -> LogIndex:
        """The first index kept in memory (one above the last when none is)."""
        return LogIndex(self._state.log.base_index + 1)

    @property
    def last_index(self) -> LogIndex:
        """The last index in the log, durable or not."""
        return LogIndex(self._state.log.last_index)

    @property
    def durable_index(self) -> LogIndex:
        """The last index that this node's disk holds."""
        return LogIndex(self._state.log.durable)

    @property
    def membership(self) -> Membership:
        """The member list in force, committed or not."""
        return self._state.members.current

    @property
    def refused(self) -> int:
        """Messages refused so far because they could not be true or were for somebody else."""
        return self._state.refused

    @property
    def transferee(self) -> NodeId:
        """Whom this leader is handing over to, 0 when nobody."""
        return NodeId(self._role.transferee if isinstance(self._role, Leader) else 0)

    @property
    def followers(self) -> tuple[Progress, ...]:
        """What a leader knows of the others, to look at only; empty elsewhere."""
        return tuple(self._role.followers) if isinstance(self._role, Leader) else ()

    def snapshot_meta(self, index: int) -> SnapshotMeta:
        """Describe a snapshot of the state after `index`.

        Args:
            index: applied, and not compacted further than that.
        """
        state = self._state
        assert state.log.base_index <= index <= state.handed
        return SnapshotMeta(index, state.log.term_at(index), state.members.at(index))

    # --- turns from role to role -----------------------------------------------------------

    def _become(self, role: Behaviour) -> None:
        self._role.leave()
        self._role = role

    def _follow(self, term: int, leader: int) -> None:
        follower = Follower(self._state, self._turns, self._receiver)
        self._become(follower)
        follower.begin(term, leader)

    # --- events ----------------------------------------------------------------------------

    def _on_tick(self, _event: Tick) -> None:
        self._role.on_tick()

    def _on_written(self, event: Written) -> None:
        self._state.end_write(event.ticket)
        self._role.on_durable()
        self._receiver.on_durable()

    def _on_compacted(self, event: Compacted) -> None:
        state = self._state
        index = min(int(event.index), state.handed)
        if isinstance(self._role, Leader):
            index = self._role.compact_limit(index)
        state.log.compact(index)
        state.members.compact(state.log.base_index)

    def _on_snapshot_available(self, event: SnapshotAvailable) -> None:
        if isinstance(self._role, Leader):
            self._role.on_snapshot_available(event)

    def _on_chunk_read(self, event: ChunkRead) -> None:
        if isinstance(self._role, Leader):
            self._role.on_chunk_read(event)

    def _on_received(self, event: Received) -> None:
        state = self._state
        message = event.message
        if not is_sensible(message, state.settings.cluster, state.node):
            state.refused += 1
            return
        if message.term > state.term:
            if not self._take_newer(message):
                return
        elif message.term < state.term:
            self._answer_older(message)
            return
        elif isinstance(message, _FROM_LEADER):
            if state.role is Role.LEADER:
                state.refused += 1  # two leaders in one term cannot be
                return
            if state.role is not Role.FOLLOWER:
                self._follow(state.term, message.sender)
        if isinstance(message, (PreVote, Vote)):
            votes.answer(state, message)
            return
        handler = self._role.handlers.get(type(message))
        if handler is not None:
            handler(message)

    def _take_newer(self, message: Message) -> bool:
        """Enter the newer term of a message where it asks for that; False: pass it over."""
        if isinstance(message, (PreVote, Vote)) and votes.ignores_newer(self._state, message):
            return False
        if isinstance(message, PreVote):
            return True
        if isinstance(message, PreVoteReply) and message.granted:
            return True  # names the term asked for, which nobody has entered
        is_leader = isinstance(message, _FROM_LEADER)
        self._follow(message.term, message.sender if is_leader else 0)
        return True

    def _answer_older(self, message: Message) -> None:
        """Tell those behind what the term is, where silence could leave them stuck."""
        state = self._state
        if isinstance(message, (PreVote, Vote)):
            votes.refuse_older(state, message)
        elif isinstance(message, _FROM_LEADER):
            # A leader of an older term may be the one that a majority still follows, while we
            # ignore it and cannot win: the higher term in our answer makes it step down.
            prev = message.prev_index if isinstance(message, Append) else 0
            head = (state.settings.cluster, message.sender, state.node, state.term)
            state.send(AppendReply(*head, prev, 0, True))


class _Turns:
    """The turns that roles may ask for."""

    def __init__(self, core: RaftCore) -> None:
        self._core = core

    def become_follower(self, term: int, leader: int) -> None:
        self._core._follow(term, leader)

    def become_pre_candidate(self) -> None:
        core = self._core
        role = PreCandidate(core._state, self)
        core._become(role)
        role.begin()

    def become_candidate(self, transfer: bool) -> None:
        core = self._core
        role = Candidate(core._state, self)
        core._become(role)
        role.begin(transfer)

    def become_leader(self) -> None:
        core = self._core
        role = Leader(core._state, self)
        core._become(role)
        role.begin()
