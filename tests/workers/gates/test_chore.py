"""Declared gates open and shut by the store's own events, without anybody waiting on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from coord.errors import Misuse
from coord.testing.local import LocalCluster, in_loop, settle
from workers.gates.chore import GateChore
from workers.gates.conditions import AllOf, AnyOf, Condition, JobThere, QueueSize, Signal, Time
from workers.gates.errors import UnknownGate
from workers.gates.gate import Gate
from workers.gates.store import GateStore
from workers.model.ids import JobId
from workers.model.job import Job
from workers.model.places import Places
from workers.store.jobs import JobStore
from workers.testing.hand_timer import START_UNIX_MS, HandTimer
from workers.testing.hand_worker import HandWorker
from workers.testing.office import new_term


class _World:
    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.timer = HandTimer()
        self.gates = GateStore(self.cluster.client(), Places(), self.timer)
        self.jobs = JobStore(self.cluster.client(), Places(), self.timer)

    async def worker(self) -> HandWorker:
        session = await self.cluster.client().session(ttl_ms=1_000_000)
        return HandWorker(self.cluster.client(), session.lease)

    async def put(self, queue: str, count: int = 1) -> JobId:
        for _ in range(count):
            made = await self.jobs.enqueue(queue, Job("f"))
        await settle()
        return made

    async def is_open(self, name: str) -> bool:
        await settle()
        return (await self.gates.explain(name)).state.is_open

    async def count_shut(self) -> int:
        keys = (await self.cluster.client().get(b"coord/queue/", prefix=True)).kvs
        return sum(b"/shut/gate-" in kv.key for kv in keys)

    @asynccontextmanager
    async def steward(self) -> AsyncIterator[asyncio.Task[None]]:
        client = self.cluster.client()
        term = await new_term(client, Places())
        running = asyncio.create_task(GateChore(self.timer).run(term))
        await settle()
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@in_loop
async def test_a_gate_on_a_queue_opens_when_enough_jobs_are_ready_and_stays_open() -> None:
    world = _World()
    async with world.steward():
        await world.gates.set(Gate("g", QueueSize("q", 3), queue="q"))
        worker = await world.worker()
        await world.put("q", 2)
        assert await worker.take("q") == []
        await world.put("q")
        assert len(await worker.take("q")) == 3
        await world.put("q")
        assert len(await worker.take("q")) == 1
        assert [note.what for note in await world.gates.history("g")] == ["set", "opened"]


@in_loop
async def test_a_gate_that_lets_batches_through_shuts_once_its_queue_is_empty() -> None:
    world = _World()
    async with world.steward():
        await world.gates.set(Gate("g", QueueSize("q", 2), queue="q", rearm="empty"))
        worker = await world.worker()
        for _ in range(3):
            await world.put("q", 2)
            assert len(await worker.take("q")) == 2
            await settle()
            await world.put("q")
            assert await worker.take("q") == []
            await world.put("q")
            assert len(await worker.take("q")) == 2
            await settle()
        assert (await world.gates.explain("g")).state.openings == 6


@in_loop
async def test_a_signal_is_used_up_by_the_batch_it_let_through() -> None:
    world = _World()
    async with world.steward():
        await world.gates.set(Gate("g", Signal("go"), queue="q", rearm="empty"))
        worker = await world.worker()
        await world.gates.signal("g", "go", "tested", by="ann")
        assert not await world.is_open("g")  # nothing is there to let through
        await world.put("q")
        assert len(await worker.take("q")) == 1
        assert not await world.is_open("g")
        assert not (await world.gates.explain("g")).verdict.holds


@in_loop
async def test_a_gate_may_shut_as_soon_as_its_condition_fails() -> None:
    world = _World()
    async with world.steward():
        await world.gates.set(Gate("g", QueueSize("q", 2, "ready"), rearm="unmet"))
        worker = await world.worker()
        await world.put("q", 2)
        assert await world.is_open("g")
        await worker.take("q", limit=1)
        assert not await world.is_open("g")


@in_loop
async def test_it_opens_by_the_end_of_a_job_and_by_time() -> None:
    world = _World()
    async with world.steward():
        made = await world.put("other")
        soon = START_UNIX_MS + 1_000
        both: Condition = AllOf((JobThere(str(made), ended=True), Time(soon)))
        await world.gates.set(Gate("both", both))
        await world.gates.set(Gate("there", JobThere(str(made))))
        await world.gates.set(Gate("late", AnyOf((Time(soon), Time(soon + 1)))))
        assert await world.is_open("there")
        worker = await world.worker()
        (held,) = await worker.take("other")
        await worker.complete(held)
        assert not await world.is_open("both")
        world.timer.advance(1_000)
        assert await world.is_open("both")
        assert await world.is_open("late")


@in_loop
async def test_opened_by_hand_it_stays_open_until_it_is_shut_by_hand() -> None:
    world = _World()
    async with world.steward():
        await world.gates.set(Gate("g", QueueSize("q", 2), queue="q", rearm="unmet"))
        await world.gates.open("g", by="ann")
        assert await world.is_open("g")
        assert await world.count_shut() == 0
        await world.gates.shut("g")
        assert not await world.is_open("g")
        assert await world.count_shut() == 1
        assert (await world.gates.history("g"))[1].by == ("by hand of ann",)


@in_loop
async def test_set_anew_it_is_shut_and_holds_only_its_new_queue() -> None:
    world = _World()
    async with world.steward():
        await world.gates.set(Gate("g", Signal("go"), queue="q"))
        await world.gates.signal("g", "go")
        assert await world.is_open("g")
        await world.gates.set(Gate("g", Signal("go"), queue="r"))
        assert not await world.is_open("g")
        assert await world.count_shut() == 1
        await world.gates.remove("g")
        assert await world.count_shut() == 0
        with pytest.raises(UnknownGate):
            await world.gates.explain("g")


@in_loop
async def test_a_gate_that_was_due_while_there_was_no_steward_opens_with_the_next() -> None:
    world = _World()
    await world.gates.set(Gate("g", QueueSize("q", 1), queue="q"))
    await world.put("q")
    waiting = asyncio.create_task(world.gates.wait("g"))
    await settle()
    assert not waiting.done()
    async with world.steward(), world.steward():
        assert (await waiting).is_open
    assert (await world.gates.explain("g")).state.openings == 1


@in_loop
async def test_a_steward_replaced_without_knowing_opens_nothing() -> None:
    world = _World()
    await world.gates.set(Gate("g", Signal("go")))
    async with world.steward():
        await new_term(world.cluster.client(), Places())
        await world.gates.signal("g", "go")
        assert not await world.is_open("g")


@in_loop
async def test_explained_it_tells_value_and_target_of_each_part_and_who_made_it_hold() -> None:
    world = _World()
    parts: Condition = AllOf((QueueSize("q", 3), Signal("go")))
    await world.gates.set(Gate("g", parts, queue="q", note="nightly"))
    await world.put("q")
    await world.jobs.pause("q")
    await world.gates.signal("g", "go", "tested", by="ann")
    lines = list((await world.gates.explain("g")).lines())
    assert lines == [
        "gate g is shut since 2023-11-14 22:13:20Z",
        "note: nightly",
        "it holds queue q shut, 1 jobs ready",
        "queue q is also held shut by pause",
        "it opens when",
        "  no  all of: 1 of 2",
        "    no  at least 3 jobs ready in queue q: 1 of 3",
        "    yes signal go was given, since 2023-11-14 22:13:20Z (by ann: tested)",
    ]


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (Gate("a/b", Signal("go")), "gate 'a/b'"),
        (Gate("g", QueueSize("q", 0)), "asks for nothing"),
        (Gate("g", AllOf(())), "of nothing"),
        (Gate("g", Signal("")), "signal ''"),
        (Gate("g", JobThere("nothing")), "job id 'nothing'"),
        (Gate("g", Time(0)), "time 0"),
        (Gate("g", Signal("go"), rearm="empty"), "needs the queue"),
        (Gate("g", AnyOf(tuple(Signal(f"s{n}") for n in range(101)))), "101 conditions"),
    ],
)
@in_loop
async def test_a_gate_that_can_never_open_or_says_nothing_is_refused(gate: Gate, said: str) -> None:
    world = _World()
    with pytest.raises(Misuse, match=said):
        await world.gates.set(gate)
    assert await world.gates.list() == []
