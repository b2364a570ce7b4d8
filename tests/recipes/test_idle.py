"""Idle takers: one arrival wakes one of them, however many there are; nobody is slept through."""

import asyncio
import random
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from coord.client.ops import Text
from coord.requests import ClaimReply, Compare, RangeReply, TxnOp, TxnReply
from coord.testing.counting import CountingClient
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from recipes.consumer import Consumer
from recipes.errors import SessionLost, StaleClaim
from recipes.queue import Claimed, Queue, QueueSettings
from recipes.signal_gate import SignalGate

R = TypeVar("R")
Taking = asyncio.Task[list[Claimed]]


async def idle_takers(client: LocalClient, count: int, limit: int = 1) -> list[Taking]:
    """Return `count` consumers' takes, all of them waiting."""
    queue, takes = Queue(client, "q/"), []
    for number in range(count):
        consumer = Consumer(queue, await client.session(ttl_ms=1000), f"w{number}")
        takes.append(asyncio.create_task(consumer.take(limit)))
    await settle()
    return takes


async def stop(takes: list[Taking]) -> None:
    for each in takes:
        each.cancel()
    await asyncio.gather(*takes, return_exceptions=True)
    await settle()


def done(takes: list[Taking]) -> int:
    return [each.done() for each in takes].count(True)


async def in_line(client: LocalClient) -> int:
    return (await client.get("q/idle/", prefix=True)).count


@pytest.mark.parametrize("takers", [2, 10, 100, 1000])
@in_loop
async def test_one_item_wakes_one_idle_taker_however_many_there_are(takers: int) -> None:
    client = CountingClient(LocalCluster())
    takes = await idle_takers(client, takers)
    client.take_counts()
    await Queue(client, "q/").put("a")
    await settle()
    # The put, the first one's claim, the next one's look; two wake-ups: an arrival, a departure.
    assert client.take_counts() == (3, 1, 2)
    assert done(takes) == 1
    assert await in_line(client) == takers - 1
    await stop(takes)


@in_loop
async def test_a_lone_idle_taker_costs_no_more_than_its_claim() -> None:
    client = CountingClient(LocalCluster())
    takes = await idle_takers(client, 1)
    client.take_counts()
    await Queue(client, "q/").put("a")
    await settle()
    assert client.take_counts() == (2, 0, 1)
    assert done(takes) == 1
    assert await in_line(client) == 0


@pytest.mark.parametrize(("items", "limit", "woken"), [(30, 1, 30), (30, 10, 3), (1, 10, 1)])
@in_loop
async def test_many_items_at_once_wake_as_many_as_they_need(
    items: int, limit: int, woken: int
) -> None:
    client = CountingClient(LocalCluster())
    takes = await idle_takers(client, 100, limit)
    client.take_counts()
    await Queue(client, "q/").put_all(["a"] * items)
    await settle()
    assert done(takes) == woken
    requests, _, wake_ups = client.take_counts()
    assert wake_ups <= 2 * woken + 2
    assert requests <= 4 * woken + 4
    assert (await Queue(client, "q/").counts()).ready == 0
    await stop(takes)


@in_loop
async def test_who_finds_items_at_once_does_not_stand_in_line() -> None:
    client = CountingClient(LocalCluster())
    queue = Queue(client, "q/")
    await queue.put("a")
    async with client.session() as session:
        client.take_counts()
        await Consumer(queue, session, "w").take()
    assert client.take_counts() == (1, 0, 0)


@in_loop
async def test_a_cancelled_taker_leaves_the_line_and_the_others_are_woken_all_the_same() -> None:
    client = LocalCluster().client()
    takes = await idle_takers(client, 4)
    await stop(takes[:1])
    await stop(takes[2:3])
    assert await in_line(client) == 2
    await Queue(client, "q/").put_all(["a", "b"])
    await settle()
    assert takes[1].done()
    assert takes[3].done()
    assert await in_line(client) == 0


@in_loop
async def test_when_the_first_in_line_dies_the_next_one_listens() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    takes = await idle_takers(client, 3)
    cluster.sessions[0].stall()
    cluster.advance(1100)
    assert await in_line(client) == 2
    await Queue(client, "q/").put("a")
    await settle()
    assert takes[1].done() or takes[0].done()
    assert (await Queue(client, "q/").counts()).ready == 0
    await stop(takes)


