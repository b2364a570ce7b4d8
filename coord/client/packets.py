"""Requests that travel together, and what is known of each attempt to get them answered."""

import math

from coord.client.answers import Waiter, fail, late_error
from coord.requests import ErrorReply, ReadOp, Reply, WriteOp

NEVER_MS = math.inf


class Packet:
    """Requests sent, repeated and answered as one frame.

    Attributes:
        waiters: whom to tell, one for each request; None once told.
        deadlines_ms: until when each of them waits.
        soonest_ms: no deadline of theirs is sooner.
        address: where the attempt now running was sent; "" between attempts.
        last_address: where the last one was sent.
        step_at_ms: when the attempt counts as late, or the next one is due.
        attempts: how many there were.
        open_attempts: attempts by address that may still be answered, rejected or carried out.
        unsure: some attempt ended without word: it may have been carried out.
        refusal: code and detail of the last rejection.
    """

    __slots__ = (
        "address",
        "attempts",
        "deadlines_ms",
        "last_address",
        "open_attempts",
        "refusal",
        "sent_ms",
        "soonest_ms",
        "step_at_ms",
        "unsure",
        "waiters",
    )

    def __init__(self, waiters: list[Waiter | None], deadlines_ms: list[float]) -> None:
        self.waiters = waiters
        self.deadlines_ms = deadlines_ms
        self.soonest_ms = min(deadlines_ms)
        self.address = ""
        self.last_address = ""
        self.sent_ms = 0.0
        self.step_at_ms = 0.0
        self.attempts = 0
        self.open_attempts: dict[str, int] = {}
        self.unsure = False
        self.refusal: tuple[int, str] | None = None

    @property
    def maybe_done(self) -> bool:
        """Whether some attempt may have been, or still be, carried out."""
        return self.unsure or bool(self.open_attempts)

    @property
    def is_abandoned(self) -> bool:
        """Whether everybody has been told."""
        return self.soonest_ms == NEVER_MS

    def sent(self, address: str, now_ms: float, late_at_ms: float) -> None:
        """Note a new attempt."""
        self.address = self.last_address = address
        self.sent_ms = now_ms
        self.step_at_ms = late_at_ms
        self.attempts += 1
        self.open_attempts[address] = self.open_attempts.get(address, 0) + 1

    def rejected(self, address: str, refusal: tuple[int, str], unknown: bool) -> bool:
        """Note that one attempt at `address` ended in a refusal.

        Returns:
            Whether it was the attempt now running, so that the next one must be planned.
        """
        count = self.open_attempts.get(address, 0)
        if count == 0:
            return False
        if count == 1:
            del self.open_attempts[address]
        else:
            self.open_attempts[address] = count - 1
        self.refusal = refusal
        self.unsure = self.unsure or unknown
        if self.address != address:
            return False
        self.address = ""
        return True

    def link_lost(self, address: str) -> bool:
        """Note that the answers of all attempts at `address` are lost; True as in `rejected`."""
        if self.open_attempts.pop(address, 0):
            self.unsure = True
        if self.address != address:
            return False
        self.address = ""
        return True

    def expire(self, now_ms: float, changes_nothing: bool = False) -> None:
        """Tell those whose deadline has passed.

        Args:
            now_ms: the time now.
            changes_nothing: these are reads: late is late, never "maybe done".
        """
        error = late_error(self.maybe_done and not changes_nothing, self.refusal)
        for place, deadline_ms in enumerate(self.deadlines_ms):
            if deadline_ms <= now_ms:
                fail(self.waiters[place], error)
                self.waiters[place] = None
                self.deadlines_ms[place] = NEVER_MS
        self.soonest_ms = min(self.deadlines_ms)


class WritePacket(Packet):
    """Consecutively numbered writes; a repeat carries the same numbers, in the same bytes."""

    __slots__ = ("encoded", "first_seq", "ops", "writer")

    def __init__(
        self,
        writer: int,
        first_seq: int,
        ops: list[WriteOp],
        waiters: list[Waiter | None],
        deadlines_ms: list[float],
    ) -> None:
        super().__init__(waiters, deadlines_ms)
        self.writer = writer
        self.first_seq = first_seq
        self.ops = ops
        self.encoded = b""

    def keep(self, places: list[int]) -> "list[WritePacket]":
        """Return packets of only these places (ascending), each request under its old number."""
        runs: list[list[int]] = []
        for place in places:
            if runs and runs[-1][-1] == place - 1:
                runs[-1].append(place)
            else:
                runs.append([place])
        return [self._cut(run) for run in runs]

    def _cut(self, run: list[int]) -> "WritePacket":
        part = WritePacket(
            self.writer,
            self.first_seq + run[0],
            [self.ops[place] for place in run],
            [self.waiters[place] for place in run],
            [self.deadlines_ms[place] for place in run],
        )
        part.last_address = self.last_address
        part.step_at_ms = self.step_at_ms
        part.attempts = self.attempts
        part.unsure = self.maybe_done
        part.refusal = self.refusal
        return part


class ReadPacket(Packet):
    """Reads answered together."""

    __slots__ = ("encoded", "ops", "pinned", "request", "serializable")

    def __init__(
        self,
        request: int,
        serializable: bool,
        pinned: str,
        ops: list[ReadOp],
        waiters: list[Waiter | None],
        deadlines_ms: list[float],
    ) -> None:
        super().__init__(waiters, deadlines_ms)
        self.request = request
        self.serializable = serializable
        self.pinned = pinned
        self.ops = ops
        self.encoded = b""


def has_error(replies: tuple[Reply, ...]) -> bool:
    """Whether some reply is an error; cheap, for the common case that none is."""
    return ErrorReply in map(type, replies)
