"""Semaphore: at most N permits are out at once, given in order of arrival.

Guarantee: at any revision the first N places in line are the permits; the others wait. A permit
comes back with its release or with the end of its holder's session. N is written down once, by
whoever comes first; who comes with another number is refused. `Hold.guard()` refuses what the
holder of a permit that came back still writes.

What breaks it: acting without guard after a pause longer than the session's time to live. Each
`acquire` takes a permit of its own, also under one session.

Cost: a free permit one round trip (the first use of an object one more), release one. Waiting: the
first in line watches the holders, everybody else only whoever is ahead; so a release wakes two,
however many wait. Not for: N = 1 (a lock is cheaper), or limits on rate instead of number.
"""

import asyncio
import secrets

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, MaybeDone, Misuse, Refused
from coord.model import Event, EventKind, KeyValue
from coord.requests import RangeReply, SortOrder, SortTarget, TxnOp
from recipes.errors import LimitMismatch, SessionLost
from recipes.hold import Hold, Holds
from recipes.line import Entered, Place, lease_name, line_of
from recipes.port import KeptLease, KeyStore, next_batch
from recipes.waiting import check_timeout, while_kept, within

LIMIT_MAX = 10_000
HOLDS = b"holds"  # what a place says that had to wait and waits no more


class Semaphore:
    """One semaphore, by name: its keys are NAME/limit and NAME/permits/LEASE-NUMBER.

    Args:
        client: whom to ask.
        name: of the semaphore.
        limit: how many permits there are, 1 to 10,000; the same for all who use it.

    Raises:
        Misuse: a bad limit, or a name that `recipes.line.line_of` refuses.
    """

    def __init__(self, client: KeyStore, name: Text, limit: int) -> None:
        if not 1 <= limit <= LIMIT_MAX:
            raise Misuse(f"limit {limit}; 1 to {LIMIT_MAX} are allowed", ErrorCode.INVALID_OPTION)
        self._client = client
        self.limit = limit
        folder = line_of(name)
        self._limit_key = folder + b"limit"
        self._folder = folder + b"permits/"
        self._holds = Holds(client)
        self._agreed = False

    async def acquire(self, session: KeptLease, timeout_ms: float | None = None) -> Hold:
        """Stand in line until a permit is free; cancelled, no place in line is left.

        Raises:
            StillHeld: `timeout_ms` milliseconds passed; no place in line is left.
            SessionLost: the session ended, and with it the place in line.
            LimitMismatch: the semaphore was made with another limit.
        """
        check_timeout(timeout_ms)
        return await within(timeout_ms, self._take(session, patient=True))

    async def try_acquire(self, session: KeptLease) -> Hold | None:
        """Take a permit if one is free, else return None with nothing left."""
        return await self._take(session, patient=False)

    async def in_use(self) -> int:
        """Return how many permits are out now."""
        line = await self._client.get(self._folder, prefix=True, count_only=True)
        return min(line.count, self.limit)

    async def _take(self, session: KeptLease, *, patient: bool) -> Hold | None:
        async def turn_come(entered: Entered) -> bool:
            (line,) = entered.answers
            assert isinstance(line, RangeReply)
            # At its making a place is the last: the count is its rank, at that very revision.
            if entered.is_new and line.count <= self.limit:
                return True
            return await self._wait(session, entered.place, patient)

        await self._agree()
        number = secrets.token_hex(8).encode()
        key = self._folder + lease_name(session.lease) + b"-" + number
        reads = [ops.get(self._folder, prefix=True, count_only=True)]
        return await self._holds.take(session, key, b"", reads, turn_come)

    async def _agree(self) -> None:
        """Write the limit down, or compare it with what is written."""
        if self._agreed:
            return
        wanted = str(self.limit).encode()
        reply = None
        while reply is None:
            try:
                reply = await self._client.txn(
                    compare=[ops.missing(self._limit_key)],
                    success=[ops.put(self._limit_key, wanted)],
                    failure=[ops.get(self._limit_key)],
                )
            except MaybeDone:
                continue
        found = reply.replies[0]
        if isinstance(found, RangeReply) and found.kvs[0].value != wanted:
            raise LimitMismatch(
                f"the limit is {found.kvs[0].value.decode(errors='replace')}, not {self.limit}"
            )
        self._agreed = True

    async def _wait(self, session: KeptLease, place: Place, patient: bool) -> bool:
        while True:
            own, ahead, seen = await self._look(place)
            if len(ahead) < self.limit:
                break
            if not patient:
                return False
            # Ranks only fall, so whoever is beyond the first N+1 need not look at the holders.
            if len(ahead) == self.limit:
                await while_kept(session, self._moved({kv.key for kv in ahead}, seen))
            else:
                await while_kept(session, self._moved({ahead[-1].key}, seen, advanced=True))
        if own.value != HOLDS:
            await self._say_that_it_holds(session, place)
        return True

    async def _look(self, place: Place) -> tuple[KeyValue, list[KeyValue], int]:
        """Return one's own place, the places ahead (all of the first N; the nearest), and when."""
        first = self._ahead(place, self.limit, SortOrder.ASCEND)
        nearest = self._ahead(place, 1, SortOrder.DESCEND)
        reply = await self._client.txn(success=[ops.get(place.key), first, nearest])
        own, early, last = reply.replies
        assert isinstance(own, RangeReply)
        assert isinstance(early, RangeReply)
        assert isinstance(last, RangeReply)
        if not own.kvs or own.kvs[0].create_revision != place.token:
            raise SessionLost
        ahead = list(early.kvs)
        if last.kvs and last.kvs[0].key not in {kv.key for kv in ahead}:
            ahead.append(last.kvs[0])
        return own.kvs[0], ahead, reply.revision

    def _ahead(self, place: Place, limit: int, order: SortOrder) -> TxnOp:
        return ops.get(
            self._folder,
            prefix=True,
            limit=limit,
            sort_target=SortTarget.CREATE,
            sort_order=order,
            max_create_revision=place.token - 1,
        )

    async def _moved(self, keys: set[bytes], seen: int, *, advanced: bool = False) -> None:
        """Return once one of `keys` has gone or, with `advanced`, was written; or may have been."""

        def tells(event: Event) -> bool:
            return event.kv.key in keys and (advanced or event.kind is EventKind.DELETE)

        watched, prefix = (next(iter(keys)), False) if len(keys) == 1 else (self._folder, True)
        try:
            watching = self._client.watch(watched, prefix=prefix, start_revision=seen + 1)
            async with watching as watch:
                while not any(map(tells, (await next_batch(watch)).events)):
                    continue
        except Refused as error:
            # What happened since is hidden by compaction: worth a look.
            if error.code is not ErrorCode.COMPACTED:
                raise

    async def _say_that_it_holds(self, session: KeptLease, place: Place) -> None:
        """Wake the next in line, who now looks at the holders itself."""
        put = ops.put(place.key, HOLDS, lease=session.lease)
        while True:
            try:
                reply = await self._client.txn(compare=[place.guard()], success=[put])
            except MaybeDone:
                await asyncio.sleep(0)
                continue
            if not reply.succeeded:
                raise SessionLost
            return
