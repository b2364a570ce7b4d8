"""Signal gate: opened and shut by somebody else."""

import asyncio

from coord import ops
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.queue import Queue
from recipes.signal_gate import SignalGate


@in_loop
async def test_a_waiter_passes_when_the_signal_is_given_and_not_before() -> None:
    client = LocalCluster().client()
    gate = SignalGate(client, "go")
    waiting = asyncio.create_task(gate.wait())
    await client.put("go-not", "another key")
    await settle()
    assert not waiting.done()
    await gate.open("now")
    assert (await waiting).value == b"now"


@in_loop
async def test_an_open_gate_lets_everybody_pass_until_it_is_shut() -> None:
    client = LocalCluster().client()
    gate = SignalGate(client, "go")
    await gate.open()
    await gate.wait()
    assert await gate.is_open()
    await gate.shut()
    assert not await gate.is_open()


@in_loop
async def test_who_waits_passes_though_the_gate_was_shut_again_at_once() -> None:
    client = LocalCluster().client()
    gate = SignalGate(client, "go")
    waiting = asyncio.create_task(gate.wait())
    await settle()
    await gate.open("short")
    await gate.shut()
    assert (await waiting).value == b"short"


@in_loop
async def test_a_guarded_write_is_refused_while_the_gate_is_shut() -> None:
    client = LocalCluster().client()
    gate = SignalGate(client, "go")
    write = [ops.put("effect")]
    assert not (await client.txn([gate.guard()], write)).succeeded
    await gate.open()
    assert (await client.txn([gate.guard()], write)).succeeded


@in_loop
async def test_a_signal_and_the_task_it_speaks_of_appear_together() -> None:
    client = LocalCluster().client()
    gate, queue = SignalGate(client, "go"), Queue(client, "q/")
    await client.txn(success=[queue.putting("the task"), gate.opening()])
    opened = await gate.wait()
    (task,) = (await client.get("q/ready/", prefix=True)).kvs
    assert task.create_revision == opened.create_revision
