"""What an idle worker offers, is handed and hands back: real workers on a store at hand."""

import asyncio
from pathlib import Path

import pytest

from coord.requests import Claim, Range, Txn, TxnOp
from coord.testing.local import LocalCluster, in_loop
from workers.model.job import Job
from workers.model.places import Places
from workers.model.states import State
from workers.running.notice import Urgency
from workers.store.jobs import JobStore
from workers.testing.at_work import working
from workers.testing.endings import DEADLINE_S, shows

pytestmark = pytest.mark.integration

AT = Places().queue("default")


async def until(store: JobStore, prefix: bytes, count: int) -> None:
    """Wait until there are so many keys under a prefix."""
    async with asyncio.timeout(DEADLINE_S), store.client.watch(prefix, prefix=True) as watch:
        while (await store.client.get(prefix, prefix=True)).count != count:
            await anext(watch)


async def until_offered(store: JobStore, slots: int) -> None:
    """Wait until so many slots are on offer."""
    await until(store, AT.free, slots)


async def learn(store: JobStore) -> None:
    """Have the store hear who is idle; the job that finds it out is done afterwards."""
    await store.wait(await store.enqueue("default", Job("noop")))


def claims(op: TxnOp) -> bool:
    if isinstance(op, Txn):
        return any(map(claims, (*op.success, *op.failure)))
    return isinstance(op, Claim)


def writes(op: TxnOp) -> bool:
    if isinstance(op, Txn):
        return any(map(writes, (*op.success, *op.failure)))
    return not isinstance(op, Range)


@in_loop
async def test_a_job_for_an_idle_worker_costs_two_transactions_and_no_claim(
    app: str, cluster: LocalCluster, store: JobStore
) -> None:
    async with working(store.client, app, slots=2, steward=False):
        await until_offered(store, 2)
        await learn(store)
        await until_offered(store, 2)
        before = len(cluster.applied)
        for _ in range(6):
            await store.wait(await store.enqueue("default", Job("noop")))
        txns = [op for op in cluster.applied[before:] if isinstance(op, Txn)]
    assert not any(map(claims, txns))
    assert sum(map(writes, txns)) == 12


@in_loop
async def test_a_worker_is_handed_no_more_than_it_offers_and_lays_out_again_what_is_free(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    async with working(store.client, app, slots=2) as worker:
        await until_offered(store, 2)
        await learn(store)
        await until_offered(store, 2)
        for number in range(2):
            await store.enqueue("default", Job("hang", {"started": str(tmp_path / str(number))}))
        waits = await store.enqueue("default", Job("noop"))
        await shows(store, "hanging", times=2)
        # It may be claimed ahead for a moment, as others that come while all slots are taken.
        await until(store, AT.ready, 1)
        await until_offered(store, 0)
        assert await store.find(waits)
    assert len(worker.tally.handed_back) >= 2


@in_loop
async def test_a_worker_told_to_stop_takes_its_offers_back_and_loses_nothing_it_was_handed(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    async with working(store.client, app, slots=4, urgency=Urgency.STOP, grace_s=0.05):
        await until_offered(store, 4)
        await learn(store)
        await until_offered(store, 4)
        args: dict[str, object] = {"started": str(tmp_path / "pid")}
        jobs = [await store.enqueue("default", Job("hang", args)) for _ in range(4)]
    for prefix in (AT.free, AT.held, AT.prefix + b"handed/"):
        assert (await store.client.get(prefix, prefix=True)).count == 0
    found = [await store.find(job) for job in jobs]
    assert [each.state for each in found if each] == [State.READY] * 4
    assert [each.job.tries for each in found if each and each.job] == [0] * 4


@in_loop
async def test_a_job_handed_over_can_be_cancelled_while_it_runs(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    async with working(store.client, app, slots=1, crew={"cancel_grace_ms": 50}):
        await until_offered(store, 1)
        await learn(store)
        await until_offered(store, 1)
        job = await store.enqueue("default", Job("hang", {"started": str(tmp_path / "pid")}))
        await shows(store, "hanging")
        await store.cancel(job, "not wanted")
        ending = await store.wait(job)
    assert ending.state is State.CANCELLED
