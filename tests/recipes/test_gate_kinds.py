"""Gates of every kind of condition, alone and together, on a queue and by themselves."""

import asyncio
from collections.abc import Iterable

import pytest

from coord import ops
from coord.errors import MaybeDone, Unavailable
from coord.requests import Compare, Put, TxnOp, TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.conditions import AllOf, AnyOf, Condition, Opened, Present, Signal, Size, Time
from recipes.consumer import Consumer
from recipes.errors import GateDiffers, NeverOpens, NotLeader
from recipes.gate import Gate, Opening
from recipes.queue import Queue
from workers.testing.hand_timer import HandTimer


async def waiting_at(
    client: LocalClient, condition: Condition, timer: HandTimer | None = None
) -> asyncio.Task[Opening]:
    task = asyncio.create_task(Gate(client, "g", condition, timer=timer or HandTimer()).wait())
    await settle()
    assert not task.done()
    return task


@in_loop
async def test_a_signal_opens_it_and_its_message_says_who_gave_it() -> None:
    client = LocalCluster().client()
    waiting = await waiting_at(client, Signal("go"))
    given = await client.put("go", "tested by ann")
    opening = await waiting
    assert (opening.revision, opening.by) == (given.revision, "tested by ann")


@in_loop
async def test_an_item_that_comes_opens_it_and_so_does_one_that_has_passed_through() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    waiting = await waiting_at(client, Present("q/", "the-one"))
    await queue.put("another")
    await settle()
    assert not waiting.done()
    await client.put("q/ready/the-one")
    assert (await waiting).by == "ready/the-one"
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        for item in await consumer.take(2):
            assert (await Gate(client, f"held {item.id}", Present("q/", item.id)).wait()).by
            await consumer.complete(item)
        for number, place in enumerate(("done/the-one", "done/nobody")):
            gate = Gate(client, f"h{number}", Present("q/", place.removeprefix("done/")))
            assert await gate.passed() == (place == "done/the-one")


@in_loop
async def test_a_time_opens_it_when_it_comes_and_not_before() -> None:
    client, timer = LocalCluster().client(), HandTimer()
    gate = Gate(client, "g", Time(after_ms=500), timer=timer)
    await gate.declare()
    timer.advance(100)
    waiting = asyncio.create_task(gate.wait())
    await settle()
    timer.advance(399)
    await settle()
    assert not waiting.done()
    timer.advance(1)
    assert (await waiting).by == "the clock"
    due = timer.now_unix_ms() + 50
    waiting = asyncio.create_task(Gate(client, "h", Time(at_unix_ms=due), timer=timer).wait())
    await settle()
    assert not waiting.done()
    timer.advance(50)
    assert (await waiting).value == due


@in_loop
async def test_all_parts_may_come_true_in_any_order_and_far_apart() -> None:
    client = LocalCluster().client()
    waiting = await waiting_at(client, AllOf((Size("a/", 2), Signal("go"), Present("q/", "x"))))
    await client.put("go", "now")
    await settle()
    await client.delete("go")
    await client.put("q/ready/x")
    await settle()
    await client.delete("q/ready/x")
    await client.put("a/1")
    await settle()
    assert not waiting.done()
    last = await client.put("a/2")
    opening = await waiting
    assert (opening.revision, opening.value, opening.by) == (last.revision, 2, "a/2")


@in_loop
async def test_a_part_that_was_met_is_known_though_whoever_saw_it_went() -> None:
    client = LocalCluster().client()
    condition = AllOf((Signal("go"), Size("a/", 1)))
    waiting = await waiting_at(client, condition)
    await client.put("go", "ann")
    await client.delete("go")
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    told = await Gate(client, "g", condition).explain()
    assert told.verdict.of[0].met is not None
    assert told.verdict.of[0].met.by == "ann"
    await client.put("a/1")
    assert await Gate(client, "g", condition).passed()


