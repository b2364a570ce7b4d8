"""One step of one pipeline: look, decide (`plan`), and do it in one transaction.

Every transaction names the run it started from and the steward's office, so of two stewards, or of
a step sent twice, one changes nothing.
"""

from collections.abc import Sequence

import msgspec
import structlog
from attrs import frozen

from coord.client import ops
from coord.errors import Misuse
from coord.model import KeyValue
from coord.requests import Compare, RangeReply, TxnOp
from workers.pipelines.job_ends import JobsGone, StageJobs
from workers.pipelines.pages import StagePages
from workers.pipelines.places import PipelinePlaces
from workers.pipelines.plan import (
    EndJobs,
    Facts,
    Release,
    Revive,
    advance,
    newly_ended,
    next_look,
    next_work,
)
from workers.pipelines.release import Batch, limit_reads, next_batch
from workers.pipelines.run import RUN_ENDED, Run, RunState, StageState, decode_run, encode_run
from workers.pipelines.spec import Pipeline
from workers.pipelines.view import View, open_jobs
from workers.steward.chore import Term
from workers.store.site import Site

JOBS_A_STEP = 1024  # ended or put back at once: other pipelines wait meanwhile
ASK_AGAIN_MS = 10_000  # a stopping pipeline's open jobs are looked up anew

log = structlog.get_logger("pipelines")


@frozen
class _At:
    """A pipeline as the view shows it: its id, its key, how far that says it is."""

    id: str
    kv: KeyValue
    run: Run


