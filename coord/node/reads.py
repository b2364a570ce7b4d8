"""Reads that wait: first for a read index, then for the store to reach it.

All reads of a turn share one context, so a thousand cost one leadership proof (thesis 6.4).
"""

import attrs

from coord.ids import LogIndex
from coord.requests import ErrorReply, ReadOp

RETRY_MS = 50.0  # after a failed read index: about one round of election messages


@attrs.frozen
class WaitingRead:
    """One client's read frame; an operation that could not be decoded is its error."""

    route: bytes
    request: int
    ops: tuple[ReadOp | ErrorReply, ...]
    deadline_ms: float


class Reads:
    """Read frames between arrival and answer."""

    def __init__(self, context_base: int) -> None:
        self._context = context_base
        self._new: list[WaitingRead] = []
        self._asked: dict[int, list[WaitingRead]] = {}
        self._indexed: list[tuple[LogIndex, list[WaitingRead]]] = []
        self._retry_at_ms: float | None = None
        self._failed: list[WaitingRead] = []
        self.waiting_ops = 0
        """Reads in all frames taken and neither handed out nor expired."""

    @property
    def waiting(self) -> int:
        """Read frames not yet answered (counted by groups that share an index)."""
        return len(self._new) + len(self._asked) + len(self._indexed) + len(self._failed)

    def take(self, read: WaitingRead) -> None:
        """Accept a linearizable read."""
        self._new.append(read)
        self.waiting_ops += len(read.ops)

    def next_context(self, now_ms: float) -> int | None:
        """Bind the reads of this turn to a new context to ask Raft about.

        Returns:
            The context, unique for this node; None if nothing needs one now.
        """
        if self._retry_at_ms is not None and self._retry_at_ms <= now_ms:
            self._new.extend(self._failed)
            self._failed.clear()
            self._retry_at_ms = None
        if not self._new:
            return None
        self._context += 1
        self._asked[self._context] = self._new
        self._new = []
        return self._context

    def indexed(self, context: int, index: LogIndex, now_ms: float) -> None:
        """Note Raft's answer for `context`; index 0 means ask again a little later."""
        group = self._asked.pop(context, None)
        if group is None:
            return
        if index == 0:
            self._failed.extend(group)
            self._retry_at_ms = now_ms + RETRY_MS
        else:
            self._indexed.append((index, group))

    def ready(self, applied: LogIndex) -> list[WaitingRead]:
        """Take the reads whose index has been applied."""
        if not self._indexed:
            return []
        ready = [read for index, group in self._indexed if index <= applied for read in group]
        self._indexed = [(index, group) for index, group in self._indexed if index > applied]
        return self._leave(ready)

    def expired(self, now_ms: float) -> list[WaitingRead]:
        """Take the reads that failed to get an index until their deadline."""
        late = [read for read in self._failed if read.deadline_ms <= now_ms]
        if late:
            self._failed = [read for read in self._failed if read.deadline_ms > now_ms]
        return self._leave(late)

    def next_wake_ms(self) -> float | None:
        """When a failed read wants to ask again."""
        return self._retry_at_ms

    def _leave(self, reads: list[WaitingRead]) -> list[WaitingRead]:
        self.waiting_ops -= sum([len(read.ops) for read in reads])
        return reads