@in_loop
async def test_one_of_several_is_enough() -> None:
    client, timer = LocalCluster().client(), HandTimer()
    condition = AnyOf((Size("a/", 2), AllOf((Signal("go"), Time(after_ms=100)))))
    gate = Gate(client, "g", condition, timer=timer)
    await gate.declare()
    waiting = asyncio.create_task(gate.wait())
    await client.put("go")
    await settle()
    assert not waiting.done()
    timer.advance(100)
    await waiting
    assert str(await gate.explain()).startswith("g: open since revision")


@in_loop
async def test_a_gate_waits_for_another_gate() -> None:
    client = LocalCluster().client()
    waiting = await waiting_at(client, Opened("first"))
    await Gate(client, "first", Signal("go")).force("bob")
    assert (await waiting).by == "first"


@in_loop
async def test_gates_that_would_wait_for_each_other_are_refused_with_the_circle() -> None:
    client = LocalCluster().client()
    await Gate(client, "a", Opened("b")).declare()
    await Gate(client, "b", AllOf((Signal("s"), Opened("c")))).declare()
    with pytest.raises(NeverOpens, match="c > a > b > c"):
        await Gate(client, "c", Opened("a")).declare()
    with pytest.raises(NeverOpens, match="a > a"):
        await Gate(client, "a", Opened("a")).declare()
    await Gate(client, "c", Signal("s")).declare()


@in_loop
async def test_a_name_stands_for_one_condition() -> None:
    client = LocalCluster().client()
    await Gate(client, "g", Signal("a")).declare()
    await Gate(client, "g", Signal("a")).declare()
    with pytest.raises(GateDiffers):
        await Gate(client, "g", Signal("b")).declare()
    await Gate(client, "g", Signal("a")).remove()
    await Gate(client, "g", Signal("b")).declare()


@in_loop
async def test_opened_by_hand_everybody_who_waits_passes_and_is_told_by_whom() -> None:
    client = LocalCluster().client()
    waiting = await waiting_at(client, Size("a/", 5))
    forced = await Gate(client, "g", Size("a/", 5)).force("ann")
    assert await waiting == forced
    assert forced.by == "ann"


class LosesTheOpening(LocalClient):
    """Loses the answer to the transaction that latches a gate."""

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        steps = tuple(success)
        reply = await super().txn(compare, steps, failure)
        if any(isinstance(step, Put) for step in steps) and reply.succeeded:
            raise MaybeDone
        return reply


@in_loop
async def test_what_else_opens_with_a_gate_happens_with_the_opening_and_once() -> None:
    client = LosesTheOpening(LocalCluster())
    gates = [
        Gate(client, "g", Signal("go"), also=lambda _: [ops.put("log/", sequence=True)])
        for _ in range(3)
    ]
    waits = [asyncio.create_task(gate.wait()) for gate in gates]
    await settle()
    await gates[0].force("ann")
    await asyncio.gather(*waits)
    logged = (await client.get("log/", prefix=True)).kvs
    assert len(logged) == 1
    assert logged[0].create_revision == (await client.get("g/open")).kvs[0].create_revision


@in_loop
async def test_whose_guard_does_not_hold_opens_nothing() -> None:
    client = LocalCluster().client()
    await client.put("go")
    gate = Gate(client, "g", Signal("go"), guards=lambda: [ops.exists("office/mine")])
    with pytest.raises(NotLeader):
        await gate.wait()
    assert (await client.get("g/open")).count == 0


@in_loop
async def test_the_item_a_queue_waited_for_is_taken_before_the_rest_and_keeps_its_name() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put_all(["a", "b"])
    async with client.session() as session:
        gate = Gate(client, "g", Present("q/", "condition"))
        consumer = Consumer(queue, session, "w", gate)
        taking = asyncio.create_task(consumer.take(3))
        await settle()
        assert not taking.done()
        await client.put("q/ready/condition", "the condition")
        assert [(item.id, item.body) for item in await taking] == [("condition", b"the condition")]
        assert [item.body for item in await consumer.take(3)] == [b"a", b"b"]


@in_loop
async def test_waiting_ends_when_the_client_is_closed() -> None:
    client = LocalCluster().client()
    waiting = await waiting_at(client, Size("a/", 1))
    for watch in list(client.cluster._watches):
        watch.fail(Unavailable("closed"))
    with pytest.raises(Unavailable):
        await waiting
