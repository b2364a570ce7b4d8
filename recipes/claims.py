"""Claimer: one session's claims from one prefix to another, none of them ever unaccounted for.

What queue consumers and job workers share. A claim whose answer was lost is looked up under the
claimer's own target prefix, after something of the same client that the store did later: what is
not found then was not done. A call cancelled half-way gives back what it may have claimed.

Leaves out what an item means, and how it is let go of: tell `let_go` when it is.

A target prefix belongs to one living claimer at a time; one coroutine claims, any number let go.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from coord.client import ops
from coord.errors import CoordError, ErrorCode, MaybeDone, Refused, Unavailable
from coord.model import KeyValue
from coord.requests import Claim, ClaimReply, Compare, RangeReply, Reply, TxnOp, TxnReply
from recipes.errors import SessionLost, session_ends
from recipes.port import KeptLease, KeyStore, next_batch

RETRY_S = 0.2
Guards = Callable[[], Sequence[Compare]]


@runtime_checkable
class Shape(Protocol):
    """How a claim is made, where it is more than taking the first keys there are."""

    def claiming(self, claim: Claim) -> TxnOp:
        """Return what to do in place of a claim: it, or a transaction of smaller ones."""
        ...

    def empty(self, source: bytes) -> Compare:
        """Return the condition that there is nothing to claim under `source`: a range of keys."""
        ...


class Claimer:
    """Claims keys from `source` to `target` under a session, while all of `guards()` hold.

    Others may put keys under the target prefix themselves, claimed for us, with a note of the same
    name under `notes`: whoever reads the notes calls `note`. Such a key is never taken for a claim
    of ours whose answer was lost.

    Attributes:
        shut: whether the last claim found a guard that did not hold.
        answers: replies to the last claim's other operations; none while `shut`, or when the
            claim was looked up because its answer had been lost.
        revision: at which the last claim was made.
    """

    def __init__(
        self,
        client: KeyStore,
        session: KeptLease,
        source: bytes,
        target: bytes,
        guards: Guards = tuple,
        shape: Shape | None = None,
        notes: bytes = b"",
    ) -> None:
        self.shut = False
        self.answers: tuple[Reply, ...] = ()
        self.revision = 0
        self.session = session
        self._client = client
        self.source = source
        self._target = target
        self._guards = guards
        self._shape = shape
        self._notes = notes
        self._holding: dict[bytes, KeyValue] = {}
        self._in_doubt = False
        self._undoing: asyncio.Task[None] | None = None
        self._asking: asyncio.Future[ClaimReply] | None = None
        """The claim under way; it goes on when who asked for it is cancelled."""

    @property
    def holding(self) -> Mapping[bytes, KeyValue]:
        """What was claimed and not let go of, by key, oldest claim first."""
        return MappingProxyType(self._holding)

    def let_go(self, key: bytes) -> None:
        """Note that a claim has ended, by whatever cause."""
        self._holding.pop(key, None)

    def claiming(self, limit: int = 1) -> TxnOp:
        """Return the claim as an operation, for use in a transaction of yours.

        Hand its reply to `taken`; when its outcome stays unknown, call `doubt`. The guards are
        yours to add.
        """
        claim = ops.claim(self.source, self._target, self.session.lease, limit)
        return claim if self._shape is None else self._shape.claiming(claim)

    def empty(self) -> Compare:
        """Return the condition that there is nothing to claim: that a range has no keys."""
        if self._shape is not None:
            return self._shape.empty(self.source)
        return ops.missing(self.source, prefix=True)

    def taken(self, reply: ClaimReply) -> list[KeyValue]:
        """Note what a transaction of yours claimed, and return what was not known yet."""
        fresh = [kv for kv in reply.kvs if self._holding.get(kv.key) != kv]
        self._holding.update((kv.key, kv) for kv in fresh)
        self.revision = reply.revision
        return fresh

    def note(self, kv: KeyValue) -> bool:
        """Note what is held without having been claimed by us; tell whether it was not known."""
        is_new = self._holding.get(kv.key) != kv
        self._holding[kv.key] = kv
        return is_new

    def doubt(self) -> None:
        """Note that a claim may have been made that nobody knows of; the next call looks."""
        self._in_doubt = True

    async def try_claim(
        self, limit: int = 1, before: Iterable[TxnOp] = (), after: Iterable[TxnOp] = ()
    ) -> list[KeyValue]:
        """Claim up to `limit` keys that are there now, in one transaction.

        Args:
            limit: how many keys; more come when an earlier claim's answer had been lost.
            before: operations of the same transaction, done before the claim. They are repeated
                when the answer is lost, so they must bear that: reads, puts, deletes.
            after: likewise, done after the claim.

        Returns:
            The keys, as they are under the target prefix; none when there are none, or `shut`.

        Raises:
            SessionLost: the session has ended; nothing is held.
        """
        before, after = tuple(before), tuple(after)
        return await self.claimed_by(lambda: self._ask(limit, before, after))

    async def claimed_by(self, ask: Callable[[], Awaitable[ClaimReply]]) -> list[KeyValue]:
        """Claim by `ask`, again when its answer was lost and nothing claimed by it is found.

        Raises:
            SessionLost: the session has ended; nothing is held.
        """
        while True:
            if self.session.lost.is_set():
                raise SessionLost
            try:
                await self._stop_undoing()
                self.answers = ()
                self._asking = asyncio.ensure_future(ask())
                with session_ends():
                    fresh = self.taken(await asyncio.shield(self._asking))
                    if self._in_doubt:
                        # What was in doubt may have been carried out late, but not after this.
                        fresh += await self._unnoticed()
                        self._in_doubt = False
                return fresh
            except MaybeDone:
                self._in_doubt = True
                if fresh := await self._unnoticed():
                    return fresh
            except asyncio.CancelledError:
                self._undo()
                raise

    async def recover(self) -> list[KeyValue]:
        """Look up all that is held, claims whose answers never came included."""
        await self._stop_undoing()
        self._note((await self._settled()).replies)
        self._in_doubt = False
        return list(self._holding.values())

    async def arrival(self) -> None:
        """Return when something arrived since nothing was found, or may have."""
        empty = self.empty()
        try:
            watching = self._client.watch(
                empty.key,
                range_end=empty.range_end,
                start_revision=self.revision + 1,
                no_delete=True,
            )
            async with watching as watch:
                await next_batch(watch)
        except Refused as error:
            # What arrived since is hidden by compaction: worth a look.
            if error.code is not ErrorCode.COMPACTED:
                raise

    def guards(self) -> tuple[Compare, ...]:
        """Return what must hold for a claim, as it is now."""
        return tuple(self._guards())

    async def _ask(
        self, limit: int, before: tuple[TxnOp, ...], after: tuple[TxnOp, ...]
    ) -> ClaimReply:
        """Claim, unless a guard does not hold."""
        guards = self.guards()
        self.shut = False
        if not (guards or before or after or self._shape):
            lease = self.session.lease
            return await self._client.claim(self.source, self._target, lease, limit)
        steps = (*before, self.claiming(limit), *after)
        reply = await self._client.txn(compare=guards, success=steps)
        self.shut = not reply.succeeded
        return self.read(reply)

    def read(self, reply: TxnReply) -> ClaimReply:
        """Return the claim's part of a transaction's reply, and keep the others as `answers`."""
        replies = list(_flat(reply))
        self.answers = tuple(each for each in replies if not isinstance(each, ClaimReply))
        claims = [each for each in replies if isinstance(each, ClaimReply)]
        return claims[0] if claims else ClaimReply(reply.revision)

    async def _unnoticed(self) -> list[KeyValue]:
        """Find what hangs on our lease, under our prefix, by a claim whose answer was lost."""
        if not self._notes:
            return self._note((await self._client.get(self._target, prefix=True),))
        return self._note((await self._client.txn(success=self._reading())).replies)

    def _reading(self) -> list[TxnOp]:
        reads: list[TxnOp] = [ops.get(self._target, prefix=True)]
        if self._notes:
            reads.append(ops.get(self._notes, prefix=True, keys_only=True))
        return reads

    def _note(self, replies: Iterable[Reply]) -> list[KeyValue]:
        held, *others = [each for each in replies if isinstance(each, RangeReply)]
        told = {kv.key.removeprefix(self._notes) for notes in others for kv in notes.kvs}
        ours = [
            kv
            for kv in held.kvs
            if kv.lease == self.session.lease and kv.key.removeprefix(self._target) not in told
        ]
        fresh = [kv for kv in ours if self._holding.get(kv.key) != kv]
        self._holding.update((kv.key, kv) for kv in fresh)
        return fresh

    async def _settled(self) -> TxnReply:
        """Read what is under our prefix once no claim of ours is on its way any more."""
        # With a delete, though of nothing: a write says which earlier ones are given up, so that
        # they are not carried out any more.
        return await self._client.txn(success=[*self._reading(), ops.delete(self._target)])

    def _undo(self) -> None:
        """Give back, behind the caller's back, what a cancelled claim may have taken."""
        self._in_doubt = True
        self._undoing = asyncio.create_task(self._give_back_unnoticed())

    async def _stop_undoing(self) -> None:
        if self._undoing is not None:
            self._undoing.cancel()
            await asyncio.wait((self._undoing,))
            self._undoing = None
        await self._asked()

    async def _asked(self) -> None:
        """Wait until no claim is on its way: writes of one client may overtake each other."""
        asking = self._asking
        if asking is not None:
            await asyncio.wait((asking,))
            if not asking.cancelled():
                asking.exception()  # told to whoever waited for it, if anybody did
            if self._asking is asking:  # or else the next one is under way
                self._asking = None

    async def _give_back_unnoticed(self) -> None:
        await self._asked()
        while not self.session.lost.is_set():
            try:
                fresh = self._note((await self._settled()).replies)
                for kv in fresh:
                    self.let_go(kv.key)  # all at once: nobody else may take them for held
                for kv in fresh:
                    await self._client.give_back(kv.key, kv.create_revision)
                self._in_doubt = False
                return
            except (Unavailable, MaybeDone) as error:
                if error.code is ErrorCode.STOPPING:
                    return
                await asyncio.sleep(RETRY_S)
            except CoordError:
                return  # no client is left to say it with; what is held goes with the session


def _flat(reply: TxnReply) -> Iterator[Reply]:
    """Yield the replies of a transaction and of those within it."""
    for each in reply.replies:
        if isinstance(each, TxnReply):
            yield from _flat(each)
        else:
            yield each
