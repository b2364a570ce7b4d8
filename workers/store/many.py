"""Enqueuing many jobs in few transactions, each of as many as fit.

What stands in the way of some (a taken key, a limit of their queue) fails the whole transaction;
the ones it concerns are then seen to, and the rest goes on.
"""

import asyncio
import itertools
from collections.abc import Iterable, Sequence

from attrs import define, field, frozen

from coord.client import ops
from coord.limits import TXN_OPS_MAX
from coord.requests import Compare, Put, TxnOp
from recipes.errors import Contended
from recipes.port import only
from workers.errors import DuplicateJob
from workers.model.ids import JobId
from workers.steps.move import Move
from workers.store.enqueueing import enqueue, enqueuing, has_key, limited, made_id
from workers.store.finding import range_replies
from workers.store.new import NewJob, WhenTaken
from workers.store.site import TRIES_MAX, Site

CHUNK_BYTES = 1_000_000  # of one transaction; below REQUEST_BYTES_MAX with room for the rest
BUILT_AT_ONCE = 32  # between looks at what else the loop has to do
_OP_BYTES = 120  # an index entry


@frozen
class _Placed:
    """A job, where its id goes in the answer, and the move that enqueues it."""

    at: int
    new: NewJob
    move: Move


@define
class _Chunk:
    """One transaction's worth of jobs."""

    placed: list[_Placed] = field(factory=list)
    ops: int = 0
    size_bytes: int = 0
    uniques: set[str] = field(factory=set)

    def takes(self, placed: _Placed) -> bool:
        """Add a job if it fits; a unique key twice does not: the second must meet the first."""
        ops_more, bytes_more = len(placed.move.ops), _size_bytes(placed.move)
        unique = placed.new.job.unique
        if self.placed and (
            self.ops + ops_more > TXN_OPS_MAX
            or self.size_bytes + bytes_more > CHUNK_BYTES
            or unique in self.uniques
        ):
            return False
        self.placed.append(placed)
        self.ops += ops_more
        self.size_bytes += bytes_more
        if unique:
            self.uniques.add(unique)
        return True


async def enqueue_many(site: Site, news: Iterable[NewJob]) -> list[JobId]:
    """Enqueue many jobs in their order; see `JobStore.enqueue_many`."""
    batch = _Batch(site, list(news))
    failed = 0
    while batch.pending:
        failed = 0 if await batch.send_some() else failed + 1
        if failed == TRIES_MAX:
            raise Contended
    return [batch.ids[at] for at in range(len(batch.ids))]


class _Batch:
    """Jobs on their way: those pending, and the ids of those done."""

    def __init__(self, site: Site, news: Sequence[NewJob]) -> None:
        self._site = site
        self._limited: set[str] = set()
        self._ahead: _Chunk | None = None
        self.pending = list(enumerate(news))
        self.ids: dict[int, JobId] = {}

    async def send_some(self) -> bool:
        """Send one transaction of those pending; return whether any of them is done now.

        While the cluster has it, the next one is built.
        """
        chunk, self._ahead = self._ahead or await self._fill(0), None
        compare: dict[Compare, None] = {}
        steps: list[TxnOp] = []
        for placed in chunk.placed:
            compare.update(dict.fromkeys(placed.move.compare))
            steps += placed.move.ops
        queues = sorted({placed.new.queue for placed in chunk.placed})
        uniques = sorted(chunk.uniques)
        obstacles = self._obstacles(queues, uniques)
        sending = asyncio.ensure_future(self._site.client.txn(compare, steps, obstacles))
        try:
            ahead = await self._fill(len(chunk.placed))
        finally:
            reply = await sending
        if not reply.succeeded:
            answers = range_replies(reply)
            found = zip(queues, answers, strict=False)
            self._limited.update(queue for queue, answer in found if answer.kvs)
            places = self._site.places
            return await self._see_to_taken(
                chunk,
                {
                    unique: has_key(places.unique(unique), kv)
                    for unique, answer in zip(uniques, answers[len(queues) :], strict=True)
                    if (kv := only(answer))
                },
            )
        first = 0
        for placed in chunk.placed:
            self.ids[placed.at] = made_id(placed.new, reply.replies[first])
            first += len(placed.move.ops)
        del self.pending[: len(chunk.placed)]
        self._ahead = ahead if ahead.placed else None
        return True

    async def _fill(self, first: int) -> _Chunk:
        """Build a transaction of those pending from number `first` on, as many as fit."""
        chunk = _Chunk()
        for number, (at, new) in enumerate(itertools.islice(self.pending, first, None)):
            if number % BUILT_AT_ONCE == 0:
                await asyncio.sleep(0)
            known = limited(new) if new.queue in self._limited else new
            if not chunk.takes(_Placed(at, known, enqueuing(self._site, known))):
                break
        return chunk

    def _obstacles(self, queues: list[str], uniques: list[str]) -> list[TxnOp]:
        places = self._site.places
        return [
            *(ops.get(places.queue(queue).limit) for queue in queues),
            *(ops.get(places.unique(unique), prefix=True, limit=1) for unique in uniques),
        ]

    async def _see_to_taken(self, chunk: _Chunk, taken: dict[str, JobId]) -> bool:
        for placed in chunk.placed:
            has_it = taken.get(placed.new.job.unique)
            if has_it is None:
                continue
            if placed.new.when_taken is WhenTaken.REJECT:
                raise DuplicateJob(has_it)
            if placed.new.when_taken is WhenTaken.KEEP:
                self.ids[placed.at] = has_it
            else:
                self.ids[placed.at] = await enqueue(self._site, placed.new)
        self.pending = [(at, new) for at, new in self.pending if at not in self.ids]
        return bool(taken)


def _size_bytes(move: Move) -> int:
    put = move.ops[0]
    assert isinstance(put, Put)
    return len(put.key) + len(put.value) + _OP_BYTES * len(move.ops)
