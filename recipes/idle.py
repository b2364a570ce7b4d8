"""Idle line: claimers that find nothing to claim wait in line, and only the first one listens.

Guarantee: while somebody stands in line, somebody alive listens to the source; one arrival wakes
one claimer, however many are idle. Whoever claims leaves the line in the same transaction, and that
wakes the next, who finds what is left; when much is left, more are called at once. Claimers that
find something do not come here. Nobody's place outlives its session, or a wait that was cancelled.

A place is a key under the claimer's lease: the revision at which it found nothing, its lease, its
name. Who is not first watches the place ahead. Places come in that order but for a race between
two who enter at once; then both listen, or both wake: more than needed, never less.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from coord.client import ops
from coord.errors import CoordError
from coord.model import KeyValue
from coord.requests import (
    ClaimReply,
    Range,
    RangeReply,
    Reply,
    SortOrder,
    Txn,
    TxnOp,
    TxnReply,
)
from recipes.claims import Claimer
from recipes.hold import Holds
from recipes.line import Entered, lease_name
from recipes.port import KeyStore, only
from recipes.waiting import until_gone, while_kept

CALLED_MAX = 256  # claimers called at once by one who found more than it could take

Listen = Callable[[], Awaitable[None]]


class IdleLine:
    """One claimer's access to the line of all that claim from the same source.

    Args:
        client: whom to ask.
        claimer: who claims.
        folder: prefix of the line's keys, the same for all claimers of one source.
        name: unlike that of every other claimer under the same session and source.
        opening: waits until the claimer's guards may hold, when one did not.
        arrival: waits until there may be something to claim; the claimer's own unless given.
        room: tells how many keys it can take now; asked before each claim in line. Who has none
            left when called leaves the line to others.
        entering: tells what else to do in the transaction that enters the line. That is repeated
            when its answer is lost.

    Attributes:
        limit: how many keys the last claim asked for.
    """

    def __init__(
        self,
        client: KeyStore,
        claimer: Claimer,
        folder: bytes,
        name: bytes,
        opening: Listen | None = None,
        arrival: Listen | None = None,
        room: Callable[[], int] | None = None,
        entering: Callable[[], Iterable[TxnOp]] = tuple,
    ) -> None:
        self._client = client
        self._claimer = claimer
        self._folder = folder
        self._name = name
        self._opening = opening
        self._arrival = arrival or claimer.arrival
        self._room = room
        self._entering = entering
        self.limit = 0
        self._holds = Holds(client)
        self._calling: set[asyncio.Task[None]] = set()

    async def claim(
        self,
        limit: int = 1,
        before: Iterable[TxnOp] = (),
        after: Iterable[TxnOp] = (),
        *,
        seen_empty: bool = False,
    ) -> list[KeyValue]:
        """Claim up to `limit` keys, waiting until there is at least one.

        Args:
            limit: how many keys; more come when an earlier claim's answer had been lost.
            before: operations that come with a claim; as for `Claimer.try_claim`.
            after: likewise.
            seen_empty: the claimer's last claim found nothing there, with no guard in its way; go
                into line without trying once more.

        Returns:
            The keys; none where there was no room for any when something came.

        Raises:
            SessionLost: the session ended; nothing is held.
        """
        before, after = tuple(before), tuple(after)
        while True:
            found = []
            if not seen_empty:
                found = await self._claimer.try_claim(self._fitting(limit), before, after)
            seen_empty = False
            if not found:
                found = await self._in_line(limit, before, after)
            if found or self._is_full:
                return found

    async def _in_line(
        self, limit: int, before: tuple[TxnOp, ...], after: tuple[TxnOp, ...]
    ) -> list[KeyValue]:
        """Wait in line until a claim was tried and the place was left with it."""
        session = self._claimer.session
        order = f"{self._claimer.revision:016x}-".encode() + lease_name(session.lease)
        key = self._folder + order + b"-" + self._name
        turn = _Turn(self, key, limit, before, after)

        async def turn_come(entered: Entered) -> bool:
            await while_kept(session, turn.wait(entered.answers[0]))
            return True

        steps = [self._ahead_of(key), *self._entering()]
        hold = await self._holds.take(session, key, b"", steps, turn_come)
        assert hold is not None
        if turn.is_left:
            self._holds.forget(key)
        else:
            await hold.abandon()
        return turn.found

    @property
    def _is_full(self) -> bool:
        return self._room is not None and self._room() <= 0

    def _fitting(self, limit: int) -> int:
        """Return how many keys to ask for, and note it."""
        self.limit = limit if self._room is None else max(1, min(limit, self._room()))
        return self.limit

    def _ahead_of(self, key: bytes) -> Range:
        return ops.get(self._folder, range_end=key, limit=1, sort_order=SortOrder.DESCEND)

    async def _listen(self) -> None:
        if self._claimer.shut and self._opening is not None:
            await self._opening()
        else:
            await self._arrival()

    def _call(self, count: int) -> None:
        """Let the first `count` in line try, without waiting for each other."""
        calling = asyncio.create_task(self._call_now(count))
        self._calling.add(calling)
        calling.add_done_callback(self._calling.discard)

    async def _call_now(self, count: int) -> None:
        # To lose one's place is to be called; the one behind the last of them is woken too.
        try:
            first = await self._client.get(self._folder, prefix=True, limit=count - 1)
            if first.kvs:
                await self._client.txn(success=[ops.delete(kv.key) for kv in first.kvs])
        except CoordError:
            return  # they wake one by one all the same


class _Turn:
    """One place in line, from entering it to leaving it."""

    def __init__(
        self,
        line: IdleLine,
        key: bytes,
        limit: int,
        before: tuple[TxnOp, ...],
        after: tuple[TxnOp, ...],
    ) -> None:
        self.found: list[KeyValue] = []
        self.is_left = False
        self._line = line
        self._claimer = line._claimer
        self._key = key
        self._limit = limit
        self._before = before
        self._after = after
        self._left_over = 0
        self._ahead: Reply = RangeReply(0)

    async def wait(self, ahead: Reply) -> None:
        """Wait until something was claimed, or the place is left; `ahead` tells who is."""
        while True:
            assert isinstance(ahead, RangeReply)
            blocker = only(ahead)
            if blocker is None:
                await self._line._listen()
            else:
                client, token = self._line._client, blocker.create_revision
                await until_gone(client, blocker.key, token, ahead.revision)
            if self._line._is_full:
                return
            self.found = await self._claimer.claimed_by(self._try)
            if self.found and blocker is None:
                calls = min(-(-self._left_over // self._limit), CALLED_MAX)
                if calls > 1:
                    self._line._call(calls)
            if self.found or self.is_left:
                return
            ahead = self._ahead

    async def _try(self) -> ClaimReply:
        """Claim, and leave the line with it; when there is nothing, stay and see who is ahead."""
        empty = self._claimer.empty()
        looks: list[TxnOp] = [
            ops.get(self._key),
            self._line._ahead_of(self._key),
            ops.get(empty.key, range_end=empty.range_end, count_only=True),
        ]
        claim = self._claimer.claiming(self._line._fitting(self._limit))
        steps = (*self._before, claim, *self._after, ops.delete(self._key))
        leaving = Txn((empty,), (), steps)
        reply = await self._line._client.txn(
            compare=self._claimer.guards(), success=[leaving, *looks], failure=looks
        )
        self._claimer.shut = not reply.succeeded
        own, ahead, ready = reply.replies[-len(looks) :]
        assert isinstance(own, RangeReply)
        assert isinstance(ahead, RangeReply)
        assert isinstance(ready, RangeReply)
        self.is_left = not own.kvs
        self._ahead = ahead
        self._left_over = ready.count
        first = reply.replies[0]
        if isinstance(first, TxnReply) and not first.succeeded:
            return self._claimer.read(first)
        return ClaimReply(reply.revision)
