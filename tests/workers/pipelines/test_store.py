"""Pipelines from outside: started whole or once, listed, waited for, forgotten."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

import pytest

from coord.client.ops import Text
from coord.errors import MaybeDone, Misuse
from coord.requests import Compare, PutReply, TxnOp, TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from workers.pipelines import starting
from workers.pipelines.errors import (
    NothingToRetry,
    PipelineEnded,
    PipelineRuns,
    UnknownPipeline,
)
from workers.pipelines.run import RunState
from workers.pipelines.spec import Call, Collect, Pipeline, Stage
from workers.pipelines.store import PipelineStore
from workers.testing.pipeline_world import PipelineWorld

ONE = Pipeline("p", (Stage("s", (Call("a"),)),), keep_ms=5_000)
NOBODY = "0" * 20


class _Dies(LocalClient):
    """It writes so often, and then no more."""

    def __init__(self, cluster: LocalCluster, writes: int) -> None:
        super().__init__(cluster)
        self._left = writes

    async def put(self, key: Text, value: Text = b"", **options: Any) -> PutReply:
        self._count()
        return await super().put(key, value, **options)

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        self._count()
        return await super().txn(compare, success, failure)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            self.lose_requests()


def _many(count: int) -> Pipeline:
    return Pipeline("many", (Stage("s", tuple(Call("a", {"n": n}) for n in range(count))),))


@in_loop
async def test_many_jobs_are_written_in_pages_and_enqueued_in_their_order() -> None:
    world = PipelineWorld()
    made = await world.store.start(_many(10_000))
    assert await world.count(b"coord/pipeline/jobs/") > 3
    assert await world.count(b"coord/pipeline/draft/") == 0
    assert world.cluster.store.lease_count == 0
    async with world.steward():
        while await world.count(b"coord/queue/default/ready/") < 10_000:
            await settle()
        worker = await world.worker()
        assert [held.job.args["n"] for held in await worker.take(limit=1000)] == list(range(1000))
        assert (await world.store.status(made)).stages["s"].released == 10_000


@pytest.mark.parametrize("writes", range(6))
@in_loop
async def test_a_starter_that_dies_half_way_leaves_nothing(
    writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "SPEC_BYTES_MAX", 0)
    monkeypatch.setattr(starting, "PAGE_BYTES", 100)
    world = PipelineWorld()
    store = PipelineStore(_Dies(world.cluster, writes), world.places, world.timer)
    with pytest.raises(MaybeDone):
        await store.start(_many(10))
    assert await world.count(b"coord/pipeline/live/") == 0
    world.cluster.advance(2 * starting.DRAFT_TTL_MS)
    assert await world.count(b"coord/") == 0


@in_loop
async def test_under_a_key_at_most_one_is_started_until_it_is_forgotten() -> None:
    world = PipelineWorld()
    first = await world.store.start(ONE, once="monday")
    assert await world.store.start(ONE, once="monday") == first
    assert await world.store.start(_many(10_000), once="monday") == first
    assert await world.store.start(ONE, once="tuesday") != first
    with pytest.raises(Misuse, match="once"):
        await world.store.start(ONE, once="a/b")
    async with world.steward():
        await world.work(first)
        await world.store.remove(first)
    assert await world.store.start(ONE, once="monday") != first


@in_loop
async def test_a_start_whose_answer_was_lost_is_repeated_by_its_key() -> None:
    world = PipelineWorld()
    client = world.client
    client.lose_answers()
    store = PipelineStore(client, world.places, world.timer)
    with pytest.raises(MaybeDone):
        await store.start(ONE, once="monday")
    made = await store.start(ONE, once="monday")
    assert [name for name, _ in await store.list()] == [made]


@in_loop
async def test_listed_they_come_by_page_and_by_whether_they_live() -> None:
    world = PipelineWorld()
    made = [await world.store.start(ONE) for _ in range(5)]
    await world.store.signal(made[1], "go")
    await world.store.cancel(made[0])
    assert [name for name, _ in await world.store.list(limit=2)] == made[:2]
    assert [name for name, _ in await world.store.list(after=made[1])] == made[2:]
    async with world.steward():
        await world.store.wait(made[0])
        assert [name for name, _ in await world.store.list(ended=True)] == made[:1]
        assert [name for name, _ in await world.store.list()] == made[1:]


@in_loop
async def test_after_its_time_nothing_is_left_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "SPEC_BYTES_MAX", 0)
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(ONE, once="monday")
        await world.work(made)
        kept = await world.store.start(_many(20))
        await world.work(kept)
        await world.advance(4_999)
        assert (await world.store.status(made)).state is RunState.DONE
        await world.advance(1)
        with pytest.raises(UnknownPipeline):
            await world.store.status(made)
        await world.store.remove(kept)
        left = {kv.key for kv in (await world.client.get(b"coord/", prefix=True)).kvs}
        places = (b"coord/queue/default/done/", b"coord/steward/")
        assert [key for key in left if not key.startswith(places)] == []


@in_loop
async def test_one_taken_up_again_is_not_forgotten_at_its_old_time() -> None:
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(ONE)
        worker = await world.worker()
        (held,) = await world.take(worker)
        await worker.bury(held)
        await world.store.wait(made)
        await world.store.retry(made)
        await world.advance(10_000)
        assert (await world.work(made)).state is RunState.DONE


@in_loop
async def test_who_waits_for_one_that_does_not_end_waits_on() -> None:
    world = PipelineWorld()
    made = await world.store.start(ONE)
    waiting = asyncio.create_task(world.store.wait(made))
    async with world.steward():
        await settle()
        assert not waiting.done()
        await world.work(made)
        assert (await waiting).state is RunState.DONE


@in_loop
async def test_what_cannot_be_done_now_is_refused_and_changes_nothing() -> None:
    world = PipelineWorld()
    store = world.store
    made = await store.start(ONE)
    for doing in (store.retry(made), store.remove(made)):
        with pytest.raises(PipelineRuns):
            await doing
    async with world.steward():
        await world.work(made)
    for doing in (store.cancel(made), store.signal(made, "go")):
        with pytest.raises(PipelineEnded):
            await doing
    with pytest.raises(NothingToRetry):
        await store.retry(made)
    unknown: tuple[Awaitable[object], ...] = (
        store.status(NOBODY), store.wait(NOBODY), store.cancel(NOBODY), store.retry(NOBODY),
        store.signal(NOBODY, "go"), store.remove(NOBODY), store.explain(NOBODY),
    )  # fmt: skip
    for asking in unknown:
        with pytest.raises(UnknownPipeline):
            await asking


@in_loop
async def test_a_pipeline_whose_spec_is_unreadable_fails_and_holds_up_nobody() -> None:
    world = PipelineWorld()
    broken, whole = await world.store.start(ONE), await world.store.start(ONE)
    await world.client.put(f"coord/pipeline/spec/{broken}", "nothing")
    async with world.steward():
        assert (await world.store.wait(broken)).cause == "what it is cannot be read"
        assert (await world.work(whole)).state is RunState.DONE


@in_loop
async def test_results_that_do_not_fit_into_a_job_fail_the_stage_that_collects_them() -> None:
    world = PipelineWorld()
    spec = Pipeline(
        "p",
        (Stage("s", (Call("a"), Call("a"))), Stage("t", collect=Collect(("s",), Call("b"), "x"))),
    )
    async with world.steward():
        made = await world.store.start(spec)
        worker = await world.worker()
        for held in await world.take(worker):
            await worker.complete(held, "y" * 600_000)
        run = await world.store.wait(made)
        assert run.state is RunState.FAILED
        assert "1048576 are allowed" in run.cause