class Stepper:
    """Steps of pipelines, during one term."""

    def __init__(self, term: Term, site: Site, view: View) -> None:
        self._term = term
        self._site = site
        self._view = view
        self._places = PipelinePlaces(site.places)
        self._asked: dict[str, set[str]] = {}
        self._limited: set[str] = set()
        self.looks: dict[str, int] = {}
        """When time alone may move a pipeline, unix milliseconds."""

    async def step(self, pipeline: str) -> None:
        """Move a pipeline on as far as one transaction takes it; more follows by its own news.

        Raises:
            NotLeader, MaybeDone, Unavailable: look again.
        """
        self.looks.pop(pipeline, None)
        kv = self._view.run(pipeline)
        run = None if kv is None else decode_run(kv.value)
        if kv is None:
            self._forget(pipeline)
        elif run is None:
            log.error("what stands for a pipeline is none", pipeline=pipeline)
        else:
            await self._step(_At(pipeline, kv, run))

    def ask_again(self, pipeline: str) -> None:
        """Forget which workers were asked to end jobs: they may have died since."""
        self._asked.pop(pipeline, None)

    async def _step(self, at: _At) -> None:
        spec = await self._view.spec(at.id)
        if spec is None or any(stage.name not in at.run.stages for stage in spec.stages):
            await self._give_up(at, "what it is cannot be read")
            return
        tallies = await self._view.tallies(at.id)
        now_unix_ms = self._site.timer.now_unix_ms()
        facts = self._view.facts(at.id, spec, tallies, now_unix_ms)
        after = advance(spec, at.run, facts)
        if at.run.state is RunState.RUNNING:
            self.ask_again(at.id)  # whom an earlier end of it asked, before it was taken up again
        look = next_look(spec, after, now_unix_ms)
        if look is not None:
            self.looks[at.id] = look
        match next_work(after, facts):
            case Release(stage):
                await self._release(at, spec, after, stage)
            case _ if after != at.run:
                await self._commit(at, after)
            case Revive(stage):
                failed = sorted(facts.tally(stage).failed)
                await self._revive(at, stage, failed[:JOBS_A_STEP])
            case EndJobs():
                await self._end_jobs(at, facts)
            case None:
                pass

    async def _release(self, at: _At, spec: Pipeline, after: Run, name: str) -> None:
        is_fed = any(name in stage.feeds for stage in spec.stages)
        pages = StagePages(self._site.client, self._places, at.id, spec.stage(name), is_fed)
        while True:
            now_unix_ms = self._site.timer.now_unix_ms()
            try:
                batch = await next_batch(pages, after.stages[name], now_unix_ms, self._limited)
            except Misuse as error:
                await self._fail(at, name, str(error))
                return
            if not await self._send(at, after.with_stage(name, batch.stage), batch):
                return

    async def _send(self, at: _At, after: Run, batch: Batch) -> bool:
        """Send a batch; tell whether a queue's limit, known by now, was in its way."""
        reads = limit_reads(self._site.places, batch.queues)
        found = await self._commit(at, after, batch.steps, batch.compare, reads)
        limited = {queue for queue, limit in zip(batch.queues, found, strict=False) if limit.kvs}
        self._limited |= limited
        return bool(limited)

    async def _revive(self, at: _At, stage: str, jobs: list[str]) -> None:
        try:
            await StageJobs(self._term, self._site, at.id, stage).put_back(jobs)
        except JobsGone as error:
            await self._fail(at, stage, str(error))

    async def _end_jobs(self, at: _At, facts: Facts) -> None:
        asked = self._asked.setdefault(at.id, set())
        cause = f"its pipeline was stopped: {at.run.cause}"
        for name in at.run.stages:
            jobs = sorted(facts.tally(name).open - asked)
            if jobs:
                ending = StageJobs(self._term, self._site, at.id, name)
                asked.update(await ending.end(jobs[:JOBS_A_STEP], cause))
            if len(jobs) > JOBS_A_STEP:
                self._view.look_again(at.id)
        if asked:
            self.looks[at.id] = facts.now_unix_ms + ASK_AGAIN_MS

    async def _fail(self, at: _At, name: str, cause: str) -> None:
        failed = msgspec.structs.replace(
            at.run.stages[name],
            state=StageState.FAILED,
            cause=cause,
            reviving=False,
            since_unix_ms=self._site.timer.now_unix_ms(),
        )
        await self._commit(at, at.run.with_stage(name, failed))

    async def _give_up(self, at: _At, cause: str) -> None:
        log.error("gave a pipeline up", pipeline=at.id, cause=cause)
        now_unix_ms = self._site.timer.now_unix_ms()
        ended = {"state": RunState.FAILED, "cause": cause, "ended_unix_ms": now_unix_ms}
        await self._commit(at, msgspec.structs.replace(at.run, **ended))

    async def _commit(
        self,
        at: _At,
        after: Run,
        steps: Sequence[TxnOp] = (),
        compare: Sequence[Compare] = (),
        otherwise: Sequence[TxnOp] = (),
    ) -> list[RangeReply]:
        """Note how far a pipeline is, with what made it so, if it is where it was.

        Returns:
            The answers to `otherwise` where it is not; none where all was done.
        """
        ended = [open_jobs(self._places, at.id, name) for name in newly_ended(at.run, after)]
        known = ops.modified(at.kv.key, "==", at.kv.mod_revision)
        reply = await self._site.client.txn(
            [self._term.guard(), known, *ended, *compare],
            [*noting(self._places, at.id, after), *steps],
            otherwise,
        )
        if reply.succeeded:
            return []
        return [found for found in reply.replies if isinstance(found, RangeReply)]

    def _forget(self, pipeline: str) -> None:
        self._view.forget(pipeline)
        self._asked.pop(pipeline, None)


def noting(places: PipelinePlaces, pipeline: str, after: Run) -> list[TxnOp]:
    """Return what notes how far a pipeline is, its end included."""
    if after.state not in RUN_ENDED:
        return [ops.put(places.run(pipeline), encode_run(after))]
    return [
        ops.delete(places.run(pipeline), prefix=True),
        ops.put(places.end(pipeline), encode_run(after)),
        ops.put(places.forget_at(after.ended_unix_ms + after.keep_ms, pipeline)),
    ]
