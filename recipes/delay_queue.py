"""Delay queue: a queue whose items are not in line before their time.

Guarantee: as `recipes.queue`. An item put for a time stays in the cluster, in nobody's memory, and
comes into line once a mover's clock shows that time, never before; in line, items are taken in the
order of their times. Of all movers that run, an elected one moves; when it dies the next one goes
on, and nothing is moved twice or lost.

What breaks it: with no mover running nothing comes into line. A mover whose clock is ahead moves
too early by that much.

Cost: put 1. Moving: one transaction for up to 128 items that are due; then a clock and one watch on
what is due sooner. Idle movers watch the one ahead of them.

Keys beside the queue's: later/ID, mover/. IDs are the time (16 hexadecimal digits) and the number.
"""

import asyncio
from collections.abc import Sequence

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, MaybeDone, Misuse, Refused, Unavailable
from coord.model import KeyValue
from coord.requests import Compare, Put, RangeReply, Txn
from recipes.election import Election, Leadership
from recipes.errors import NotLeader
from recipes.port import KeptLease, KeyStore, next_batch, only
from recipes.queue import FIRST, Queue, QueueSettings, id_bytes
from recipes.timer import Timer, WallTimer
from recipes.waiting import first_of

MOVED_MAX = 128  # items in one transaction
FEW_ITEMS = 16  # fit into one answer, however large each is
MOVED_BYTES = 1_000_000  # of their bodies, unless there is but one
RETRY_S = 0.2
_TIME_MAX = 2**63 - 1


class DelayQueue(Queue):
    """One queue; consumers are the queue's, beside at least one `Mover`."""

    in_order = False

    def __init__(
        self,
        client: KeyStore,
        prefix: Text,
        settings: QueueSettings | None = None,
        *,
        timer: Timer | None = None,
    ) -> None:
        super().__init__(client, prefix, settings)
        self.timer = timer or WallTimer()

    @property
    def later(self) -> bytes:
        """The prefix of items whose time has not come."""
        return self.prefix + b"later/"

    def putting(
        self,
        body: Text,
        *,
        first: bool = False,
        delay_ms: int = 0,
        at_unix_ms: int = 0,
    ) -> Put:
        """Return the operation that puts an item, for use in a transaction of yours.

        Args:
            body: what to keep.
            first: at once, and before all that were not put so.
            delay_ms: how long it is not in line, from now.
            at_unix_ms: when it comes into line, instead of a delay.

        Raises:
            Misuse: the time is none, or there are two.
        """
        if min(delay_ms, at_unix_ms) < 0 or (first + (delay_ms > 0) + (at_unix_ms > 0)) > 1:
            raise Misuse(
                f"one of first, delay_ms ({delay_ms}) and at_unix_ms ({at_unix_ms}), not below 0",
                ErrorCode.INVALID_OPTION,
            )
        now = self.timer.now_unix_ms()
        due = min(at_unix_ms or now + delay_ms, _TIME_MAX)
        place = self.later if due > now else self.ready
        stem = place + (FIRST if first else b"") + f"{due:016x}".encode()
        return ops.put(stem, body, sequence=True)

    async def put(
        self,
        body: Text,
        *,
        first: bool = False,
        delay_ms: int = 0,
        at_unix_ms: int = 0,
    ) -> str:
        """Put an item for later, or into line where its time has come, and return its id.

        Raises:
            Misuse: the time is none, or there are two.
        """
        put = self.putting(body, first=first, delay_ms=delay_ms, at_unix_ms=at_unix_ms)
        reply = await self.client.put(put.key, put.value, sequence=True)
        return reply.key.rpartition(b"/")[2].decode()

    async def waiting(self) -> int:
        """Return how many items wait for their time."""
        return (await self.client.get(self.later, prefix=True, count_only=True)).count

    async def cancel(self, item: str) -> bool:
        """Take an item out whose time has not come; False where there is none."""
        key = self.later + id_bytes(item)
        reply = await self.client.txn(compare=[ops.exists(key)], success=[ops.delete(key)])
        return reply.succeeded


