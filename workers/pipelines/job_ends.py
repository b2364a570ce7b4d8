"""What the steward does to jobs of a stage at once: ends those that are open, puts back the failed.

Both look every job up first and take each step on its own terms, so a job that moved meanwhile is
simply looked up again. Nothing here is noted in the run: the jobs' own groups tell how far it is.
"""

import asyncio
from collections.abc import Sequence

from attrs import frozen

from coord.client import ops
from coord.model import KeyValue
from coord.requests import RangeReply, TxnOp
from recipes.port import only
from workers.model.ending import Ending, encode_ending
from workers.model.ids import JobId
from workers.model.job import decode_job
from workers.model.states import ENDED, State
from workers.pipelines.places import group_of
from workers.steps.cancel import ask_to_end
from workers.steps.move import Move
from workers.steps.waiting import replay
from workers.steward.chore import Term
from workers.steward.moving import make_moves
from workers.store.cancelling import cancelled
from workers.store.finding import find
from workers.store.found import Found
from workers.store.site import Site

JOBS_AT_ONCE = 256


class JobsGone(Exception):
    """Jobs that did not end well are not kept any more, so they cannot be put back."""


@frozen
class StageJobs:
    """The jobs of one stage, in the steward's hands."""

    term: Term
    site: Site
    pipeline: str
    stage: str

    async def end(self, jobs: Sequence[str], cause: str) -> list[str]:
        """End jobs that are open: at once where they wait, by asking their workers where they run.

        Returns:
            Those whose workers were asked.

        Raises:
            NotLeader: the term is over.
        """
        asked: list[str] = []
        for first in range(0, len(jobs), JOBS_AT_ONCE):
            names = jobs[first : first + JOBS_AT_ONCE]
            found = await asyncio.gather(*(find(self.site, JobId.parse(name)) for name in names))
            moves = []
            for name, job in zip(names, found, strict=True):
                moves.append(await self._ending(name, job, cause))
                if job is not None and job.state is State.HELD:
                    asked.append(name)
            await make_moves(self.term, moves)
        return asked

    async def put_back(self, jobs: Sequence[str]) -> None:
        """Put jobs back that ended, but not well.

        Raises:
            JobsGone: some of them are not kept any more; names one.
            NotLeader: the term is over.
        """
        gone: list[str] = []
        for first in range(0, len(jobs), JOBS_AT_ONCE):
            names = jobs[first : first + JOBS_AT_ONCE]
            found = await asyncio.gather(*map(self._replaying, names))
            gone += [name for name, move in zip(names, found, strict=True) if move is None]
            moves = [move for move in found if move is not None and move.ops]
            await make_moves(self.term, moves)
        if gone:
            raise JobsGone(f"{len(gone)} jobs are not kept any more, {gone[0]} among them")

    async def _ending(self, name: str, found: Found | None, cause: str) -> Move:
        if found is None or found.state in ENDED:
            return self._close(name)
        if found.state is State.HELD:
            return ask_to_end(self.site.places, found.id, found.kv, cause)
        return await cancelled(self.site, found, cause)

    def _close(self, name: str) -> Move:
        """Return what ends a job that is open in its group and stands nowhere: it was removed."""
        places, group, key = self.site.places, group_of(self.pipeline, self.stage), name.encode()
        ending = Ending(State.CANCELLED, "", cause="it was removed by hand")
        at, item = places.queue(JobId.parse(name).queue), JobId.parse(name).item.encode()
        return Move(
            (
                ops.exists(places.group_open(group) + key),
                *(ops.missing(place + item) for place in (at.ready, at.later, at.parked)),
            ),
            (
                ops.delete(places.group_open(group) + key),
                ops.put(places.group_ended(group) + key, encode_ending(ending)),
            ),
        )

    async def _replaying(self, name: str) -> Move | None:
        """Return the step that puts one back, an empty one if it is back; None if it is gone."""
        places, job_id = self.site.places, JobId.parse(name)
        group, at = group_of(self.pipeline, self.stage), places.queue(job_id.queue)
        item, key = job_id.item.encode(), name.encode()
        reads: list[TxnOp] = [
            ops.get(at.dead + item),
            ops.get(places.group_kept(group) + key),
            ops.get(places.group_ended(group) + key),
            ops.get(at.limit),
        ]
        reply = await self.site.client.txn(success=reads)
        dead, kept, ended, limit = map(_only, reply.replies)
        if ended is None:
            return Move((), ())
        kv = dead or kept
        job = None if kv is None else decode_job(kv.value)
        if kv is None or job is None:
            return None
        return replay(places, job_id, kv, job, queue_limited=limit is not None)


def _only(answer: object) -> KeyValue | None:
    assert isinstance(answer, RangeReply), answer
    return only(answer)
