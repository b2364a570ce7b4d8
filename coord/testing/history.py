"""What clients asked and were told, in the order it happened.

Every call and every return takes the next place on one line, so "before" is exact. What a client
was not told stays open: it may have happened at any later time, or never.
"""

import attrs

from coord.errors import CoordError, MaybeDone, NotDone, Refused
from coord.requests import ErrorReply, ReadOp, Reply, WriteOp


@attrs.define(eq=False)
class Call:
    """One request of one client."""

    client: str
    op: WriteOp | ReadOp
    is_write: bool
    serializable: bool
    called: int
    called_ms: float
    returned: int | None = None
    returned_ms: float | None = None
    reply: Reply | None = None
    error: CoordError | None = None
    numbers: list[tuple[int, int]] = attrs.field(factory=list)
    """(writer, sequence number) of a write, once sent; more than one if it was numbered anew."""

    @property
    def answered(self) -> bool:
        """Whether the store's own answer is known (a refusal by the store is one)."""
        return self.reply is not None or isinstance(self.error, Refused)

    @property
    def unknown(self) -> bool:
        """Whether it may or may not have happened."""
        return self.returned is None or isinstance(self.error, MaybeDone)

    @property
    def certainly_not_done(self) -> bool:
        """Whether the client was told that it did not happen (and never will)."""
        return isinstance(self.error, NotDone) and not isinstance(self.error, Refused)


class History:
    """All calls of one run."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._place = 0

    def call(
        self,
        client: str,
        op: WriteOp | ReadOp,
        now_ms: float,
        *,
        is_write: bool,
        serializable: bool = False,
    ) -> Call:
        """Note that a client asks."""
        self._place += 1
        call = Call(client, op, is_write, serializable, self._place, now_ms)
        self.calls.append(call)
        return call

    def returned(self, call: Call, now_ms: float, outcome: Reply | CoordError) -> None:
        """Note what a client was told; only the first word counts."""
        assert call.returned is None, "told twice"
        assert not isinstance(outcome, ErrorReply)
        self._place += 1
        call.returned = self._place
        call.returned_ms = now_ms
        if isinstance(outcome, CoordError):
            call.error = outcome
        else:
            call.reply = outcome
