"""What a pipeline, or one job, waits for: in words, and as values that JSON can say.

A job waits for its time, its limits, a gate before its queue, or a worker; the jobs that are still
to come wait for their stage's gate; that waits for stages, signals, times. Everything is read now.
"""

from collections.abc import Iterator

import msgspec

from coord.client import ops
from coord.requests import RangeReply
from recipes.mirror import read_all
from recipes.port import only
from workers.gates.conditions import Verdict, time_text
from workers.gates.given import decode_given
from workers.pipelines.places import PipelinePlaces
from workers.pipelines.plan import Facts, verdict
from workers.pipelines.run import Run, RunState, StageRun, StageState
from workers.pipelines.spec import Pipeline, Stage
from workers.pipelines.tally import Tallies, Tally
from workers.store.site import Site


class StageExplanation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One stage at one moment.

    Attributes:
        name: its name.
        run: how far it is.
        open: jobs that have not ended.
        done: jobs that ended well.
        failed: jobs that did not, with how each ended.
        waits_for: what it needs to open, while it has not.
    """

    name: str
    run: StageRun
    open: int
    done: int
    failed: dict[str, str]
    waits_for: Verdict | None = None

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        at = self.run
        since = time_text(at.since_unix_ms)
        total = max(at.listed, self.open + self.done + len(self.failed))
        counts = f": {self.done} of {total} jobs done" if at.opened_unix_ms else ""
        counts += f", {self.open} open" if self.open else ""
        counts += f", {len(self.failed)} failed" if self.failed else ""
        yield f"stage {self.name} is {at.state.value} since {since}{counts}"
        if at.cause:
            yield f"  because {at.cause}"
        for text in at.opened_by if at.state is not StageState.WAITING else ():
            yield f"  it opened because {text}"
        for job, state in sorted(self.failed.items())[:FAILED_TOLD]:
            yield f"  job {job} is {state}"
        if self.waits_for is not None:
            yield "  it opens when"
            yield from self.waits_for.lines(2)


class PipelineExplanation(msgspec.Struct, frozen=True):
    """A pipeline at one moment."""

    id: str
    run: Run
    stages: tuple[StageExplanation, ...]

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        ended = sum(stage.run.state is StageState.DONE for stage in self.stages)
        state = self.run.state.value
        yield f"pipeline {self.id} ({self.run.name}) is {state}: " + (
            f"{ended} of {len(self.stages)} stages have ended well"
        )
        if self.run.cause:
            yield f"because {self.run.cause}"
        for stage in self.stages:
            yield from stage.lines()

    def stage(self, name: str) -> StageExplanation:
        """Return one stage of those that are there."""
        return next(stage for stage in self.stages if stage.name == name)


FAILED_TOLD = 10  # jobs told one by one


async def explain(site: Site, pipeline: str, spec: Pipeline, run: Run) -> PipelineExplanation:
    """Look at a pipeline's jobs and signals."""
    places = PipelinePlaces(site.places)
    groups = places.groups(pipeline)
    found, _ = await read_all(site.client, groups, prefix=True)
    tallies = Tallies(groups)
    for kv in found.values():
        tallies.put(kv)
    facts = await _facts(site, places, pipeline, spec, tallies)
    stages = tuple(_stage(stage, run, facts) for stage in spec.stages)
    return PipelineExplanation(pipeline, run, stages)


async def _facts(
    site: Site, places: PipelinePlaces, pipeline: str, spec: Pipeline, tallies: Tallies
) -> Facts:
    reads = [ops.get(places.signal(pipeline, name)) for name in spec.signal_names]
    reply = await site.client.txn(success=reads)
    given = {}
    for name, answer in zip(spec.signal_names, reply.replies, strict=True):
        assert isinstance(answer, RangeReply)
        kv = only(answer)
        if kv is not None:
            given[name] = decode_given(kv.value)
    return Facts(tallies.of, given, None, site.timer.now_unix_ms())


def _stage(stage: Stage, run: Run, facts: Facts) -> StageExplanation:
    tally: Tally = facts.tally(stage.name)
    at = run.stages[stage.name]
    waits = at.state is StageState.WAITING and run.state is RunState.RUNNING
    return StageExplanation(
        stage.name,
        at,
        len(tally.open),
        tally.done,
        {job: tally.ended[job].value for job in sorted(tally.failed)},
        verdict(stage, run, facts) if waits else None,
    )
