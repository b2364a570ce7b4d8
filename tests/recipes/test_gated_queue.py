"""A queue held shut by a condition: a size, a task that came, a program's signal."""

import asyncio

from coord.requests import Txn
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.consumer import Consumer
from recipes.gate import SizeGate
from recipes.port import Gate
from recipes.queue import Queue
from recipes.signal_gate import SignalGate


async def take_all(client: LocalClient, queue: Queue, gate: Gate, count: int) -> list[bytes]:
    """Take `count` items through a gate, one by one, and complete each."""
    bodies = []
    async with client.session() as session:
        consumer = Consumer(queue, session, "w", gate)
        for _ in range(count):
            (item,) = await consumer.take()
            await consumer.complete(item)
            bodies.append(item.body)
    return bodies


@in_loop
async def test_nothing_is_taken_until_the_queue_holds_enough_then_all_in_order() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    gate = SizeGate(client, "gate", queue.ready, 3)
    taking = asyncio.create_task(take_all(client, queue, gate, 4))
    for body in ("a", "b"):
        await queue.put(body)
        await settle()
    assert (await queue.counts()).ready == 2
    await queue.put("c")
    await queue.put("d")
    assert await taking == [b"a", b"b", b"c", b"d"]


@in_loop
async def test_the_task_that_opens_the_queue_runs_before_the_rest() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    gate = SignalGate(client, "gate")
    await queue.put_all(["a", "b"])
    taking = asyncio.create_task(take_all(client, queue, gate, 3))
    await settle()
    assert (await queue.counts()).ready == 2
    await client.txn(success=[queue.putting("the condition", first=True), gate.opening()])
    assert await taking == [b"the condition", b"a", b"b"]


@in_loop
async def test_a_controlling_program_opens_and_shuts_a_queue() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    gate = SignalGate(client, "gate")
    await queue.put_all(["a", "b"])
    async with client.session() as session:
        consumer = Consumer(queue, session, "w", gate)
        await gate.open()
        assert [item.body for item in await consumer.take()] == [b"a"]
        await gate.shut()
        assert await consumer.try_take() == []
        taking = asyncio.create_task(consumer.take())
        await settle()
        assert not taking.done()
        await gate.open()
        assert [item.body for item in await taking] == [b"b"]


@in_loop
async def test_an_open_but_empty_queue_waits_for_items_and_not_for_the_gate() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    gate = SignalGate(client, "gate")
    await gate.open()
    taking = asyncio.create_task(take_all(client, queue, gate, 1))
    await settle()
    assert not taking.done()
    await queue.put("a")
    assert await taking == [b"a"]


@in_loop
async def test_waiting_at_a_shut_gate_costs_nothing_but_a_look_and_a_place_in_line() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/")
    taking = asyncio.create_task(take_all(client, queue, SignalGate(client, "gate"), 1))
    await settle()
    for _ in range(5):
        await queue.put("a")
        await settle()
    assert len([op for op in cluster.applied if isinstance(op, Txn)]) == 2  # the look, the line
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)


@in_loop
async def test_items_put_first_keep_their_order_among_themselves_and_their_place() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put("c")
    await queue.put("a", first=True)
    await queue.put("b", first=True)
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        items = await consumer.take(3)
        assert [item.body for item in items] == [b"a", b"b", b"c"]
        await consumer.give_back(items[1])
        await queue.put("d")
        assert [item.body for item in await consumer.take(3)] == [b"b", b"d"]
