"""Writes that wait for a number; bounded in count and bytes. Kept as columns, for speed."""

from coord import limits
from coord.client.answers import Waiter, fail, late_error
from coord.client.packets import NEVER_MS
from coord.client.settings import Settings
from coord.errors import CoordError, ErrorCode, error_from
from coord.requests import WriteOp

FRAME_BYTES_AIM = limits.MIB  # smaller frames than allowed: the next can be on its way meanwhile
_UNSIZED_BYTES = 64  # what a put-back write counts for: it was counted once


class WriteQueue:
    """First in, first out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ops: list[WriteOp] = []
        self._sizes: list[int] = []
        self._waiters: list[Waiter | None] = []
        self._deadlines_ms: list[float] = []
        self._size_bytes = 0
        self._soonest_ms = NEVER_MS

    def __len__(self) -> int:
        return len(self._ops)

    def is_large(self, ops: int) -> bool:
        """Whether at least `ops` writes or one good frame of bytes wait."""
        return len(self._ops) >= ops or self._size_bytes >= FRAME_BYTES_AIM

    def add(self, op: WriteOp, size_bytes: int, deadline_ms: float, waiter: Waiter) -> None:
        """Append one write.

        Raises:
            Unavailable: the queue is full; nothing was added.
        """
        if (
            len(self._ops) >= self._settings.pending_max
            or self._size_bytes >= self._settings.pending_bytes_max
        ):
            raise error_from(ErrorCode.TOO_MANY_REQUESTS, "this client's queue is full")
        self._ops.append(op)
        self._sizes.append(size_bytes)
        self._waiters.append(waiter)
        self._deadlines_ms.append(deadline_ms)
        self._size_bytes += size_bytes
        if deadline_ms < self._soonest_ms:
            self._soonest_ms = deadline_ms

    def put_back(self, op: WriteOp, deadline_ms: float, waiter: Waiter) -> None:
        """Put a write that was taken before in front of all others."""
        self._ops.insert(0, op)
        self._sizes.insert(0, _UNSIZED_BYTES)
        self._waiters.insert(0, waiter)
        self._deadlines_ms.insert(0, deadline_ms)
        self._size_bytes += _UNSIZED_BYTES
        self._soonest_ms = min(self._soonest_ms, deadline_ms)

    def take(self, most: int) -> tuple[list[WriteOp], list[Waiter | None], list[float]]:
        """Take at most `most` writes from the front, at least one, of about one frame's bytes."""
        count = min(most, len(self._ops))
        if self._size_bytes > FRAME_BYTES_AIM:
            count = self._count_within(FRAME_BYTES_AIM, count)
        taken = self._ops[:count], self._waiters[:count], self._deadlines_ms[:count]
        self._size_bytes -= sum(self._sizes[:count])
        del self._ops[:count], self._sizes[:count]
        del self._waiters[:count], self._deadlines_ms[:count]
        if not self._ops:
            self._soonest_ms = NEVER_MS
        return taken

    def _count_within(self, budget_bytes: int, most: int) -> int:
        total_bytes = 0
        for count in range(most):
            total_bytes += self._sizes[count]
            if total_bytes > budget_bytes:
                return max(count, 1)
        return most

    def expire(self, now_ms: float, refusal: tuple[int, str] | None) -> None:
        """Tell those whose deadline has passed that nothing was done, and forget them.

        Args:
            now_ms: the time now.
            refusal: what the cluster last said against taking writes, if anything.
        """
        if now_ms < self._soonest_ms:
            return
        error = late_error(False, refusal)
        rows = list(zip(self._ops, self._sizes, self._waiters, self._deadlines_ms, strict=True))
        self._clear()
        for op, size_bytes, waiter, deadline_ms in rows:
            if deadline_ms <= now_ms:
                fail(waiter, error)
            elif waiter is not None and not waiter.done():
                self.add(op, size_bytes, deadline_ms, waiter)

    def fail_all(self, error: CoordError) -> None:
        """Tell everybody and forget all."""
        waiters = list(self._waiters)
        self._clear()
        for waiter in waiters:
            fail(waiter, error)

    def _clear(self) -> None:
        self._ops.clear()
        self._sizes.clear()
        self._waiters.clear()
        self._deadlines_ms.clear()
        self._size_bytes = 0
        self._soonest_ms = NEVER_MS
