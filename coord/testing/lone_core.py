"""One consensus core between hands: a test plays its peers and its disk, message by message."""

from collections.abc import Sequence
from typing import Any

from coord.raft.core import RaftCore
from coord.raft.messages import (
    Effects,
    Entry,
    EntryKind,
    Event,
    HardState,
    Membership,
    Message,
    PreVoteReply,
    Read,
    Received,
    Role,
    SnapshotMeta,
    Tick,
    VoteReply,
    Written,
)
from coord.raft.settings import RaftSettings, Restored

CLUSTER = 7
ELECTION_TICKS = 10
HEARTBEAT_TICKS = 2


def entries_of(terms: Sequence[int], first: int = 1) -> tuple[Entry, ...]:
    """Make a log from its terms; each payload names its place."""
    return tuple(
        Entry(index, term, EntryKind.NORMAL, b"%d/%d" % (index, term))
        for index, term in enumerate(terms, first)
    )


def lone_settings(node: int = 1, **others: int) -> RaftSettings:
    """Settings with short timeouts."""
    return RaftSettings(
        cluster=CLUSTER,
        node=node,
        election_ticks=ELECTION_TICKS,
        heartbeat_ticks=HEARTBEAT_TICKS,
        **others,
    )


class LoneCore:
    """Node 1 of a cluster whose other nodes are the test."""

    def __init__(
        self,
        voters: tuple[int, ...] = (1, 2, 3),
        *,
        learners: tuple[int, ...] = (),
        outgoing: tuple[int, ...] = (),
        log: Sequence[int] = (),
        term: int = 0,
        vote: int = 0,
        commit: int = 0,
        base: tuple[int, int] = (0, 0),
        **settings: int,
    ) -> None:
        """Restore from terms of a log after `base` (index, term), and a hard state."""
        meta = SnapshotMeta(*base, Membership(voters, learners, outgoing))
        restored = Restored(HardState(term, vote, commit), meta, entries_of(log, base[0] + 1))
        self.core = RaftCore(lone_settings(**settings), restored, lambda low, high: low)
        self.ticket = 0
        self.effects = Effects()

    def step(self, event: Event) -> Effects:
        """Let an event happen, and remember the newest ticket."""
        self.effects = self.core.step(event)
        if self.effects.write is not None:
            self.ticket = self.effects.write.ticket
        return self.effects

    def receive(self, kind: Any, *fields: Any, sender: int = 2, term: int | None = None) -> Effects:
        """Receive a message; its term is the core's unless said."""
        message: Message = kind(
            CLUSTER, 1, sender, self.core.term if term is None else term, *fields
        )
        return self.step(Received(message))

    def write(self, ticket: int = 0) -> Effects:
        """Report writes up to `ticket` (all by default) as durable."""
        return self.step(Written(ticket or self.ticket))

    def tick(self, times: int = 1) -> list[Message]:
        """Let ticks pass; returns all messages sent meanwhile."""
        sent: list[Message] = []
        for _ in range(times):
            sent.extend(self.step(Tick()).messages)
        return sent

    def read(self, context: int = 1) -> Effects:
        """Ask for a read index."""
        return self.step(Read(context))

    def stand(self) -> None:
        """Become a candidate whose own vote is durable."""
        self.tick(ELECTION_TICKS)
        if self.core.role is Role.PRE_CANDIDATE:
            for sender in self._others():
                self.receive(PreVoteReply, True, sender=sender, term=self.core.term + 1)
        self.write()
        assert self.core.role in (Role.CANDIDATE, Role.LEADER)

    def lead(self) -> Effects:
        """Become leader; returns the effects of the step that made it so."""
        self.stand()
        for sender in self._others():
            if self.core.role is Role.CANDIDATE:
                self.receive(VoteReply, True, sender=sender)
        assert self.core.is_leader
        return self.effects

    def _others(self) -> list[int]:
        members = self.core.membership
        return sorted({*members.voters, *members.outgoing} - {1})
