"""One queue as a worker draws from it: claims with other things, or waiting to be handed a job.

A claim carries the condition that nothing holds the queue shut, and reads which of the queue's
jobs somebody asked to end, so that such a job is never started again.
"""

import asyncio
from collections.abc import Callable, Container, Iterable, Sequence

from attrs import frozen

from coord.client import ops
from coord.errors import ErrorCode, Refused
from coord.limits import KEY_BYTES_MAX, REPLY_BYTES_MAX
from coord.model import EventKind, KeyValue
from coord.requests import ClaimReply, RangeReply, Reply, Txn, TxnOp, TxnReply
from recipes.claims import Claimer
from recipes.idle import IdleLine
from recipes.port import KeptLease, KeyStore, next_batch
from workers.model.places import Places
from workers.running.claim import Claim, claim_of
from workers.running.offers import Offers

CANCELS_READ = 64  # with each claim; the rest are told by watch


@frozen
class Drawn:
    """What one claim brought.

    Attributes:
        kvs: the keys claimed, as they are now.
        cancels: reasons by job id, of jobs of this queue somebody asked to end.
    """

    kvs: list[KeyValue]
    cancels: dict[str, str]


class Source:
    """One queue of one worker, under one session."""

    def __init__(
        self,
        client: KeyStore,
        session: KeptLease,
        places: Places,
        queue: str,
        worker: str,
        room: Callable[[], int],
        offered: Callable[[], int],
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            client: to reach the store.
            session: claims hang on its lease.
            places: of the space.
            queue: which.
            worker: who draws.
            room: tells how many jobs it has room for.
            offered: tells how many it may be handed while it waits in line.
        """
        self.queue = queue
        self.is_waiting = False
        """Whether the queue was found empty or shut, and nothing has happened since."""
        self.under_way = 0
        """How many jobs the claims ask for that are under way."""
        self._client = client
        self._at = at = places.queue(queue)
        self._cancels = places.cancels
        guards = (ops.missing(at.shut, prefix=True),)
        self._seen_empty = False
        self._claimer = Claimer(
            client, session, at.ready, at.held_by(worker), lambda: guards,
            notes=at.handed_to(worker),
        )  # fmt: skip
        self._guards = guards
        self.offers = Offers(client, session, at, worker)
        self._line = IdleLine(
            client,
            self._claimer,
            at.idle,
            worker.encode(),
            self._opening,
            room=room,
            entering=lambda: self.offers.making(offered()),
        )

    def let_go(self, claim: KeyValue) -> None:
        """Note that a claim has ended; another of the same job may have been made since."""
        self.offers.let_go(claim_of(claim))
        held = self._claimer.holding.get(claim.key)
        if held is not None and held.create_revision == claim.create_revision:
            self._claimer.let_go(claim.key)

    def claiming(self, limit: int) -> Txn:
        """Return the claim of up to `limit` jobs as a part of a transaction."""
        return Txn(
            self._guards,
            (self._claimer.claiming(limit), self._reading_cancels()),
            (),
        )

    def claimed(self, reply: Reply, limit: int, *, hides: bool) -> Drawn:
        """Read the answer to `claiming`.

        Args:
            reply: the answer.
            limit: that was asked for.
            hides: the same transaction may have put jobs into line, which its claim passes over.
        """
        assert isinstance(reply, TxnReply)
        if not reply.succeeded:
            self.is_waiting, self._seen_empty = True, False
            return Drawn([], {})
        claim, cancels = reply.replies
        assert isinstance(claim, ClaimReply)
        self.is_waiting = self._seen_empty = not hides and _is_all(claim.kvs, limit)
        return Drawn(self._claimer.taken(claim), self._read_cancels((cancels,)))

    def doubt(self) -> None:
        """Note that the answer to a claim was lost."""
        self._claimer.doubt()

    async def recover(self) -> Drawn:
        """Look up what was claimed without anybody knowing; no claim may be under way."""
        known = set(map(claim_of, self._claimer.holding.values()))
        held = await self._claimer.recover()
        return Drawn([kv for kv in held if claim_of(kv) not in known], {})

    def unknown_to(self, known: Container[Claim]) -> list[KeyValue]:
        """Return what was claimed and is not among the claims `known`."""
        return [kv for kv in self._claimer.holding.values() if claim_of(kv) not in known]

    def handed(self, kv: KeyValue) -> Drawn:
        """Note a job that was handed over, unless it is known already."""
        return Drawn([kv] if self._claimer.note(kv) else [], {})

    async def draw(self, limit: int) -> dict[str, str]:
        """Wait in line until there is something to claim, and claim up to `limit` jobs.

        What was claimed is told by `unknown_to`, also when this is cancelled: then it may just
        have been successful.

        Returns:
            Reasons by job id, of jobs of this queue somebody asked to end.

        Raises:
            SessionLost: the session ended.
        """
        seen_empty, self._seen_empty = self._seen_empty, False
        reading = (self._reading_cancels(),)
        after = (*reading, self.offers.taking_away())
        self.offers.standing = True
        try:
            kvs = await self._line.claim(limit, after=after, seen_empty=seen_empty)
        except asyncio.CancelledError:
            await self.offers.take_back()
            raise
        finally:
            self.offers.standing = False
        if not kvs:
            # No room: whoever has some comes next, and this worker claims again when it has.
            await self.offers.take_back()
            self.is_waiting = False
            return {}
        self.offers.taken_away()
        self.is_waiting = self._seen_empty = _is_all(kvs, self._line.limit)
        return self._read_cancels(self._claimer.answers)

    def _reading_cancels(self) -> TxnOp:
        prefix = self._cancels + self.queue.encode() + b":"
        return ops.get(prefix, prefix=True, limit=CANCELS_READ)

    def _read_cancels(self, replies: Iterable[Reply]) -> dict[str, str]:
        return {
            kv.key.removeprefix(self._cancels).decode(): kv.value.decode(errors="replace")
            for reply in replies
            if isinstance(reply, RangeReply)
            for kv in reply.kvs
        }

    async def _opening(self) -> None:
        """Return when nothing holds the queue shut any more, or something may have let go of it."""
        reply = await self._client.get(self._at.shut, prefix=True, limit=1)
        if not reply.kvs:
            return
        start = reply.revision + 1
        try:
            async with self._client.watch(
                self._at.shut, prefix=True, start_revision=start
            ) as watch:
                while True:
                    batch = await next_batch(watch)
                    if any(event.kind is EventKind.DELETE for event in batch.events):
                        return
        except Refused as error:
            if error.code is not ErrorCode.COMPACTED:
                raise


def _is_all(kvs: Sequence[KeyValue], limit: int) -> bool:
    """Tell whether a claim took all there was: fewer than asked for, and not for want of room."""
    if len(kvs) >= limit:
        return False
    return sum(len(kv.value) + 2 * KEY_BYTES_MAX for kv in kvs) < REPLY_BYTES_MAX // 2