@in_loop
async def test_an_opening_gate_wakes_as_many_as_there_are_items() -> None:
    client = CountingClient(LocalCluster())
    queue, gate = Queue(client, "q/"), SignalGate(client, "gate")
    takes = []
    for number in range(50):
        consumer = Consumer(queue, await client.session(), f"w{number}", gate)
        takes.append(asyncio.create_task(consumer.take()))
    await queue.put_all(["a", "b"])
    await settle()
    assert done(takes) == 0
    client.take_counts()
    await gate.open()
    await settle()
    assert done(takes) == 2
    assert client.take_counts()[2] <= 6
    await stop(takes)


@in_loop
async def test_a_key_that_cannot_be_claimed_keeps_nobody_busy() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/")
    item = await queue.put("a")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        await consumer.take()
        await client.put(queue.ready + item.encode(), "again")
        taking = asyncio.create_task(consumer.take())
        await settle()
        before = len(cluster.applied)
        await settle()
        assert len(cluster.applied) == before
        await queue.put("b")
        assert [each.body for each in await taking] == [b"b"]


class LateAnswers(LocalClient):
    """Carries everything out at once and answers some turns of the loop later."""

    def __init__(self, cluster: LocalCluster, luck: random.Random) -> None:
        super().__init__(cluster)
        self._luck = luck

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        return await self._late(super().txn(compare, success, failure))

    async def claim(self, source: Text, target: Text, lease: int, limit: int = 1) -> ClaimReply:
        return await self._late(super().claim(source, target, lease, limit))

    async def get(self, key: Text, **options: Any) -> RangeReply:
        return await self._late(super().get(key, **options))

    async def _late(self, asked: Coroutine[Any, Any, R]) -> R:
        answer = await asked
        await settle(self._luck.randint(0, 9))
        return answer


async def _work(consumer: Consumer, luck: random.Random, completed: list[bytes]) -> None:
    with suppress(SessionLost):
        while True:
            for item in await consumer.take(luck.randint(1, 3)):
                with suppress(StaleClaim):
                    if luck.random() < 0.2:
                        await consumer.give_back(item)
                    else:
                        await consumer.complete(item)
                        completed.append(item.body)


@pytest.mark.parametrize("seed", range(6))
@in_loop
async def test_whatever_happens_to_takers_nothing_ready_is_slept_through(seed: int) -> None:
    luck, cluster = random.Random(seed), LocalCluster()
    queue = Queue(cluster.client(), "q/", QueueSettings(attempts_max=1000))
    completed: list[bytes] = []
    workers: dict[asyncio.Task[None], LocalSession] = {}
    clients: list[LocalClient] = []
    for number in range(120):
        if len(workers) < 6:
            client = LateAnswers(cluster, luck)
            session = await client.session(ttl_ms=1000)
            consumer = Consumer(Queue(client, "q/", queue.settings), session, f"w{number}")
            workers[asyncio.create_task(_work(consumer, luck, completed))] = session
            clients.append(client)
        match luck.choice(["put", "put", "many", "cancel", "stall", "lose", "drop", "wait"]):
            case "put":
                await queue.put(str(number))
            case "many":
                await queue.put_all([f"{number}.{each}" for each in range(luck.randint(2, 9))])
            case "cancel":
                victim = luck.choice(list(workers))
                victim.cancel()
                await asyncio.gather(victim, return_exceptions=True)
                await workers.pop(victim).close()
            case "stall":
                session = luck.choice(list(workers.values()))
                session.stall()
                cluster.advance(1100)
                session.wake()
            case "lose":
                luck.choice(clients[-6:]).lose_answers()
            case "drop":
                luck.choice(clients[-6:]).lose_requests()
        await settle(luck.randint(1, 30))
        for task in [task for task in workers if task.done()]:
            await workers.pop(task).close()
    await settle(3000)
    assert workers
    assert (await queue.counts()).ready == 0
    assert (await queue.counts()).held == 0
    assert len(completed) == len(set(completed)) > 0
    await stop_all(workers)
    assert await in_line(cluster.client()) == 0


async def stop_all(workers: dict[asyncio.Task[None], LocalSession]) -> None:
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    await settle()
