"""Gates kept by somebody who does not wait at them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from coord import ops
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.batch_gate import BatchGate
from recipes.conditions import Opened, Present, Signal, Size
from recipes.errors import NotLeader
from recipes.gate import Gate
from recipes.gate_watch import GateWatch
from recipes.queue import Queue
from workers.testing.hand_timer import HandTimer


@asynccontextmanager
async def running(watch: GateWatch) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(watch.run())
    await settle()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def is_open(client: LocalClient, name: str) -> bool:
    await settle(200)
    return (await client.get(f"{name}/open")).count == 1


@in_loop
async def test_gates_open_with_nobody_waiting_those_declared_later_too() -> None:
    client = LocalCluster().client()
    await Gate(client, "gates/a", Size("a/", 1)).declare()
    watch = GateWatch(client, "gates/", timer=HandTimer())
    async with running(watch):
        await Gate(client, "gates/b", Opened("gates/a")).declare()
        await settle()
        assert watch.watching == ("gates/a", "gates/b")
        await client.put("a/1")
        await client.delete("a/1")
        assert await is_open(client, "gates/b")
        assert not watch.watching


@in_loop
async def test_a_gate_declared_anew_waits_for_what_it_says_now() -> None:
    client = LocalCluster().client()
    watch = GateWatch(client, "gates/", timer=HandTimer())
    async with running(watch):
        await Gate(client, "gates/a", Signal("old")).declare()
        await settle()
        await Gate(client, "gates/a", Signal("old")).remove()
        await Gate(client, "gates/a", Signal("new")).declare()
        await settle()
        await client.put("old")
        assert not await is_open(client, "gates/a")
        await client.put("new")
        assert await is_open(client, "gates/a")


@in_loop
async def test_batches_are_let_through_one_after_the_other() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await BatchGate(queue, "gates/q", Size("q/ready/", 2)).declare()
    openings = []
    async with running(GateWatch(client, "gates/", timer=HandTimer())):
        for number in range(4):
            await queue.put(str(number))
            await settle(200)
            found = await client.get("gates/q/open")
            openings.append(found.kvs[0].version if found.kvs else 0)
    assert openings == [0, 1, 1, 2]


@in_loop
async def test_what_opens_with_a_gate_is_written_with_it_though_two_keep_it() -> None:
    client = LocalCluster().client()
    await client.put("shut/a")
    await Gate(client, "gates/a", Present("q/", "x")).declare()
    watches = [
        GateWatch(
            client,
            "gates/",
            timer=HandTimer(),
            also=lambda name, _: [ops.delete("shut/a"), ops.put(f"{name}/n/", sequence=True)],
        )
        for _ in range(2)
    ]
    async with running(watches[0]), running(watches[1]):
        await client.put("q/ready/x")
        assert await is_open(client, "gates/a")
        assert (await client.get("shut/a")).count == 0
        assert (await client.get("gates/a/n/", prefix=True)).count == 1


@in_loop
async def test_who_was_replaced_writes_nothing_and_is_told() -> None:
    client = LocalCluster().client()
    await client.put("office/mine")
    await Gate(client, "gates/a", Signal("go")).declare()
    watch = GateWatch(
        client, "gates/", timer=HandTimer(), guards=lambda: [ops.exists("office/mine")]
    )
    async with running(watch) as task:
        await client.delete("office/mine")
        await client.put("go")
        with pytest.raises(NotLeader):
            await task
    assert not await is_open(client, "gates/a")


@in_loop
async def test_a_declaration_that_cannot_be_kept_is_named_and_harms_no_other() -> None:
    client = LocalCluster().client()
    await client.put("gates/odd/declared", "no JSON")
    await client.put(
        "gates/never/declared",
        b'{"condition":{"type":"size","items":"a/","target":0},"since_unix_ms":1}',
    )
    await Gate(client, "gates/a", Signal("go")).declare()
    watch = GateWatch(client, "gates/", timer=HandTimer())
    async with running(watch):
        assert set(watch.broken) == {"gates/odd", "gates/never"}
        assert "at least 1" in watch.broken["gates/never"]
        await client.put("go")
        assert await is_open(client, "gates/a")
        await client.delete("gates/odd/declared")
        await settle()
        assert set(watch.broken) == {"gates/never"}
