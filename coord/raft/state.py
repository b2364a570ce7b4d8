"""What a node is in every role: term, vote, log, members, timer, and the effects of this step.

Roles change it; core collects the effects once at the end of a step. Leaves out what only one
role knows (votes received, followers' progress).
"""

from collections.abc import Callable
from typing import Any, Protocol

from coord.ids import LogIndex, NodeId, Term
from coord.raft.log import Log
from coord.raft.membership import MembershipLog
from coord.raft.messages import (
    ChunkReceived,
    ChunkWanted,
    Effects,
    Entry,
    EntryKind,
    HardState,
    Membership,
    Message,
    Propose,
    Proposed,
    ProposeMembership,
    ReadReady,
    Role,
    SnapshotWanted,
    Standing,
    Transfer,
    Write,
)
from coord.raft.promises import Promises
from coord.raft.settings import RaftSettings, Restored

NOTHING = Effects()
_CONTEXT_DRAW_MAX = 2**62 - 1
REFUSED = Proposed(LogIndex(0), Term(0))


class Transitions(Protocol):
    """How a role hands over to the next one. The caller must not touch its own role after."""

    def become_follower(self, term: int, leader: int) -> None:
        """Follow `leader` (0: none known) in `term`, the present one or newer."""
        ...

    def become_pre_candidate(self) -> None:
        """Ask whether an election would be won."""
        ...

    def become_candidate(self, transfer: bool) -> None:
        """Stand for election in the next term."""
        ...

    def become_leader(self) -> None:
        """Lead the present term."""
        ...


class Behaviour:
    """What a role does with events; by default it refuses or ignores them."""

    def __init__(self, state: "State", transitions: Transitions) -> None:
        self._state = state
        self._turn = transitions
        self.handlers: dict[type, Callable[[Any], None]] = {}
        """What to do with each kind of message of the present term; others are ignored."""

    def on_tick(self) -> None:
        """Let one tick pass."""

    def on_propose(self, event: Propose) -> None:
        """Refuse: only a leader appends."""
        self._state.proposed = REFUSED

    def on_propose_membership(self, event: ProposeMembership) -> None:
        """Refuse: only a leader appends."""
        self._state.proposed = REFUSED

    def on_read(self, context: int) -> None:
        """Fail: nobody to ask is known."""
        self._state.answer_read(context, 0)

    def on_durable(self) -> None:
        """Act on what became durable."""

    def on_transfer(self, event: Transfer) -> None:
        """Ignore: only a leader can hand over."""

    def leave(self) -> None:
        """Let go of what this role promised to others."""


