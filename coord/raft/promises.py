"""Holds back every message that says something not yet durable (figure 2: "before responding").

A message that names a term, or grants a vote, waits for the write that carries that term and
vote. An acknowledgement of entries waits for the write that carries them. Writes are numbered by
tickets and end in that order, so one number says what is true.

Invariant: at most one waiting message for each kind and receiver, and one acknowledgement for
each ticket, so a stalled disk cannot make this grow without bound.
"""

from coord.raft.messages import AppendReply, Message


class Promises:
    """Tickets of writes, and the messages that wait for them."""

    __slots__ = ("_waiting", "hard_ticket", "issued", "log_ticket", "written")

    def __init__(self) -> None:
        self.issued = 0  #: the newest ticket
        self.written = 0  #: the newest durable one
        self.hard_ticket = 0  #: the write with the present term and vote
        self.log_ticket = 0  #: the write with the last entries
        self._waiting: list[tuple[int, Message]] = []

    @property
    def is_hard_durable(self) -> bool:
        """Whether the present term and vote would survive a crash."""
        return self.hard_ticket <= self.written

    def issue(self, with_hard: bool, with_entries: bool) -> int:
        """Number a new write that carries a term or vote, entries, or both."""
        self.issued += 1
        if with_hard:
            self.hard_ticket = self.issued
        if with_entries:
            self.log_ticket = self.issued
        return self.issued

    def hold(self, message: Message, ticket: int) -> None:
        """Keep `message` until `ticket` is durable, in place of an older one that says less."""
        if isinstance(message, AppendReply) and not message.rejected:
            self._hold_acknowledgement(message, ticket)
            return
        for place, (_, other) in enumerate(self._waiting):
            if type(other) is not type(message) or other.to != message.to:
                continue
            if isinstance(other, AppendReply) and not other.rejected:
                continue
            self._waiting[place] = (ticket, message)
            return
        self._waiting.append((ticket, message))

    def _hold_acknowledgement(self, message: AppendReply, ticket: int) -> None:
        # From the newest on: one of the same ticket, if any, is at the end.
        for place in range(len(self._waiting) - 1, -1, -1):
            other_ticket, other = self._waiting[place]
            if other_ticket < ticket:
                break
            if type(other) is not AppendReply or other.rejected or other.to != message.to:
                continue
            if other_ticket == ticket:
                # A repeated, older append of the same leader says less than what waits.
                if other.term != message.term or other.match <= message.match:
                    self._waiting[place] = (ticket, message)
                return
        self._waiting.append((ticket, message))

    def end_write(self, ticket: int, term: int) -> list[Message]:
        """Note that `ticket` and all before it are durable.

        Returns:
            What may leave now, oldest first. Messages of a term before `term` are dropped:
            they would only tell an old leader or candidate what no longer matters.
        """
        assert ticket <= self.issued, "a write ended that was never asked for"
        self.written = max(self.written, ticket)
        if not self._waiting:
            return []
        ready: list[Message] = []
        still: list[tuple[int, Message]] = []
        for due, message in self._waiting:
            if due > self.written:
                still.append((due, message))
            elif message.term >= term:
                _add_latest(ready, message)
        self._waiting = still
        return ready


def _add_latest(ready: list[Message], message: Message) -> None:
    """Add a message; of two acknowledgements in a row the one that says more is enough."""
    if ready and type(message) is AppendReply and not message.rejected:
        last = ready[-1]
        if type(last) is AppendReply and not last.rejected and last.to == message.to:
            if last.match <= message.match:
                ready[-1] = message
            return
    ready.append(message)
