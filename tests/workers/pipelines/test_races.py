"""What the steward knows is behind the store: each way in which that could do harm."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from coord.client.ops import Text, key_bytes
from coord.requests import Compare, RangeReply, TxnOp, TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from workers.limits.rule import Rule
from workers.limits.store import LimitStore
from workers.model.states import State
from workers.pipelines.chore import PipelineChore
from workers.pipelines.run import RunState, StageState
from workers.pipelines.spec import Call, Pipeline, Stage
from workers.steward.steward import PAUSE_MS_MIN, Steward
from workers.store.jobs import JobStore
from workers.testing.pipeline_world import PipelineWorld

PAIR = Pipeline("p", (Stage("s", (Call("a"), Call("b")), on_failure="continue"),))


class _LateReads(LocalClient):
    """Answers of reads under a prefix arrive only once `go` is set."""

    def __init__(self, cluster: LocalCluster, prefix: bytes) -> None:
        super().__init__(cluster)
        self._prefix = prefix
        self.go = asyncio.Event()

    async def get(self, key: Text, **options: Any) -> RangeReply:
        reply = await super().get(key, **options)
        if key_bytes(key).startswith(self._prefix):
            await self.go.wait()
        return reply


class _Overtaken(LocalClient):
    """Just before its first transaction that rests on a key of `about`, something happens."""

    def __init__(
        self, cluster: LocalCluster, about: bytes, meanwhile: Callable[[], Awaitable[object]]
    ) -> None:
        super().__init__(cluster)
        self._about = about
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        guards = tuple(compare)
        if self._meanwhile is not None and any(self._about in each.key for each in guards):
            meanwhile, self._meanwhile = self._meanwhile, None
            await meanwhile()
        return await super().txn(guards, success, failure)


@in_loop
async def test_jobs_that_end_while_a_new_steward_counts_them_are_counted() -> None:
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(PAIR)
        await settle()
    client = _LateReads(world.cluster, b"coord/group/")
    worker = await world.worker()
    async with world.steward(client):
        for held in await worker.take():
            await worker.complete(held)
        await settle()
        client.go.set()
        await settle()
        assert (await world.store.status(made)).state is RunState.DONE


@in_loop
async def test_a_job_put_back_by_hand_as_its_stage_ends_keeps_the_stage_running() -> None:
    world = PipelineWorld()
    jobs = JobStore(world.client, world.places, world.timer)

    async def put_back() -> None:
        await jobs.replay(dead.id)

    client = _Overtaken(world.cluster, b"/open/", put_back)
    async with world.steward(client):
        made = await world.store.start(PAIR)
        worker = await world.worker()
        done, dead = await world.take(worker)
        await worker.bury(dead)
        await worker.complete(done)
        await settle()
        run = await world.store.status(made)
        assert run.stages["s"].state is StageState.RUNNING
        (again,) = await worker.take()
        await worker.complete(again)
        assert (await world.store.wait(made)).state is RunState.DONE


@in_loop
async def test_a_queue_that_comes_under_a_limit_parks_the_jobs_being_enqueued() -> None:
    world = PipelineWorld()
    limits = LimitStore(world.client, world.places, world.timer)

    async def set_limit() -> None:
        await limits.set("queue.default", Rule(concurrency=1))

    client = _Overtaken(world.cluster, b"queue/default/limit", set_limit)
    async with world.steward(client):
        made = await world.store.start(PAIR)
        await settle()
        assert (await world.store.status(made)).stages["s"].released == 2
        assert await world.count(b"coord/queue/default/parked/") == 2
        assert await world.count(b"coord/limit/queue.default/waiting/") == 2
        await limits.remove("queue.default")
        second = await world.store.start(PAIR)
        await settle()
        assert (await world.store.status(second)).stages["s"].released == 2


@in_loop
async def test_a_job_whose_record_was_purged_cannot_be_put_back_and_says_so() -> None:
    world = PipelineWorld()
    jobs = JobStore(world.client, world.places, world.timer)
    async with world.steward():
        made = await world.store.start(Pipeline("p", (Stage("s", (Call("a"), Call("b"))),)))
        worker = await world.worker()
        dead, other = await world.take(worker)
        await worker.bury(dead)
        await settle()
        await worker.end(other, State.CANCELLED)
        await world.store.wait(made)
        await jobs.purge("default", State.DEAD)
        await world.store.retry(made)
        run = await world.store.wait(made)
        assert (run.state, run.retries) == (RunState.FAILED, 1)
        assert f"1 jobs are not kept any more, {dead.id} among them" in run.cause
        assert await world.count(b"coord/queue/default/ready/") == 0


@in_loop
async def test_a_steward_overtaken_by_compaction_reads_anew_and_goes_on() -> None:
    world = PipelineWorld()
    async with world.client.session(ttl_ms=1_000_000) as session:
        chores = [PipelineChore(world.timer)]
        steward = Steward(world.client, session, world.places, world.timer, chores)
        running = asyncio.create_task(steward.run())
        made = await world.store.start(PAIR)
        worker = await world.worker()
        await settle()
        held = await worker.take()
        world.cluster.cut_watches()
        for each in held:
            await worker.complete(each)
        world.cluster.fail_cut_watches()
        await settle()
        await world.advance(PAUSE_MS_MIN)
        await settle()
        assert (await world.store.status(made)).state is RunState.DONE
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