class State:
    """The part of a node that outlives its roles. Only coord.raft touches it."""

    __slots__ = (
        "_acks",
        "_commit_written",
        "_context",
        "_draw",
        "_hard_written",
        "_members_told",
        "_standing_told",
        "_unwritten_from",
        "chunk_received",
        "chunks_wanted",
        "elapsed_ticks",
        "handed",
        "is_installing",
        "leader",
        "log",
        "members",
        "messages",
        "node",
        "promises",
        "proposed",
        "reads",
        "refused",
        "role",
        "settings",
        "snapshot_wanted",
        "term",
        "timeout_ticks",
        "vote",
    )

    def __init__(
        self, settings: RaftSettings, restored: Restored, draw: Callable[[int, int], int]
    ) -> None:
        base = restored.snapshot
        hard = restored.hard_state
        self.settings = settings
        self.node = settings.node
        self._draw = draw
        entries = [entry for entry in restored.entries if entry.index > base.index]
        if entries and entries[0].term < base.term:
            entries = []  # what the snapshot's log has replaced: no leader's log holds both
        self.log = Log(base.index, base.term, entries)
        self.members = MembershipLog(base.index, base.membership)
        for entry in entries:
            if entry.kind is EntryKind.CONFIG:
                self.members.append(entry)
        self.log.commit_to(max(base.index, min(hard.commit, self.log.last_index)))
        self.handed = base.index  #: last index given out as committed
        self.term = max(hard.term, self.log.last_term)
        self.vote = hard.vote if hard.term == self.term else 0
        self.role = Role.FOLLOWER
        self.leader = 0
        self.promises = Promises()
        self.refused = 0
        self.is_installing = False  #: the last chunk of a snapshot is with the storage
        self.elapsed_ticks = 0
        self.timeout_ticks = 0
        self._hard_written = (hard.term, hard.vote)
        self._commit_written = hard.commit
        self._members_told = self.members.current
        self._standing_told = (Role.FOLLOWER, 0, self.term)
        self._unwritten_from = 0
        self._context = draw(1, _CONTEXT_DRAW_MAX)
        self._acks: list[tuple[Message, int]] = []
        self.messages: list[Message] = []
        self.reads: list[ReadReady] = []
        self.proposed: Proposed | None = None
        self.snapshot_wanted: SnapshotWanted | None = None
        self.chunks_wanted: list[ChunkWanted] = []
        self.chunk_received: ChunkReceived | None = None

    # --- the timer -------------------------------------------------------------------------

    def restart_timer(self) -> None:
        """Wait a whole new random timeout; drawn anew so that no two nodes stay in step."""
        ticks = self.settings.election_ticks
        self.elapsed_ticks = 0
        self.timeout_ticks = self._draw(ticks, 2 * ticks - 1)

    def new_context(self) -> int:
        """Return a number for a question, used in no other life of this node either."""
        self._context += 1
        return self._context

    def hears_leader(self) -> bool:
        """Whether a leader was heard within the shortest election timeout (section 4.2.3)."""
        if self.role is Role.LEADER:
            return True
        return self.leader != 0 and self.elapsed_ticks < self.settings.election_ticks

    # --- the log ---------------------------------------------------------------------------

    def append(self, entries: tuple[Entry, ...] | list[Entry]) -> None:
        """Add entries to the log and to this step's write."""
        self.log.append(entries)
        first = entries[0].index
        if not self._unwritten_from or first < self._unwritten_from:
            self._unwritten_from = first
        for entry in entries:
            if entry.kind is EntryKind.CONFIG:
                self.members.append(entry)

    def truncate_after(self, index: int) -> None:
        """Cut the log, and take back member lists that were cut."""
        self.log.truncate_after(index)
        self.members.truncate_after(index)

    # --- effects ---------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Send once the present term and vote are durable."""
        self.messages.append(message)

    def send_when_durable(self, message: Message, index: int) -> None:
        """Send once the log up to `index` is durable too."""
        self._acks.append((message, index))

    def answer_read(self, context: int, index: int) -> None:
        """Tell the shell about one of its reads; index 0: failed."""
        self.reads.append(ReadReady(context, LogIndex(index)))

    def end_write(self, ticket: int) -> None:
        """Note what a write made durable, and let go of the messages that waited for it."""
        self.log.end_write(ticket)
        self.messages.extend(self.promises.end_write(ticket, self.term))

    def collect(self) -> Effects:
        """Hand over what this step asks for."""
        write = self._collect_write()
        if self._acks:
            self._release_acks()
        messages = self.messages
        if messages and not self.promises.is_hard_durable:
            for message in messages:
                self.promises.hold(message, self.promises.hard_ticket)
            messages.clear()
        log = self.log
        if log.commit == self.handed and write is None and not messages and self._is_quiet():
            return NOTHING
        committed: tuple[Entry, ...] = ()
        if log.commit > self.handed:
            committed = log.between(self.handed + 1, log.commit)
            self.handed = log.commit
        effects = Effects(
            write,
            tuple(messages),
            committed,
            tuple(self.reads),
            self.proposed,
            self._news_of_standing(),
            self._news_of_members(),
            self.snapshot_wanted,
            tuple(self.chunks_wanted),
            self.chunk_received,
        )
        self._forget_step()
        return effects

    def _is_quiet(self) -> bool:
        return (
            not self.reads
            and self.proposed is None
            and not self.chunks_wanted
            and self.snapshot_wanted is None
            and self.chunk_received is None
            and self._members_told is self.members.current
            and self._standing_told == (self.role, self.leader, self.term)
        )

    def _collect_write(self) -> Write | None:
        hard = (self.term, self.vote)
        is_hard_new = hard != self._hard_written
        first = self._unwritten_from
        if not is_hard_new and not first:
            return None
        log = self.log
        ticket = self.promises.issue(is_hard_new, first != 0)
        entries: tuple[Entry, ...] = ()
        if first:
            entries = log.between(first, log.last_index)
            log.begin_write(ticket)
            self._unwritten_from = 0
        hard_state: HardState | None = None
        # Commit alone is not worth a write, but rides along: a restart then applies at once.
        if is_hard_new or log.commit > self._commit_written:
            hard_state = HardState(self.term, self.vote, log.commit)
            self._hard_written = hard
            self._commit_written = log.commit
        return Write(ticket, hard_state, entries)

    def _release_acks(self) -> None:
        promises = self.promises
        for message, index in self._acks:
            if index > self.log.durable:
                promises.hold(message, max(promises.log_ticket, promises.hard_ticket))
            else:
                self.messages.append(message)
        self._acks.clear()

    def _news_of_standing(self) -> Standing | None:
        standing = (self.role, self.leader, self.term)
        if standing == self._standing_told:
            return None
        self._standing_told = standing
        return Standing(self.role, NodeId(self.leader), Term(self.term))

    def _news_of_members(self) -> Membership | None:
        members = self.members.current
        if members is self._members_told:
            return None
        self._members_told = members
        return members

    def _forget_step(self) -> None:
        self.messages.clear()
        if self.reads:
            self.reads.clear()
        if self.chunks_wanted:
            self.chunks_wanted.clear()
        self.proposed = None
        self.snapshot_wanted = None
        self.chunk_received = None
