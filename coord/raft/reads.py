"""Linearizable reads without the log: ReadIndex (thesis 6.4).

Leader and follower share one idea: whoever asks while a question is out waits for the next
one, because the answer under way may be older than the asking. One question serves any number
of reads.

The leader's question is "do I still lead?": a heartbeat round whose number only grows within a
term, answered by a quorum. A reply names term and round, so no answer can be used twice. The
follower's question is a ReadIndex message under a number of its own that is never used again,
not even after a restart.
"""

from coord.raft.messages import Membership, ReadIndex
from coord.raft.quorum import has_quorum
from coord.raft.state import State

Asker = tuple[int, int]
"""Who asked (a node; itself for local reads) and under which context."""


class ReadRounds:
    """The leader's side: proofs of leadership, one round at a time."""

    __slots__ = ("_acked", "_age_ticks", "_flying", "_index", "_waiting", "round")

    def __init__(self) -> None:
        self.round = 0  #: the newest round; every heartbeat carries it
        self._acked: set[int] = set()
        self._index = 0
        self._flying: list[Asker] = []
        self._waiting: dict[Asker, None] = {}
        self._age_ticks = 0

    @property
    def may_start(self) -> bool:
        """Whether reads wait and no round is out."""
        return bool(self._waiting) and not self._flying

    def add(self, node: int, context: int) -> None:
        """Queue a read for the next round; the same one twice counts once."""
        if not self._waiting and not self._flying:
            self._age_ticks = 0
        self._waiting[node, context] = None

    def start(self, node: int, commit: int) -> None:
        """Begin a round for all that wait, to be served at `commit`. `node` agrees itself."""
        assert self.may_start
        self.round += 1
        self._index = commit
        self._acked = {node}
        self._flying = list(self._waiting)
        self._waiting.clear()
        self._age_ticks = 0

    def ack(self, node: int, round_number: int) -> None:
        """Note that `node` followed us after this round began."""
        if round_number == self.round:
            self._acked.add(node)

    def take_proven(self, members: Membership) -> tuple[int, list[Asker]]:
        """Return index and reads of the round, once a quorum agreed; else no reads."""
        if not self._flying or not has_quorum(members, self._acked):
            return 0, []
        askers = self._flying
        self._flying = []
        return self._index, askers

    def take_expired(self, ticks_max: int) -> list[Asker]:
        """Let one tick pass; return all reads when nothing has moved for `ticks_max`."""
        if not self._flying and not self._waiting:
            return []
        self._age_ticks += 1
        return self.take_all() if self._age_ticks >= ticks_max else []

    def take_all(self) -> list[Asker]:
        """Give up every read."""
        askers = [*self._flying, *self._waiting]
        self._flying = []
        self._waiting.clear()
        return askers


class ReadForwarder:
    """The follower's side: asks the leader for an index on behalf of local reads."""

    __slots__ = ("_age_ticks", "_context", "_flying", "_state", "_waiting")

    def __init__(self, state: State) -> None:
        self._state = state
        self._context = 0
        self._flying: list[int] = []
        self._waiting: list[int] = []
        self._age_ticks = 0

    def add(self, context: int) -> None:
        """Ask for one read, now or with the next question."""
        self._waiting.append(context)
        self._advance()

    def answer(self, context: int, index: int) -> None:
        """Take the leader's answer (index 0: not served); an old one is ignored."""
        if context == self._context and self._flying:
            self._finish(index)
            self._advance()

    def fail_all(self) -> None:
        """Answer every read with index 0."""
        self._finish(0)
        self._flying = self._waiting
        self._waiting = []
        self._finish(0)

    def on_tick(self) -> None:
        """Repeat the question now and then, in case it was lost; give up after a timeout."""
        if not self._flying:
            return
        self._age_ticks += 1
        settings = self._state.settings
        if self._age_ticks >= settings.election_ticks:
            self.fail_all()
        elif self._age_ticks % settings.heartbeat_ticks == 0:
            self._ask()

    def _finish(self, index: int) -> None:
        for context in self._flying:
            self._state.answer_read(context, index)
        self._flying = []

    def _advance(self) -> None:
        if self._flying or not self._waiting:
            return
        self._flying = self._waiting
        self._waiting = []
        self._age_ticks = 0
        self._context = self._state.new_context()
        self._ask()

    def _ask(self) -> None:
        state = self._state
        head = (state.settings.cluster, state.leader, state.node, state.term)
        state.send(ReadIndex(*head, self._context))
