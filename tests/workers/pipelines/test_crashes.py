"""The steward dies, or is replaced without knowing, at every write of a pipeline's life."""

import asyncio
from collections import Counter
from collections.abc import Iterable

import pytest

from coord.requests import Compare, TxnOp, TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from workers.pipelines import release
from workers.pipelines.run import Run, RunState
from workers.pipelines.spec import Call, Collect, ForEach, Pipeline, Stage
from workers.testing.pipeline_world import PipelineWorld

SPEC = Pipeline(
    "p",
    (
        Stage("scan", (Call("scan"), Call("broken")), on_failure="retry", retries=1),
        Stage("parse", for_each=ForEach("scan", Call("parse"), "path")),
        Stage("merge", collect=Collect(("parse",), Call("merge"), "counts")),
    ),
)
RESULTS: dict[str, object] = {"scan": ["a", "b", "c", "d", "e"], "parse": 1, "broken": []}
WRITES = 9  # that the steward makes for it


class _Dies(LocalClient):
    """Its n-th write is its last; the steward learns nothing of what came of it."""

    def __init__(self, cluster: LocalCluster, writes: int, *, is_applied: bool) -> None:
        super().__init__(cluster)
        self._writes = writes
        self._is_applied = is_applied

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        guards = tuple(compare)
        if guards:
            self._writes -= 1
        if guards and self._writes <= 0:
            if self._is_applied and self._writes == 0:
                self.lose_answers()
            else:
                self.lose_requests()
        return await super().txn(guards, success, failure)


class _Stalls(LocalClient):
    """Its n-th write is held up until `go` is set."""

    def __init__(self, cluster: LocalCluster, writes: int) -> None:
        super().__init__(cluster)
        self._writes = writes
        self.go = asyncio.Event()
        self.refused = 0

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        guards = tuple(compare)
        if guards:
            self._writes -= 1
            if self._writes <= 0:
                await self.go.wait()
        reply = await super().txn(guards, success, failure)
        self.refused += bool(guards) and not reply.succeeded
        return reply


async def _work(world: PipelineWorld, made: str) -> Run:
    """Do what is ready until nothing moves; the broken job fails once."""
    worker = await world.worker()
    while held := await world.take(worker):
        for job in held:
            if job.job.name == "broken" and world.ran.count("broken") == 0:
                world.ran.append("broken")
                assert await worker.bury(job)
                continue
            world.ran.append(job.job.name)
            assert await worker.complete(job, RESULTS.get(job.job.name))
    await settle()
    return await world.store.status(made)


def _check(world: PipelineWorld, run: Run) -> None:
    assert run.state is RunState.DONE
    assert Counter(world.ran) == {"scan": 1, "broken": 2, "parse": 5, "merge": 1}


@pytest.mark.parametrize("is_applied", [True, False])
@pytest.mark.parametrize("writes", range(1, WRITES + 1))
@in_loop
async def test_a_steward_that_dies_at_any_write_leaves_nothing_undone_or_doubled(
    writes: int, is_applied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "OPS_MAX", 5)  # so that a stage takes several batches
    world = PipelineWorld()
    made = await world.store.start(SPEC)
    client = _Dies(world.cluster, writes, is_applied=is_applied)
    async with world.steward(client):
        run = await _work(world, made)
    if run.state is RunState.RUNNING:
        async with world.steward():
            run = await _work(world, made)
    _check(world, run)


@pytest.mark.parametrize("writes", range(1, WRITES + 1))
@in_loop
async def test_a_steward_replaced_at_any_write_changes_nothing_any_more(
    writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "OPS_MAX", 5)
    world = PipelineWorld()
    made = await world.store.start(SPEC)
    client = _Stalls(world.cluster, writes)
    async with world.steward(client):
        await _work(world, made)
        async with world.steward():
            client.go.set()
            await settle()
            _check(world, await _work(world, made))
    assert client.refused >= 1


@in_loop
async def test_two_stewards_at_once_never_release_a_stage_twice() -> None:
    world = PipelineWorld()
    async with world.steward(), world.steward():
        for _ in range(5):
            made = await world.store.start(SPEC)
            world.ran.clear()
            _check(world, await _work(world, made))
