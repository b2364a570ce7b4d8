"""The leader: appends, replicates, commits, proves that it still leads, hands over.

Sections 5.3, 5.4.2, 6 and 8; thesis 3.10 (transfer), 4.2.2 (removing itself), 6.2 (check-quorum),
6.4 (reads), 10.2.1 (own write in parallel: it counts itself only up to what its disk holds).
"""

from coord.ids import LogIndex, Term
from coord.raft import quorum
from coord.raft.membership import all_nodes, encode_membership, is_allowed_step, is_voter
from coord.raft.messages import (
    AppendReply,
    ChunkRead,
    Entry,
    EntryKind,
    HeartbeatReply,
    Membership,
    Propose,
    Proposed,
    ProposeMembership,
    ReadIndex,
    ReadIndexReply,
    Role,
    SnapshotAvailable,
    SnapshotReply,
    TimeoutNow,
    Transfer,
)
from coord.raft.progress import Progress, ProgressEvent, ProgressState
from coord.raft.reads import Asker, ReadRounds
from coord.raft.replication import Replication
from coord.raft.state import REFUSED, Behaviour, State, Transitions


class Leader(Behaviour):
    """Leads one term, once."""

    def __init__(self, state: State, transitions: Transitions) -> None:
        super().__init__(state, transitions)
        self._replication = Replication(state)
        self._matches: dict[int, int] = {}
        self._reads = ReadRounds()
        self._heartbeat_ticks = 0
        self._uncommitted_bytes = 0
        self._first_own_index = 0
        self.transferee = 0  #: who is about to take over; nothing is proposed meanwhile
        self._transfer_ticks = 0
        self.handlers[AppendReply] = self._on_append_reply
        self.handlers[HeartbeatReply] = self._on_heartbeat_reply
        self.handlers[SnapshotReply] = self._on_snapshot_reply
        self.handlers[ReadIndex] = self._on_read_index

    @property
    def followers(self) -> list[Progress]:
        """Every other member, in order of node."""
        return list(self._replication.followers.values())

    def begin(self) -> None:
        """Take up the term with an empty entry, so that older terms' entries commit."""
        state = self._state
        log = state.log
        state.role = Role.LEADER
        state.leader = state.node
        state.elapsed_ticks = 0
        if log.commit < log.last_index:
            self._uncommitted_bytes = log.payload_bytes(log.commit + 1, log.last_index)
        self._follow_members()
        self._matches[state.node] = log.durable
        self._first_own_index = log.last_index + 1
        self._append(EntryKind.NOOP, (b"",))

    def leave(self) -> None:
        """Fail the shell's reads; a peer's are asked again by the peer."""
        self._fail_reads(self._reads.take_all())

    # --- time ------------------------------------------------------------------------------

    def on_tick(self) -> None:
        """Send heartbeats, and step down when no quorum was heard for an election timeout."""
        state = self._state
        state.elapsed_ticks += 1
        self._heartbeat_ticks += 1
        if state.elapsed_ticks >= state.settings.election_ticks:
            state.elapsed_ticks = 0
            if not self._check_quorum():
                self._turn.become_follower(state.term, 0)
                return
        self._fail_reads(self._reads.take_expired(state.settings.election_ticks))
        self._tick_transfer()
        for progress in self._replication.followers.values():
            if progress.shipment is not None:
                self._replication.snapshots.on_tick(progress)
        if self._heartbeat_ticks >= state.settings.heartbeat_ticks:
            self._heartbeat_ticks = 0
            self._replication.end_period()
            self._replication.send_heartbeats(self._reads.round)

    def _check_quorum(self) -> bool:
        active = {self._state.node}
        for progress in self._replication.followers.values():
            self._replication.snapshots.on_period(progress)
            if progress.is_active:
                active.add(progress.node)
            progress.is_active = False
        return quorum.has_quorum(self._state.members.current, active)

    # --- proposals -------------------------------------------------------------------------

    def on_propose(self, event: Propose) -> None:
        """Append the payloads, unless leaving, handing over, or too much is uncommitted."""
        state = self._state
        size_bytes = sum([len(payload) for payload in event.payloads])
        waiting_bytes = self._uncommitted_bytes
        # One that alone is above the bound still passes when nothing else waits.
        is_full = (
            waiting_bytes and waiting_bytes + size_bytes > state.settings.uncommitted_bytes_max
        )
        # One that is leaving steps down soon; what it appends now might be lost with it.
        is_leaving = not is_voter(state.members.current, state.node)
        if is_full or is_leaving or self.transferee or not event.payloads:
            state.proposed = REFUSED
            return
        self._append(EntryKind.NORMAL, event.payloads)

    def on_propose_membership(self, event: ProposeMembership) -> None:
        """Append a member list, if the one before is committed and so is an own entry."""
        state = self._state
        members = event.membership
        commit = state.log.commit
        if (
            self.transferee
            or commit < self._first_own_index
            or commit < state.members.last_index
            or not is_allowed_step(state.members.current, members, state.settings.learners_max)
            or not self._would_work(members)
        ):
            state.proposed = REFUSED
            return
        self._append(EntryKind.CONFIG, (encode_membership(members),))

    def _would_work(self, members: Membership) -> bool:
        """Whether a quorum of the new list is alive, and its new voters have caught up."""
        state = self._state
        followers = self._replication.followers
        alive = {state.node}
        for node, progress in followers.items():
            if progress.is_active and progress.state is ProgressState.REPLICATE:
                alive.add(node)
        for voter in members.voters:
            is_new = not is_voter(state.members.current, voter)
            if is_new and not (voter in alive and is_caught_up(followers[voter], state.log.commit)):
                return False
        return quorum.has_quorum(members, alive)

    def _append(self, kind: EntryKind, payloads: tuple[bytes, ...]) -> None:
        state = self._state
        first = state.log.last_index + 1
        term = state.term
        entries = [
            Entry(index, term, kind, payload) for index, payload in enumerate(payloads, first)
        ]
        state.append(entries)
        self._uncommitted_bytes += sum([len(payload) for payload in payloads])
        if kind is not EntryKind.NOOP:
            state.proposed = Proposed(LogIndex(first), Term(term))
        if kind is EntryKind.CONFIG:
            self._follow_members()
        self._replication.send_entries()

    def _follow_members(self) -> None:
        """Replicate to exactly the members of the list in force."""
        nodes = all_nodes(self._state.members.current)
        self._replication.set_followers(nodes)
        for node in [node for node in self._matches if node not in nodes]:
            if node != self._state.node:
                del self._matches[node]

    # --- answers ---------------------------------------------------------------------------

    def _on_append_reply(self, message: AppendReply) -> None:
        progress = self._replication.followers.get(message.sender)
        log = self._state.log
        if progress is None or message.match > log.last_index:
            self._state.refused += 1
            return
        progress.is_active = True
        progress.has_answered = True
        if message.rejected:
            probe = log.last_with_term_at_most(message.hint_index, message.hint_term)
            if progress.reject(message.prev_index, probe):
                self._replication.send(progress)
            return
        is_news = progress.accept(message.match)
        if progress.state is not ProgressState.REPLICATE:
            if progress.match >= log.base_index:
                progress.change(ProgressEvent.ACCEPTED)
            progress.next = progress.match + 1
            progress.is_probing = False
        self._after_match(progress, is_news)

    def _after_match(self, progress: Progress, is_news: bool) -> None:
        """Commit, send on and hand over, after a follower may have got further."""
        if is_news:
            self._matches[progress.node] = progress.match
            if not self._maybe_commit():
                return
        self._replication.send(progress)
        if progress.node == self.transferee and progress.match == self._state.log.last_index:
            self._send_timeout_now(self.transferee)

    def _on_heartbeat_reply(self, message: HeartbeatReply) -> None:
        progress = self._replication.followers.get(message.sender)
        if progress is None or message.round > self._reads.round:
            self._state.refused += 1
            return
        self._replication.on_heartbeat_reply(progress)
        self._reads.ack(message.sender, message.round)
        self._advance_reads()

    def _on_snapshot_reply(self, message: SnapshotReply) -> None:
        progress = self._replication.followers.get(message.sender)
        if progress is None or message.index > self._state.log.commit:
            self._state.refused += 1
            return
        progress.is_active = True
        match = progress.match
        if self._replication.snapshots.on_reply(message, progress):
            self._after_match(progress, progress.match > match)

    def on_durable(self) -> None:
        """Count itself for what its own disk now holds."""
        log = self._state.log
        if log.durable != self._matches[self._state.node]:
            self._matches[self._state.node] = log.durable
            self._maybe_commit()

    def _maybe_commit(self) -> bool:
        """Commit what a quorum holds, if the last of it is of this term (figure 8).

        Returns:
            Whether this node still leads; it steps down when its own removal is committed.
        """
        state = self._state
        log = state.log
        index = quorum.commit_index(state.members.current, self._matches)
        if index <= log.commit or log.term_at(index) != state.term:
            return True
        self._uncommitted_bytes -= log.payload_bytes(log.commit + 1, index)
        log.commit_to(index)
        is_member = is_voter(state.members.current, state.node)
        is_removed = not is_member and state.members.last_index <= index
        if index == log.last_index or is_removed:
            self._replication.send_commit()  # else the next entries carry it
        if is_removed:
            self._send_timeout_now(self._most_advanced())  # so that nobody waits for a timeout
            self._turn.become_follower(state.term, 0)
            return False
        self._advance_reads()
        return True

    # --- reads -----------------------------------------------------------------------------

    def on_read(self, context: int) -> None:
        """Queue a local read for the next proof of leadership."""
        self._reads.add(self._state.node, context)
        self._advance_reads()

    def _on_read_index(self, message: ReadIndex) -> None:
        if message.sender not in self._replication.followers:
            self._state.refused += 1
            return
        self._reads.add(message.sender, message.context)
        self._advance_reads()

    def _advance_reads(self) -> None:
        """Answer a proven round, and start the next when reads wait for it."""
        state = self._state
        reads = self._reads
        while True:
            index, askers = reads.take_proven(state.members.current)
            for asker in askers:
                self._answer(asker, index)
            # Before an own entry is committed, commit may be older than what clients saw.
            if not reads.may_start or state.log.commit < self._first_own_index:
                return
            reads.start(state.node, state.log.commit)
            self._replication.send_heartbeats(reads.round)

    def _answer(self, asker: Asker, index: int) -> None:
        state = self._state
        node, context = asker
        if node == state.node:
            state.answer_read(context, index)
        else:
            head = (state.settings.cluster, node, state.node, state.term)
            state.send(ReadIndexReply(*head, context, index))

    def _fail_reads(self, askers: list[Asker]) -> None:
        for node, context in askers:
            if node == self._state.node:
                self._state.answer_read(context, 0)

    # --- handing over ----------------------------------------------------------------------

    def on_transfer(self, event: Transfer) -> None:
        """Bring a voter up to date and let it campaign; ignored when it cannot be one."""
        target = event.target or self._most_advanced()
        members = self._state.members.current
        progress = self._replication.followers.get(target)
        if progress is None or not is_voter(members, target) or target == self.transferee:
            return
        self.transferee = target
        self._transfer_ticks = 0
        if progress.match == self._state.log.last_index:
            self._send_timeout_now(self.transferee)
        else:
            self._replication.send(progress)

    def _most_advanced(self) -> int:
        best = 0
        match = -1
        for node, progress in self._replication.followers.items():
            is_able = progress.is_active and is_voter(self._state.members.current, node)
            if is_able and progress.match > match:
                best, match = node, progress.match
        return best

    def _tick_transfer(self) -> None:
        if not self.transferee:
            return
        self._transfer_ticks += 1
        if self._transfer_ticks >= self._state.settings.election_ticks:
            self.transferee = 0

    def _send_timeout_now(self, target: int) -> None:
        state = self._state
        if target:
            state.send(TimeoutNow(state.settings.cluster, target, state.node, state.term))

    # --- snapshots -------------------------------------------------------------------------

    def on_snapshot_available(self, event: SnapshotAvailable) -> None:
        """Start for the followers that wait for it."""
        self._replication.snapshots.on_available(event, self.followers)

    def on_chunk_read(self, event: ChunkRead) -> None:
        """Send the chunk on."""
        progress = self._replication.followers.get(event.to)
        if progress is not None:
            self._replication.snapshots.on_chunk_read(event, progress)

    def compact_limit(self, index: int) -> int:
        """Keep the entries that follow a snapshot now being sent, or it would be for nothing."""
        for progress in self._replication.followers.values():
            if progress.shipment is not None:
                index = min(index, progress.shipment.meta.index)
        return index


def is_caught_up(learner: Progress, commit: int) -> bool:
    """Tell whether a learner is close enough to vote: what it lacks of `commit` is on its way."""
    return learner.state is ProgressState.REPLICATE and learner.next > commit
