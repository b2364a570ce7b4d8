"""Which step each due entry asks for, given how its job stands: reads, and writes nothing."""

import asyncio
from collections.abc import Sequence

import structlog

from coord.errors import Misuse
from coord.model import KeyValue
from workers.model.ending import Ending
from workers.model.job import Job, decode_job
from workers.model.states import State
from workers.result_leases import ResultLeases
from workers.steps.cancel import end_waiting
from workers.steps.due import Due, DueKind, drop_due, forget_unique
from workers.steps.move import Move
from workers.steps.waiting import fall_due
from workers.steward.chore import Term
from workers.steward.reading import read_keys
from workers.timer import Timer

ENTRIES_MAX = 256  # looked at in one read

log = structlog.get_logger("steward")


class DueSteps:
    """Looks entries' jobs up and says what to do with them."""

    def __init__(self, term: Term, timer: Timer, leases: ResultLeases) -> None:
        self._term = term
        self._timer = timer
        self._leases = leases

    async def of(self, entries: Sequence[Due]) -> list[Move]:
        """Return one step for each entry; no two of one job may be given."""
        starts = range(0, len(entries), ENTRIES_MAX)
        parts = [self._of_some(entries[start : start + ENTRIES_MAX]) for start in starts]
        return [move for part in await asyncio.gather(*parts) for move in part]

    async def _of_some(self, entries: Sequence[Due]) -> list[Move]:
        queues = sorted({due.job.queue for due in entries})
        keys = [self._term.places.queue(queue).limit for queue in queues]
        wheres = [self._where(due) for due in entries]
        keys += [key for where in wheres for key in where]
        found = iter(await read_keys(self._term.client, keys))
        limited = {queue for queue in queues if next(found) is not None}
        moves = []
        for due, where in zip(entries, wheres, strict=True):
            standing = [kv for kv in (next(found) for _ in where) if kv is not None]
            kv = standing[-1] if standing else None
            moves.append(await self._step(due, kv, limited=due.job.queue in limited))
        return moves

    def _where(self, due: Due) -> list[bytes]:
        """Return the places the entry's job may wait in."""
        at, item = self._term.places.queue(due.job.queue), due.job.item.encode()
        if due.kind is DueKind.RUN:
            return [at.later + item]
        if due.kind is DueKind.EXPIRE:
            return [place + item for place in (at.ready, at.parked, at.later)]
        return []

    async def _step(self, due: Due, kv: KeyValue | None, *, limited: bool) -> Move:
        places = self._term.places
        if due.kind is DueKind.FORGET_UNIQUE:
            return forget_unique(places, due)
        if kv is None:
            return drop_due(places, due)
        job = decode_job(kv.value)
        if job is None:
            log.error("a job cannot be read and stays where it is", job=str(due.job), key=kv.key)
            return drop_due(places, due, stale=True)
        if due.kind is DueKind.EXPIRE:
            if kv.claims or job.was_started:
                return drop_due(places, due, stale=True)
            return await self._expire(due, kv, job)
        try:
            return fall_due(places, due, kv, job, queue_limited=limited)
        except Misuse as error:  # its queue's limit makes it too large
            log.error("a job stays where it is", job=str(due.job), error=str(error))
            return drop_due(places, due, stale=True)

    async def _expire(self, due: Due, kv: KeyValue, job: Job) -> Move:
        ending = Ending(
            State.EXPIRED,
            job.name,
            attempt=job.tries,
            cause="was not started in time",
            created_unix_ms=job.created_unix_ms,
            ended_unix_ms=self._timer.now_unix_ms(),
            tags=job.tags,
            history=job.history,
        )
        lease = await self._leases.lease_for(job.result_ttl_ms) if job.result_ttl_ms else 0
        return end_waiting(self._term.places, due.job, kv, job, ending, lease)
