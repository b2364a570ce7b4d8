"""The steward dies at a write of a gate's life, or many things happen at once: it opens once."""

import asyncio

import pytest

from coord.errors import MaybeDone
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from workers.gates.chore import GateChore
from workers.gates.conditions import AnyOf, QueueSize, Signal
from workers.gates.gate import Gate
from workers.gates.history import HISTORY_MAX, HISTORY_SLACK
from workers.gates.store import GateStore
from workers.model.job import Job
from workers.model.places import Places
from workers.store.jobs import JobStore
from workers.testing.faulty_client import Fault, FaultyClient
from workers.testing.hand_timer import HandTimer
from workers.testing.hand_worker import HandWorker
from workers.testing.office import new_term

BATCHES = 3
CYCLES = ["set", *["opened", "shut"] * BATCHES]
TIMER = HandTimer()


async def _steward(cluster: LocalCluster, client: LocalClient) -> asyncio.Task[None]:
    term = await new_term(cluster.client(), Places())
    own = type(term)(client, term.places, term.office)
    running = asyncio.create_task(GateChore(TIMER).run(own))
    await settle()
    return running


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("write", range(1, 2 * BATCHES + 1))
@in_loop
async def test_a_steward_that_dies_at_any_write_opens_and_shuts_as_often_as_one_that_does_not(
    write: int, fault: Fault
) -> None:
    cluster = LocalCluster()
    gates, jobs = GateStore(cluster.client(), timer=TIMER), JobStore(cluster.client(), timer=TIMER)
    await gates.set(Gate("g", QueueSize("q", 2), queue="q", rearm="empty"))
    client = FaultyClient(cluster)
    client.faults = {write: fault}
    stewards = [await _steward(cluster, client)]
    session = await cluster.client().session(ttl_ms=1_000_000)
    worker = HandWorker(cluster.client(), session.lease)
    for _ in range(BATCHES):
        for _ in range(2):
            await jobs.enqueue("q", Job("f"))
        await settle()
        if not (await gates.explain("g")).state.is_open:
            stewards.append(await _steward(cluster, cluster.client()))
        assert len(await worker.take("q")) == 2
        await settle()
        if (await gates.explain("g")).state.is_open:
            stewards.append(await _steward(cluster, cluster.client()))
        assert not (await gates.explain("g")).state.is_open
    found = await gates.explain("g")
    assert found.state.openings == BATCHES
    assert [note.what for note in await gates.history("g")] == CYCLES
    for steward in stewards:
        steward.cancel()
    ended = await asyncio.gather(*stewards, return_exceptions=True)
    assert all(isinstance(each, MaybeDone | asyncio.CancelledError) for each in ended)


@in_loop
async def test_the_history_is_cut_back_to_the_newest() -> None:
    cluster = LocalCluster()
    gates = GateStore(cluster.client(), timer=TIMER)
    await gates.set(Gate("g", AnyOf((Signal("go"),)), rearm="unmet"))
    steward = await _steward(cluster, cluster.client())
    for _ in range(HISTORY_MAX):
        await gates.signal("g", "go")
        await settle()
        await gates.withdraw("g", "go")
        await settle()
    notes = await gates.history("g")
    assert HISTORY_MAX <= len(notes) <= HISTORY_MAX + HISTORY_SLACK
    assert notes[-1].what == "shut"
    assert (await gates.explain("g")).state.openings == HISTORY_MAX
    steward.cancel()
