"""Queues and gates asked for what cannot be: a clear error, and nothing done."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from coord import ops
from coord.client.client import Client
from coord.client.settings import Settings
from coord.errors import CoordError, ErrorCode, Misuse, Unavailable
from coord.testing.instant_node import InstantDialer, InstantNode
from coord.testing.local import LocalCluster, in_loop
from recipes.batch_gate import BatchGate
from recipes.conditions import Signal, Size
from recipes.consumer import Consumer, Marker
from recipes.delay_queue import DelayQueue, Mover
from recipes.errors import NotHolder, SessionLost
from recipes.gate import Gate, SizeGate
from recipes.gate_watch import GateWatch
from recipes.queue import Queue, QueueSettings

NODE = "tcp://node:1"


@pytest.mark.parametrize("prefix", ["", b"", "x" * 4000, 7])
def test_a_queue_needs_a_prefix_that_keys_fit_under(prefix: str) -> None:
    with pytest.raises(Misuse):
        Queue(LocalCluster().client(), prefix)


@pytest.mark.parametrize("attempts_max", [0, -1, 1001])
def test_a_number_of_attempts_is_at_least_one(attempts_max: int) -> None:
    with pytest.raises(Misuse, match="1 to 1000"):
        QueueSettings(attempts_max)


@pytest.mark.parametrize("name", ["", "g/", "x" * 4090, 7])
def test_a_gate_needs_a_name_that_keys_fit_under(name: str) -> None:
    with pytest.raises(Misuse):
        Gate(LocalCluster().client(), name, Signal("go"))


def test_what_gates_count_is_named_in_utf8() -> None:
    client = LocalCluster().client()
    with pytest.raises(Misuse, match="UTF-8"):
        SizeGate(client, "g", b"\xff/", 1)
    with pytest.raises(Misuse, match="UTF-8"):
        BatchGate(Queue(client, b"\xff/"), "g", Signal("go"))


@pytest.mark.parametrize("limit", [0, -1, 1025])
@in_loop
async def test_a_limit_that_is_none_is_misuse_and_leaves_no_place_in_line(limit: int) -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with client.session() as session:
        consumer = Consumer(Queue(client, "q/"), session, "w")
        for take in (consumer.take, consumer.try_take):
            with pytest.raises(Misuse, match="limit"):
                await take(limit)
        assert (await client.get("q/", prefix=True)).count == 0


@in_loop
async def test_an_item_of_another_consumer_or_queue_can_be_ended_in_no_way() -> None:
    client = LocalCluster().client()
    one, other = Queue(client, "q/"), Queue(client, "other/")
    await one.put("a")
    async with client.session() as session:
        holder = Consumer(one, session, "w1")
        (item,) = await holder.take()
        marker = Marker(b"m", lambda _: True)
        for stranger in (Consumer(one, session, "w2"), Consumer(other, session, "w1")):
            with pytest.raises(NotHolder):
                await stranger.complete(item)
            with pytest.raises(NotHolder):
                await stranger.fail(item, "not mine")
            with pytest.raises(NotHolder):
                await stranger.bury(item, "not mine")
            with pytest.raises(NotHolder):
                await stranger.give_back(item)
            with pytest.raises(NotHolder):
                await stranger.settle(item, [ops.delete(item.key)], marker)
        await holder.complete(item)


@in_loop
async def test_a_settlement_that_leaves_the_claim_standing_is_misuse() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (item,) = await consumer.take()
        with pytest.raises(Misuse, match="no step"):
            await consumer.settle(item, [ops.put("m")], Marker(b"m", lambda _: True))
        assert consumer.holding == (item,)


@in_loop
async def test_a_result_that_json_cannot_say_is_misuse_and_the_item_is_still_held() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (item,) = await consumer.take()
        with pytest.raises(Misuse, match="JSON"):
            await consumer.complete(item, object())
        assert consumer.holding == (item,)
        await consumer.complete(item, "fine")


def _of(client: Client, session: Any) -> list[Coroutine[Any, Any, object]]:
    """Return something of every kind that waits."""
    delayed = DelayQueue(client, "d/")
    batch = BatchGate(Queue(client, "q/"), "b", Size("q/ready/", 2))
    return [
        Consumer(Queue(client, "q/"), session, "w1").take(),
        Consumer(Queue(client, "q/"), session, "w2").take(),
        Consumer(Queue(client, "q/"), session, "w3", Gate(client, "g", Signal("go"))).take(),
        Consumer(Queue(client, "q/"), session, "w4", batch).take(),
        Gate(client, "h", Signal("go")).wait(),
        GateWatch(client, "gates/").run(),
        Mover(delayed, session).run(),
    ]


def _with_client(test: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        node = InstantNode(lambda: loop.time() * 1000.0)
        settings = Settings(
            endpoints=(NODE,),
            timeout_ms=5000.0,
            make_dialer=lambda: InstantDialer({NODE: node}),
            draw=random.Random(7).randint,
        )
        async with Client(settings) as client:
            await asyncio.wait_for(test(client), 20)

    asyncio.run(main())


def test_whoever_waits_is_told_when_the_client_is_closed() -> None:
    async def script(client: Client) -> None:
        await Gate(client, "gates/a", Signal("go")).declare()
        session = await client.session()
        waits = [asyncio.create_task(each) for each in _of(client, session)]
        for _ in range(20):
            await client.get("q/", prefix=True)
        assert not any(task.done() for task in waits)
        await client.close()
        ended = await asyncio.gather(*waits, return_exceptions=True)
        for error in ended:
            assert isinstance(error, Unavailable | SessionLost), error

    _with_client(script)


def test_nothing_is_begun_on_a_client_that_is_closed() -> None:
    async def script(client: Client) -> None:
        session = await client.session()
        await client.close()
        for each in _of(client, session):
            with pytest.raises(CoordError) as refused:
                await each
            assert isinstance(refused.value, SessionLost | Unavailable | Misuse)
            assert refused.value.code in (None, ErrorCode.STOPPING)

    _with_client(script)


def test_nothing_is_begun_under_a_session_that_is_closed() -> None:
    async def script(client: Client) -> None:
        session = await client.session()
        await Queue(client, "q/").put("a")
        await session.close()
        consumer = Consumer(Queue(client, "q/"), session, "w")
        for each in (
            consumer.take(),
            consumer.try_take(),
            Mover(DelayQueue(client, "d/"), session).run(),
        ):
            with pytest.raises(SessionLost):
                await each
        assert (await client.get("q/ready/", prefix=True)).count == 1

    _with_client(script)


@in_loop
async def test_an_item_put_under_an_id_that_is_no_text_is_handed_out_and_ended_as_any() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/", QueueSettings(attempts_max=2))
    await client.put(b"q/ready/\xff", "b")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (item,) = await consumer.take()
        assert await consumer.fail(item, "once more")
        (item,) = await consumer.take()
        assert not await consumer.fail(item, "no more")
        assert (await client.get(b"q/dead/\xff")).count == 1
        assert await queue.revive(item.id)
        (item,) = await consumer.take()
        await consumer.complete(item)
        assert (await client.get(b"q/done/\xff")).count == 1
    with pytest.raises(Misuse, match="UTF-8"):
        await queue.revive("\ud800")
