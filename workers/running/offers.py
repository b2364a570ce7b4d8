"""What an idle worker lays out for one queue: its free slots, to be handed jobs without a claim.

Offers stand while the worker stands in line. They are made in the transaction that enters it and
taken away in the one that claims; one that was used is made anew in the transaction that settles
its job. So a job that finds an idle worker costs two transactions in all. An offer too many does no
harm: a job there is no slot for is put back, as one that was claimed ahead.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from coord.client import ops
from coord.errors import CoordError, MaybeDone, Unavailable
from coord.model import EventKind, KeyValue
from coord.requests import DeleteRange, RangeReply, TxnOp
from recipes.mirror import Mirror
from recipes.port import KeptLease, KeyStore
from workers.model.places import QueuePlaces
from workers.running.claim import Claim, claim_of
from workers.steps.hand import handed, note_of, slot_key

OFFERS_MAX = 16  # of one worker in one queue
RETRY_S = 0.2
TAKE_BACK_S = 1.0

log = structlog.get_logger("workers")

Take = Callable[[KeyValue], None]


class Offers:
    """The offers of one worker to one queue, under one session.

    Attributes:
        standing: whether the worker stands in line; only then are offers made anew.
    """

    def __init__(self, client: KeyStore, session: KeptLease, at: QueuePlaces, worker: str) -> None:
        self.standing = False
        self._client = client
        self._session = session
        self._at = at
        self._worker = worker
        self._listening = False
        self._was_made = False
        self._used: dict[Claim, bytes] = {}
        self._freed: dict[Claim, bytes] = {}
        self._open: set[bytes] = set()
        """Numbers of the slots that are on offer, as far as is known."""

    def making(self, count: int) -> list[TxnOp]:
        """Return what offers up to `count` slots; nothing before `follow` listens."""
        self._open.clear()  # what is there all the same is only written again
        return [self._offer(number) for number in self._unused()[: max(0, count)]]

    def settling(self, claim: Claim, count: int) -> list[TxnOp]:
        """Return what goes with the end of a claim: its note goes, and a slot is on offer again.

        Asked again for the same claim it says the same.

        Args:
            claim: that ends; of a job that was handed over, or of any other.
            count: how many slots may be on offer while the worker stands in line.
        """
        number = self._used.get(claim)
        told: list[TxnOp] = []
        if number is not None:
            told.append(ops.delete(note_of(self._at, self._worker, claim[0])))
        number = number or self._freed.get(claim)
        if number is None and len(self._open) < count:
            number = next(iter(self._unused()), None)
        if number is None or not self.standing:
            return told
        self._freed[claim] = number
        return [*told, self._offer(number)]

    async def take_back(self) -> None:
        """Take away what is still on offer, for want of room; it stands where that fails."""
        if self._open:
            try:
                async with asyncio.timeout(TAKE_BACK_S):
                    await self._client.txn(success=[self.taking_away()])
            except (CoordError, TimeoutError) as error:
                log.warning("offers stand", worker=self._worker, error=str(error))
            else:
                self.taken_away()

    async def close(self) -> None:
        """Take everything away that may be on offer, however long the cluster is away."""
        while self._was_made and not self._session.lost.is_set():
            try:
                await self._client.txn(success=[self.taking_away()])
                return
            except (Unavailable, MaybeDone) as error:
                log.warning("offers stand", worker=self._worker, error=str(error))
                await asyncio.sleep(RETRY_S)

    def taken_away(self) -> None:
        """Note that nothing is on offer any more."""
        self._open.clear()

    async def withdraw(self, take: Take) -> None:
        """Take all offers away, and tell of every job handed over that was not told of yet.

        `follow` must have ended.
        """
        if not self._was_made:
            return
        notes = ops.get(self._at.handed_to(self._worker), prefix=True)
        reply = await self._client.txn(success=[self.taking_away(), notes])
        told = reply.replies[-1]
        assert isinstance(told, RangeReply)
        for note in told.kvs:
            self._tell(note, take)

    def taking_away(self) -> DeleteRange:
        """Return what takes all offers away."""
        return ops.delete(self._at.free_of(self._worker), prefix=True)

    def let_go(self, claim: Claim) -> None:
        """Note that a claim has ended: the slot it was handed to is free."""
        self._used.pop(claim, None)
        self._freed.pop(claim, None)

    async def follow(self, take: Take) -> None:
        """Tell of every job that is handed over, as the claimed key it is; until cancelled."""
        notes = Mirror(self._client, self._at.handed_to(self._worker))
        async with AsyncExitStack() as following:
            while True:
                try:
                    if not self._listening:
                        await following.enter_async_context(notes)
                        self._listening = True
                    for event in await notes.change():
                        if event.kind is EventKind.PUT:
                            self._tell(event.kv, take)
                except (Unavailable, MaybeDone) as error:
                    log.warning("cannot hear of jobs", worker=self._worker, error=str(error))
                    await asyncio.sleep(RETRY_S)

    def _tell(self, note: KeyValue, take: Take) -> None:
        if note.lease == self._session.lease:
            number, kv = handed(self._at, self._worker, note)
            self._used[claim_of(kv)] = number
            self._open.discard(number)
            take(kv)

    def _unused(self) -> list[bytes]:
        if not self._listening:
            return []
        used = self._open.union(self._used.values())
        numbers = (b"%04x" % at for at in range(OFFERS_MAX))
        return [number for number in numbers if number not in used]

    def _offer(self, number: bytes) -> TxnOp:
        self._was_made = True
        self._open.add(number)
        return ops.put(slot_key(self._at, self._worker, number), lease=self._session.lease)
