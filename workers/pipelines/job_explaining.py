"""Why one job does not run: from its own place up to the stage and the pipeline it is of."""

from collections.abc import AsyncIterator, Iterator

import msgspec

from workers.errors import UnknownJob
from workers.gates.conditions import time_text
from workers.gates.errors import UnknownGate
from workers.gates.store import GateStore
from workers.limits.store import LimitStore
from workers.model.ids import JobId
from workers.model.states import ENDED, State
from workers.pipelines.errors import UnknownPipeline
from workers.pipelines.explaining import PipelineExplanation
from workers.pipelines.places import stage_of
from workers.pipelines.store import PipelineStore
from workers.store.finding import find
from workers.store.found import Found
from workers.store.queues import view

GATE = "gate-"


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing a job waits for.

    Attributes:
        what: "time", "limit", "pause", "gate", "worker", "end".
        words: in words.
        value: how far that is.
        target: how far it has to be.
        name: of the limit, gate or worker.
        details: what that in turn waits for.
    """

    what: str
    words: str
    value: int = 0
    target: int = 0
    name: str = ""
    details: tuple[str, ...] = ()


class JobExplanation(msgspec.Struct, frozen=True):
    """One job at one moment; `stage` and `pipeline` where it is of any."""

    id: str
    state: str
    reasons: tuple[Reason, ...]
    stage: str = ""
    pipeline: PipelineExplanation | None = None

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        yield f"job {self.id} is {self.state}"
        for reason in self.reasons:
            yield f"  {reason.words}"
            yield from (f"    {line}" for line in reason.details)
        if self.pipeline is not None:
            yield f"it is of stage {self.stage} of"
            yield from (f"  {line}" for line in self.pipeline.lines())


async def explain_job(store: PipelineStore, job_id: JobId) -> JobExplanation:
    """Say what a job waits for, and what its pipeline does.

    Raises:
        UnknownJob: nothing is known of it.
    """
    found = await find(store.site, job_id)
    if found is None:
        raise UnknownJob(job_id)
    reasons = [reason async for reason in _reasons(store, found)]
    family = stage_of(found.job.group) if found.job is not None else None
    if family is None:
        return JobExplanation(str(job_id), found.state.value, tuple(reasons))
    try:
        pipeline = await store.explain(family[0])
    except UnknownPipeline:
        pipeline = None
    return JobExplanation(str(job_id), found.state.value, tuple(reasons), family[1], pipeline)


async def _reasons(store: PipelineStore, found: Found) -> AsyncIterator[Reason]:
    now_unix_ms = store.site.timer.now_unix_ms()
    if found.state in ENDED:
        cause = found.ending.cause if found.ending is not None else ""
        yield Reason("end", f"it has ended{f': {cause}' if cause else ''}")
        return
    if found.state is State.HELD:
        asked = "" if found.cancel_reason is None else f"; asked to end: {found.cancel_reason}"
        yield Reason("worker", f"worker {found.worker} has it{asked}", name=found.worker)
        return
    if found.state is State.LATER and found.job is not None:
        due = found.job.due_unix_ms
        words = f"it waits for {time_text(due)}, now {time_text(now_unix_ms)}"
        yield Reason("time", words, now_unix_ms, due)
    if found.state is State.PARKED:
        async for reason in _limits(store, found.id):
            yield reason
    async for reason in _queue(store, found):
        yield reason


async def _limits(store: PipelineStore, job_id: JobId) -> AsyncIterator[Reason]:
    limits = LimitStore(store.site.client, store.site.places, store.site.timer)
    for standing in await limits.explain(job_id):
        limit = standing.limit
        rule = "no rule" if limit.rule is None else str(limit.rule)
        target = 0 if limit.rule is None else limit.rule.concurrency
        full = "is full" if standing.is_full else "has room"
        words = f"limit {limit.name} ({rule}) {full}: {limit.admitted} admitted"
        words += f", {standing.ahead} of its queue before it"
        yield Reason("limit", words, limit.admitted, target, limit.name)


async def _queue(store: PipelineStore, found: Found) -> AsyncIterator[Reason]:
    queue = await view(store.site, found.id.queue)
    for why, said in sorted(queue.shut.items()):
        if why.startswith(GATE):
            yield await _gate(store, queue.name, why.removeprefix(GATE))
        else:
            words = f"queue {queue.name} is held shut by {why}{f': {said}' if said else ''}"
            yield Reason("pause", words, name=why)
    if found.state is State.READY and not queue.shut:
        at = store.site.places.queue(found.id.queue).ready
        item = at + found.id.item.encode()
        before = await store.site.client.get(at, range_end=item, count_only=True)
        words = f"it waits for a worker, {before.count} jobs of its queue before it"
        yield Reason("worker", words, before.count)


async def _gate(store: PipelineStore, queue: str, name: str) -> Reason:
    gates = GateStore(store.site.client, store.site.places, store.site.timer)
    words = f"queue {queue} is held shut by gate {name}"
    try:
        found = await gates.explain(name)
    except UnknownGate:
        return Reason("gate", f"{words}, which is gone: remove the key by hand", name=name)
    value, target = found.verdict.value, found.verdict.target
    return Reason("gate", words, value, target, name, tuple(found.verdict.lines()))
