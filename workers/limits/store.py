"""LimitStore: what people and programs do with limits; the steward sees to it that they hold."""

import asyncio
from collections.abc import Sequence

from attrs import frozen

from coord.client import ops
from coord.requests import RangeReply, TxnOp
from recipes.port import only
from workers.limits.reading import LimitView, limit_names, read_limits
from workers.limits.rule import Rule, check_rule, encode_rule, queue_of
from workers.model.ids import JobId
from workers.model.job import decode_job
from workers.model.names import check_name
from workers.model.places import Places
from workers.port import JobClient
from workers.timer import Timer, WallTimer


@frozen
class Standing:
    """How a parked job stands with one of its limits.

    Attributes:
        limit: as it is.
        ahead: jobs of the job's own queue that wait before it.
    """

    limit: LimitView
    ahead: int

    @property
    def is_full(self) -> bool:
        """Whether this limit lets nothing pass now."""
        return self.limit.room == 0


class LimitStore:
    """The limits of one space, through one client."""

    def __init__(
        self, client: JobClient, places: Places | None = None, timer: Timer | None = None
    ) -> None:
        self._client = client
        self._places = places or Places()
        self._timer = timer or WallTimer()

    async def set(self, name: str, rule: Rule) -> None:
        """Set a limit's rule; it acts at once.

        With the name "queue.Q" the whole queue Q comes under it: its ready jobs are parked behind
        it, those that run are not counted. Where a limit is lowered, jobs admitted before stay
        so; the new number is reached as they end. A rate starts with a full burst.

        Args:
            name: of the limit.
            rule: what it allows.

        Raises:
            Misuse: the name or the rule is none.
        """
        check_name("limit", name)
        steps: list[TxnOp] = [
            ops.put(self._places.rule(name), encode_rule(check_rule(rule))),
            ops.delete(self._places.bucket(name)),
        ]
        if queue := self._queue(name):
            steps.append(ops.put(self._places.queue(queue).limit, name))
        await self._client.txn(success=steps)

    async def remove(self, name: str) -> bool:
        """Take a limit's rule away: who waits behind it passes, other limits allowing.

        Returns:
            Whether it had one.
        """
        check_name("limit", name)
        rule = self._places.rule(name)
        steps: list[TxnOp] = [ops.delete(rule), ops.delete(self._places.bucket(name))]
        if queue := self._queue(name):
            steps.append(ops.delete(self._places.queue(queue).limit))
        return (await self._client.txn([ops.exists(rule)], steps)).succeeded

    async def list(self) -> Sequence[LimitView]:
        """Return every limit that has a rule, or jobs, in order of their names."""
        names = await limit_names(self._client, self._places)
        return tuple((await self._views(names)).values())

    async def show(self, name: str) -> LimitView:
        """Return one limit; it may have no rule."""
        return (await self._views([check_name("limit", name)]))[name]

    async def explain(self, job_id: JobId) -> Sequence[Standing]:
        """Tell what a parked job waits for: how it stands with each of its limits.

        Returns:
            () where the job is not parked.
        """
        key = self._places.queue(job_id.queue).parked + job_id.item.encode()
        kv = only(await self._client.get(key))
        job = decode_job(kv.value) if kv else None
        if job is None:
            return ()
        views = await self._views(job.limits)
        ahead = await asyncio.gather(*(self._ahead(limit, job_id) for limit in job.limits))
        return tuple(
            Standing(views[limit], count) for limit, count in zip(job.limits, ahead, strict=True)
        )

    async def _views(self, names: Sequence[str]) -> dict[str, LimitView]:
        now_unix_ms = self._timer.now_unix_ms()
        return await read_limits(self._client, self._places, dict.fromkeys(names, 1), now_unix_ms)

    async def _ahead(self, limit: str, job_id: JobId) -> int:
        first = self._places.waiting(limit) + f"{job_id.queue}:".encode()
        own = self._places.waiting(limit) + str(job_id).encode()
        reply: RangeReply = await self._client.get(first, range_end=own, count_only=True)
        return reply.count

    def _queue(self, name: str) -> str | None:
        """Return the queue that comes under a limit as a whole."""
        queue = queue_of(name)
        return None if queue is None else check_name("queue", queue)
