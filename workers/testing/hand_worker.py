"""A worker whose every move a test makes: claims jobs, and ends them as it is told."""

import msgspec
from attrs import frozen

from coord.client import ops
from coord.model import KeyValue
from coord.requests import ClaimReply, TxnOp
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.job import Attempt, Job, decode_job
from workers.model.places import Places
from workers.model.states import State
from workers.port import JobClient
from workers.steps.held import end_held

_NOTHING = msgspec.Raw(b"null")


@frozen
class Held:
    """A job in this worker's hands."""

    id: JobId
    kv: KeyValue
    job: Job


class HandWorker:
    """Holds jobs under `lease`; never runs any."""

    def __init__(
        self, client: JobClient, lease: int, places: Places | None = None, name: str = "w"
    ) -> None:
        self._client = client
        self._lease = lease
        self._places = places or Places()
        self._name = name

    async def take(self, queue: str = "default", limit: int = 1000) -> list[Held]:
        """Claim what is ready, unless the queue is held shut."""
        at = self._places.queue(queue)
        claim = ops.claim(at.ready, at.held_by(self._name), self._lease, limit)
        reply = await self._client.txn([ops.missing(at.shut, prefix=True)], [claim])
        if not reply.succeeded:
            return []
        claimed = reply.replies[0]
        assert isinstance(claimed, ClaimReply)
        held = []
        for kv in claimed.kvs:
            job = decode_job(kv.value)
            assert job is not None
            held.append(Held(JobId(queue, kv.key.rpartition(b"/")[2].decode()), kv, job))
        return held

    async def complete(self, held: Held, result: object = None, *more: TxnOp) -> bool:
        """Record a result; False where the claim has ended."""
        raw = msgspec.Raw(msgspec.json.encode(result))
        return await self.end(held, State.DONE, result=raw, more=more)

    async def bury(self, held: Held, cause: str = "broken") -> bool:
        """Give a job up for good; False where the claim has ended."""
        return await self.end(held, State.DEAD, cause=cause)

    async def end(
        self,
        held: Held,
        state: State,
        *,
        result: msgspec.Raw = _NOTHING,
        cause: str = "",
        more: tuple[TxnOp, ...] = (),
    ) -> bool:
        """End a job in any way; False where the claim has ended."""
        attempt = held.job.tries + held.kv.claims
        job = held.job
        if state is State.DEAD:
            job = job.with_attempt(Attempt(attempt, cause, self._name))
        ending = Ending(
            state, job.name, held.kv.create_revision, attempt, self._name, result, cause=cause
        )
        move = end_held(self._places, held.id, job, self._name, ending)
        return (await self._client.txn(move.compare, (*move.ops, *more))).succeeded

    async def is_asked_to_end(self, held: Held) -> bool:
        """Tell whether somebody wants a job no more."""
        return bool((await self._client.get(self._places.cancel(held.id))).kvs)
