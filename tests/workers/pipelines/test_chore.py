"""Pipelines from their start to their end, moved on by the steward's chore alone."""

import pytest

from coord.testing.local import in_loop, settle
from workers.gates.conditions import AllOf, AnyOf, Signal, Size, Time
from workers.model.states import State
from workers.pipelines.run import RunState, StageState
from workers.pipelines.spec import Call, Collect, ForEach, Pipeline, Stage
from workers.testing.hand_timer import START_UNIX_MS
from workers.testing.pipeline_world import PipelineWorld

THREE = Pipeline(
    "build",
    (
        Stage("scan", (Call("scan"),)),
        Stage("parse", (Call("parse", {"n": 1}), Call("parse", {"n": 2})), after=("scan",)),
        Stage("merge", (Call("merge"),), after=("parse",)),
    ),
)


@in_loop
async def test_three_stages_run_one_after_the_other() -> None:
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(THREE)
        run = await world.work(made)
        assert world.ran == ["scan", "parse", "parse", "merge"]
        assert run.state is RunState.DONE
        assert {stage.state for stage in run.stages.values()} == {StageState.DONE}
        assert await world.count(b"coord/pipeline/live/") == 0


@in_loop
async def test_a_result_of_each_job_makes_a_job_and_one_job_gets_all_results() -> None:
    spec = Pipeline(
        "index",
        (
            Stage("scan", (Call("scan"),)),
            Stage("parse", for_each=ForEach("scan", Call("parse", {"lang": "en"}), "path")),
            Stage("merge", collect=Collect(("parse",), Call("merge"), "counts"), id_arg="run"),
        ),
    )
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(spec)
        worker = await world.worker()
        (scan,) = await world.take(worker)
        await worker.complete(scan, ["a", "b", "c"])
        parses = await world.take(worker)
        assert [job.job.args for job in parses] == [
            {"lang": "en", "path": path} for path in ("a", "b", "c")
        ]
        for number, job in enumerate(reversed(parses)):
            await worker.complete(job, number)
        (merge,) = await world.take(worker)
        assert merge.job.args == {"counts": [2, 1, 0], "run": made}
        await worker.complete(merge, "whole")
        assert (await world.store.wait(made)).state is RunState.DONE
        assert [found async for found in world.store.results(made, "merge")] == ["whole"]


@in_loop
async def test_a_failed_job_stops_the_pipeline_and_ends_what_waits_and_what_runs() -> None:
    spec = Pipeline(
        "p",
        (
            Stage("one", (Call("a"), Call("b"), Call("c"))),
            Stage("two", (Call("d"),), after=("one",)),
        ),
    )
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(spec)
        await settle()
        worker = await world.worker()
        failing, running = await worker.take(limit=2)
        await worker.bury(failing)
        await settle()
        assert await world.count(b"coord/queue/default/ready/") == 0
        assert await worker.is_asked_to_end(running)
        run = await world.store.status(made)
        assert (run.state, run.failed) == (RunState.STOPPING, True)
        await worker.end(running, State.CANCELLED)
        run = await world.store.wait(made)
        assert run.state is RunState.FAILED
        assert str(failing.id) in run.cause
        assert run.stages["two"].state is StageState.CANCELLED


@in_loop
async def test_failures_do_not_matter_where_the_stage_says_so() -> None:
    spec = Pipeline(
        "p",
        (
            Stage("one", (Call("a"), Call("b")), on_failure="continue"),
            Stage("two", (Call("c"),), after=("one",)),
        ),
    )
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(spec)
        worker = await world.worker()
        for job in await world.take(worker):
            await worker.bury(job)
        run = await world.work(made)
        assert world.ran == ["c"]
        assert run.state is RunState.DONE


@in_loop
async def test_a_stage_tries_failed_jobs_anew_for_as_many_rounds_as_it_says() -> None:
    spec = Pipeline("p", (Stage("one", (Call("a"), Call("b")), on_failure="retry", retries=2),))
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(spec)
        worker = await world.worker()
        first, second = await world.take(worker)
        await worker.bury(first)
        await worker.complete(second)
        for _ in range(2):
            (again,) = await world.take(worker)
            assert again.id == first.id
            await worker.bury(again)
        run = await world.store.wait(made)
        assert run.state is RunState.FAILED
        assert run.stages["one"].rounds == 2


@in_loop
async def test_a_gate_opens_a_stage_by_signal_or_size_and_time() -> None:
    soon = START_UNIX_MS + 5_000
    spec = Pipeline(
        "p",
        (
            Stage("one", (Call("a"), Call("a"), Call("a"))),
            Stage("two", (Call("b"),), gate=AllOf((Size("one", 2), Time(soon)))),
            Stage("three", (Call("c"),), gate=AnyOf((Signal("go"), Time(soon + 1)))),
        ),
    )
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(spec)
        worker = await world.worker()
        held = await world.take(worker)
        assert [job.job.name for job in held] == ["a", "a", "a"]
        await worker.complete(held[0])
        await world.store.signal(made, "go", "tested", by="ann")
        (third,) = await world.take(worker)
        assert third.job.name == "c"
        await world.advance(5_000)
        assert await world.take(worker) == []
        await worker.complete(held[1])
        (second,) = await world.take(worker)
        assert second.job.name == "b"
        run = await world.store.status(made)
        assert run.stages["three"].opened_by == ("signal go was given (by ann: tested)",)


@in_loop
async def test_cancelled_it_ends_once_its_jobs_have() -> None:
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(THREE)
        await settle()
        await world.store.cancel(made, "not needed")
        run = await world.store.wait(made)
        assert (run.state, run.cause) == (RunState.CANCELLED, "not needed")
        assert await world.count(b"coord/queue/default/ready/") == 0


@pytest.mark.parametrize("stage", ["", "one"])
@in_loop
async def test_retried_it_puts_back_what_did_not_end_well_and_nothing_else(stage: str) -> None:
    spec = Pipeline(
        "p",
        (
            Stage("one", (Call("a"), Call("b"), Call("c"), Call("d"))),
            Stage("two", (Call("e"),), after=("one",)),
        ),
    )
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(spec)
        await settle()
        worker = await world.worker()
        done, failing, running = await worker.take(limit=3)
        await worker.complete(done)
        await worker.bury(failing)
        await settle()
        await worker.end(running, State.CANCELLED)
        assert (await world.store.wait(made)).state is RunState.FAILED
        await world.store.retry(made, stage)
        run = await world.work(made)
        assert run.state is RunState.DONE
        assert world.ran == ["b", "c", "d", "e"]
        assert await world.count(b"coord/group/") == 5
