"""A follower: takes entries and snapshots from the leader, and asks for its place when it is gone.

Section 5.3 (AppendEntries), 7 (snapshots), 3.10 of the thesis (transfer).
"""

from coord.raft.log import NO_TERM
from coord.raft.messages import (
    Append,
    AppendReply,
    Commit,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    ReadIndex,
    ReadIndexReply,
    Role,
    TimeoutNow,
)
from coord.raft.reads import ReadForwarder
from coord.raft.snapshots import SnapshotReceiver
from coord.raft.state import Behaviour, State, Transitions


class Follower(Behaviour):
    """Follows the leader of the term, or waits for one."""

    def __init__(self, state: State, transitions: Transitions, receiver: SnapshotReceiver) -> None:
        super().__init__(state, transitions)
        self._receiver = receiver
        self._reads = ReadForwarder(state)
        self.handlers[Append] = self._on_append
        self.handlers[Heartbeat] = self._on_heartbeat
        self.handlers[Commit] = self._on_commit
        self.handlers[InstallSnapshot] = self._on_install
        self.handlers[TimeoutNow] = self._on_timeout_now
        self.handlers[ReadIndex] = self._on_read_index
        self.handlers[ReadIndexReply] = self._on_read_reply

    def begin(self, term: int, leader: int) -> None:
        """Follow `leader` in `term`; a new term forgets the vote of the old one."""
        state = self._state
        assert term >= state.term
        if term > state.term:
            state.term = term
            state.vote = 0
        state.role = Role.FOLLOWER
        state.leader = leader
        state.restart_timer()

    def on_tick(self) -> None:
        """Stand up when no leader was heard for a whole timeout."""
        state = self._state
        state.elapsed_ticks += 1
        self._reads.on_tick()
        if state.elapsed_ticks < state.timeout_ticks:
            return
        if self._may_stand():
            self._turn.become_pre_candidate()
        elif state.leader:
            self._reads.fail_all()
            state.leader = 0
            state.restart_timer()

    def on_read(self, context: int) -> None:
        """Ask the leader; without one the read fails at once."""
        if self._state.leader:
            self._reads.add(context)
        else:
            self._state.answer_read(context, 0)

    def leave(self) -> None:
        """Fail the reads that were asked of this leader."""
        self._reads.fail_all()

    def _may_stand(self) -> bool:
        # While an installation ends, the log is about to be replaced.
        state = self._state
        return state.members.may_stand(state.node, state.log.commit) and not state.is_installing

    def _hear(self, sender: int) -> bool:
        """Note a sign of life; False when another leads this term, which cannot be."""
        state = self._state
        if state.leader != sender:
            if state.leader:
                state.refused += 1
                return False
            state.leader = sender
            state.restart_timer()
        state.elapsed_ticks = 0
        return True

    # --- entries ---------------------------------------------------------------------------

    def _on_append(self, message: Append) -> None:
        if not self._hear(message.sender) or self._state.is_installing:
            return
        log = self._state.log
        prev = message.prev_index
        if prev >= log.base_index and log.term_at(prev) != message.prev_term:
            if prev <= log.commit:
                self._state.refused += 1  # asks to change what is committed: never
            else:
                self._reject(message)
            return
        if not self._take(message):
            self._state.refused += 1
            return
        verified = prev + len(message.entries)
        # What is committed is in the log of every leader, so it counts as verified.
        match = max(verified, log.commit)
        if message.commit > log.commit and verified > log.commit:
            log.commit_to(min(message.commit, verified))
        reply = AppendReply(*self._head(message.sender), prev, match)
        self._state.send_when_durable(reply, match)

    def _take(self, message: Append) -> bool:
        """Append what is new, cutting only from a real conflict on.

        Returns:
            False when a conflict lies at or below commit; nothing is changed then.
        """
        state = self._state
        log = state.log
        entries = message.entries
        skip = max(0, log.base_index - message.prev_index)
        while skip < len(entries):
            entry = entries[skip]
            term = log.term_at(entry.index)
            if term == entry.term:
                skip += 1
                continue
            if term != NO_TERM:
                if entry.index <= log.commit:
                    return False
                state.truncate_after(entry.index - 1)
            state.append(entries[skip:] if skip else entries)
            break
        return True

    def _reject(self, message: Append) -> None:
        """Say where the logs may agree, skipping whole terms at a time (5.3, last part)."""
        log = self._state.log
        hint = log.last_with_term_at_most(message.prev_index, message.prev_term)
        hint = max(hint, log.commit)
        reply = AppendReply(
            *self._head(message.sender), message.prev_index, 0, True, hint, log.term_at(hint)
        )
        self._state.send(reply)

    def _on_heartbeat(self, message: Heartbeat) -> None:
        log = self._state.log
        if message.commit > log.last_index:
            # The leader knows us to hold more than we do: our disk has lost it, so we must not
            # pass for the node that held it.
            self._state.refused += 1
            return
        if not self._hear(message.sender):
            return
        if message.commit > log.commit:
            log.commit_to(message.commit)
        self._state.send(HeartbeatReply(*self._head(message.sender), message.round))

    def _on_commit(self, message: Commit) -> None:
        if not self._hear(message.sender):
            return
        log = self._state.log
        # Who holds that very entry holds all before it too (log matching), acknowledged or not.
        if message.index > log.commit and log.term_at(message.index) == message.index_term:
            log.commit_to(message.index)

    def _on_install(self, message: InstallSnapshot) -> None:
        if self._hear(message.sender):
            self._receiver.on_chunk(message)

    # --- the rest --------------------------------------------------------------------------

    def _on_timeout_now(self, message: TimeoutNow) -> None:
        if message.sender == self._state.leader and self._may_stand():
            self._turn.become_candidate(transfer=True)

    def _on_read_index(self, message: ReadIndex) -> None:
        self._state.send(ReadIndexReply(*self._head(message.sender), message.context, 0))

    def _on_read_reply(self, message: ReadIndexReply) -> None:
        if message.sender == self._state.leader:
            self._reads.answer(message.context, message.index)

    def _head(self, to: int) -> tuple[int, int, int, int]:
        state = self._state
        return (state.settings.cluster, to, state.node, state.term)
