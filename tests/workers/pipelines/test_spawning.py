"""Jobs that running jobs add: to their own stage, to a later one, and nowhere else."""

import pytest

from coord.errors import Misuse
from coord.testing.local import in_loop, settle
from workers.model.job import Job
from workers.pipelines.run import RunState, StageState
from workers.pipelines.spawning import adding, joined
from workers.pipelines.spec import Call, Pipeline, Stage
from workers.steps.enqueue import enqueue
from workers.testing.pipeline_world import PipelineWorld

SPEC = Pipeline(
    "p",
    (
        Stage("walk", (Call("walk"),), feeds=("read",)),
        Stage("read", after=("walk",)),
        Stage("last", (Call("last"),), after=("read",)),
    ),
)


@in_loop
async def test_a_job_added_to_its_own_stage_is_waited_for() -> None:
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(SPEC)
        worker = await world.worker()
        (walk,) = await world.take(worker)
        child = joined(walk.job, Job("deeper"))
        more = enqueue(world.places, "default", 4, child, 0)
        assert await worker.complete(walk, None, *more.ops)
        await settle()
        run = await world.store.status(made)
        assert run.stages["walk"].state is StageState.RUNNING
        run = await world.work(made)
        assert (run.state, world.ran) == (RunState.DONE, ["deeper", "last"])


@in_loop
async def test_jobs_added_to_a_later_stage_wait_until_it_opens() -> None:
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(SPEC)
        worker = await world.worker()
        (walk,) = await world.take(worker)
        added = [joined(walk.job, Job("read", {"n": n}), "read") for n in range(3)]
        pages = [adding(world.places, "default", 4, job) for job in added]
        assert await worker.complete(walk, None, *pages)
        reads = await world.take(worker)
        assert [(job.job.name, job.job.args) for job in reads] == [
            ("read", {"n": 0}),
            ("read", {"n": 1}),
            ("read", {"n": 2}),
        ]
        for job in reads:
            await worker.complete(job)
        assert (await world.work(made)).state is RunState.DONE


@pytest.mark.parametrize(
    ("own", "job", "said"),
    [
        (Job("a"), Job("b"), "is in no pipeline"),
        (Job("a", group="mine"), Job("b"), "is in no pipeline"),
        (Job("a", group="pipeline.1.s"), Job("b"), "does not feed 'late'; it feeds: none"),
        (
            Job("a", group="pipeline.1.s", feeds=("late",)),
            Job("b", due_unix_ms=1),
            "cannot be delayed",
        ),
    ],
)
def test_a_job_cannot_add_where_its_stage_does_not_say_so(own: Job, job: Job, said: str) -> None:
    with pytest.raises(Misuse, match=said):
        joined(own, job, "late")


def test_outside_pipelines_a_job_joins_the_group_of_its_parent() -> None:
    assert joined(Job("a", group="mine"), Job("b")).group == "mine"
    assert joined(Job("a"), Job("b")).group == ""