class Mover:
    """Brings the items of a delay queue into line when their time has come, if it is elected."""

    def __init__(self, queue: DelayQueue, session: KeptLease) -> None:
        self._queue = queue
        self._client = queue.client
        self._session = session

    async def run(self) -> None:
        """Stand for election and, elected, move items; until cancelled.

        Raises:
            SessionLost: the session ended; another one goes on.
            Unavailable: the client was closed.
        """
        election = Election(self._client, self._queue.prefix + b"mover/")
        while True:
            try:
                leadership = await election.campaign(self._session)
                try:
                    await first_of(self._move(leadership), leadership.ended())
                finally:
                    await _resigned(leadership)
            except NotLeader:
                continue
            except (Unavailable, MaybeDone) as error:
                if error.code is ErrorCode.STOPPING:
                    raise
                await asyncio.sleep(RETRY_S)

    async def _move(self, leadership: Leadership) -> None:
        queue = self._queue
        while True:
            found = await self._soonest()
            now = queue.timer.now_unix_ms()
            due = [kv for kv in found.kvs if self._due_unix_ms(kv) <= now]
            if due:
                await self._bring(_portion(due), leadership)
            else:
                await self._next_due(only(found), found.revision)

    async def _soonest(self) -> RangeReply:
        """Return the items due first, as many as are moved at once, or as fit into one answer."""
        later = self._queue.later
        try:
            return await self._client.get(later, prefix=True, limit=MOVED_MAX)
        except Refused as error:
            if error.code is not ErrorCode.REPLY_TOO_LARGE:
                raise
            return await self._client.get(later, prefix=True, limit=FEW_ITEMS)

    async def _bring(self, due: Sequence[KeyValue], leadership: Leadership) -> None:
        """Bring items into line; those that were cancelled meanwhile are passed over."""
        queue = self._queue
        moves = []
        for kv in due:
            there: tuple[Compare, ...] = (ops.created(kv.key, "==", kv.create_revision),)
            place = queue.ready + kv.key.removeprefix(queue.later)
            moves.append(Txn(there, (ops.put(place, kv.value), ops.delete(kv.key)), ()))
        reply = await self._client.txn(compare=[leadership.guard()], success=moves)
        if not reply.succeeded:
            raise NotLeader

    async def _next_due(self, first: KeyValue | None, revision: int) -> None:
        """Wait until `first` is due, or something comes that is due before it."""
        waits = [self._sooner(first, revision)]
        if first is not None:
            waits.append(self._queue.timer.until(self._due_unix_ms(first)))
        await first_of(*waits)

    async def _sooner(self, first: KeyValue | None, revision: int) -> None:
        later = self._queue.later
        end = ops.prefix_end(later) if first is None else first.key
        try:
            async with self._client.watch(
                later, range_end=end, start_revision=revision + 1, no_delete=True
            ) as watch:
                await next_batch(watch)
        except Refused as error:
            if error.code is not ErrorCode.COMPACTED:
                raise

    def _due_unix_ms(self, kv: KeyValue) -> int:
        digits = kv.key.removeprefix(self._queue.later)[:16]
        try:
            return int(digits, 16)
        except ValueError:
            return 0  # put by somebody else, at no time: at once


def _portion(due: Sequence[KeyValue]) -> Sequence[KeyValue]:
    """Return as many of the first items as one transaction carries."""
    size_bytes = 0
    for count, kv in enumerate(due):
        size_bytes += len(kv.value)
        if count and size_bytes > MOVED_BYTES:
            return due[:count]
    return due


async def _resigned(leadership: Leadership) -> None:
    """Let the next mover go on at once; where nobody can be told, it does with the session."""
    try:
        await leadership.resign()
    except (Unavailable, MaybeDone, Refused):
        return
