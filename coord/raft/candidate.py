"""A node that wants to lead: first it asks whether it would win, then it stands (5.2, 9.6).

The vote for itself counts only once it is durable, like everybody else's.
"""

from coord.raft.membership import all_voters
from coord.raft.messages import PreVote, PreVoteReply, Role, Vote, VoteReply
from coord.raft.quorum import Outcome, election_outcome
from coord.raft.state import Behaviour, State, Transitions


class PreCandidate(Behaviour):
    """Asks for votes in the next term without entering it: nobody's state changes."""

    def __init__(self, state: State, transitions: Transitions) -> None:
        super().__init__(state, transitions)
        self.handlers[PreVoteReply] = self._on_reply
        self._votes: dict[int, bool] = {}

    def begin(self) -> None:
        """Ask every other voter."""
        state = self._state
        state.role = Role.PRE_CANDIDATE
        state.leader = 0
        state.restart_timer()
        log = state.log
        for node in all_voters(state.members.current):
            if node != state.node:
                head = (state.settings.cluster, node, state.node, state.term + 1)
                state.send(PreVote(*head, log.last_index, log.last_term))
        self._count(state.node, True)

    def on_tick(self) -> None:
        """Ask again after a timeout."""
        state = self._state
        state.elapsed_ticks += 1
        if state.elapsed_ticks >= state.timeout_ticks:
            self._turn.become_pre_candidate()

    def _on_reply(self, message: PreVoteReply) -> None:
        if message.granted and message.term != self._state.term + 1:
            return  # an answer to an earlier question
        self._count(message.sender, message.granted)

    def _count(self, node: int, granted: bool) -> None:
        self._votes.setdefault(node, granted)
        outcome = election_outcome(self._state.members.current, self._votes)
        if outcome is Outcome.WON:
            self._turn.become_candidate(transfer=False)
        elif outcome is Outcome.LOST:
            self._turn.become_follower(self._state.term, 0)


class Candidate(Behaviour):
    """Stands for election in a term of its own."""

    def __init__(self, state: State, transitions: Transitions) -> None:
        super().__init__(state, transitions)
        self.handlers[VoteReply] = self._on_reply
        self._votes: dict[int, bool] = {}

    def begin(self, transfer: bool) -> None:
        """Enter the next term, vote for itself and ask every other voter."""
        state = self._state
        state.role = Role.CANDIDATE
        state.leader = 0
        state.term += 1
        state.vote = state.node
        state.restart_timer()
        log = state.log
        for node in all_voters(state.members.current):
            if node != state.node:
                head = (state.settings.cluster, node, state.node, state.term)
                state.send(Vote(*head, log.last_index, log.last_term, transfer))

    def on_tick(self) -> None:
        """Start over after a timeout, by asking first."""
        state = self._state
        state.elapsed_ticks += 1
        if state.elapsed_ticks >= state.timeout_ticks:
            self._turn.become_pre_candidate()

    def on_durable(self) -> None:
        """Count the vote for itself."""
        state = self._state
        if state.node not in self._votes and state.promises.is_hard_durable:
            self._count(state.node, True)

    def _on_reply(self, message: VoteReply) -> None:
        self._count(message.sender, message.granted)

    def _count(self, node: int, granted: bool) -> None:
        self._votes.setdefault(node, granted)
        outcome = election_outcome(self._state.members.current, self._votes)
        if outcome is Outcome.WON:
            self._turn.become_leader()
        elif outcome is Outcome.LOST:
            self._turn.become_follower(self._state.term, 0)
