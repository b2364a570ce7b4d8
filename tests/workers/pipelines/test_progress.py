"""How far pipelines and groups are, rolled up over their jobs and followed live."""

import asyncio

import msgspec

from coord.client import ops
from coord.testing.local import in_loop, settle
from recipes.progress import Progress
from workers.model.job import Job
from workers.pipelines.progress import GroupProgress, PipelineProgress, Rollup, roll_up
from workers.pipelines.spec import Call, Collect, ForEach, Pipeline, Stage
from workers.pipelines.tally import Tally
from workers.steps.enqueue import enqueue
from workers.testing.pipeline_world import PipelineWorld

SPEC = Pipeline(
    "p",
    (
        Stage("scan", (Call("scan"), Call("scan"))),
        Stage("parse", for_each=ForEach("scan", Call("parse"), "path")),
        Stage("merge", collect=Collect(("parse",), Call("merge"))),
    ),
)


def test_a_running_job_counts_by_what_it_reports_and_one_that_ended_counts_whole() -> None:
    reports = {"a": Progress(1, 4), "b": Progress(3, 0), "c": Progress(9, 3)}
    tally = Tally({"a", "b", "c", "d"}, {}, set())
    assert roll_up([(tally, 8)], reports.get, more=True) == Rollup(8, 0, 0, 3, 1.25 / 8, True)
    assert roll_up([], reports.get, more=False) == Rollup()


@in_loop
async def test_a_pipeline_is_followed_from_start_to_end() -> None:
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(SPEC)
        async with PipelineProgress(world.client, world.places, made) as progress:
            assert str(progress.rollup) == "0 of 3+ done, 0 %"
            worker = await world.worker()
            first, second = await world.take(worker)
            await worker.complete(first, ["a", "b"])
            key = world.places.progress + str(second.id).encode()
            await world.client.txn(
                success=[ops.put(key, msgspec.json.encode(Progress(1, 2, "half")))]
            )
            await settle()
            await progress.change()
            assert progress.rollup == Rollup(3, 1, 0, 1, 0.5, True)
            await worker.complete(second, ["c"])
            await settle()
            assert progress.rollup == Rollup(6, 2, 0, 0, 2 / 6, False)
            assert {name: str(found) for name, found in progress.stages.items()} == {
                "scan": "2 of 2 done, 100 %",
                "parse": "0 of 3 done, 0 %",
                "merge": "0 of 1 done, 0 %",
            }
            waiting = asyncio.create_task(world.store.wait(made))
            await world.work(made)
            await waiting
            await settle()
            assert str(progress.rollup) == "6 of 6 done, 100 %"
            assert progress.run is not None


@in_loop
async def test_a_plain_group_is_followed_too() -> None:
    world = PipelineWorld()
    for _ in range(2):
        move = enqueue(world.places, "default", 4, Job("a", group="mine"), 0)
        await world.client.txn(move.compare, move.ops)
    async with GroupProgress(world.client, world.places, "mine") as progress:
        worker = await world.worker()
        done, dead = await worker.take()
        await worker.complete(done)
        await progress.change()
        assert progress.rollup == Rollup(2, 1, 0, 0, 0.5, True)
        await worker.bury(dead)
        await settle()
        assert str(progress.rollup) == "1 of 2 done, 1 failed, 100 %"
