"""Sharded queue: each consumer its own line, and nobody idle while another has items."""

import asyncio

import pytest

from coord.errors import Misuse
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.conditions import Size
from recipes.consumer import Consumer
from recipes.gate import Gate
from recipes.sharded_queue import ShardedQueue


def names_of(queue: ShardedQueue) -> list[str]:
    """Return a consumer's name for each shard."""
    names = [f"w{number}" for number in range(200)]
    return [next(n for n in names if queue.shard_of(n) == s) for s in range(queue.shards)]


@in_loop
async def test_puts_go_round_the_shards_and_each_consumer_takes_from_its_own_first() -> None:
    client = LocalCluster().client()
    queue = ShardedQueue(client, "q/", 3)
    for number in range(6):
        await queue.put(str(number))
    names = names_of(queue)
    async with client.session() as session:
        for shard in (2, 0, 1):
            items = await Consumer(queue, session, names[shard]).take(9)
            assert [int(item.body) % 3 for item in items] == [shard, shard]
            assert [item.body for item in items] == sorted(item.body for item in items)


@in_loop
async def test_a_consumer_with_nothing_in_its_own_shard_helps_out_elsewhere() -> None:
    client = LocalCluster().client()
    queue = ShardedQueue(client, "q/", 4)
    async with client.session() as session:
        consumer = Consumer(queue, session, names_of(queue)[3])
        taking = asyncio.create_task(consumer.take())
        await settle()
        item = await queue.put("far away", key="k")
        (taken,) = await taking
        assert (taken.id, taken.body) == (item, b"far away")
        await consumer.fail(taken, "once more")
        (again,) = await consumer.take()
        await consumer.complete(again)
    counts = await queue.counts()
    assert (counts.ready, counts.held, counts.done) == (0, 0, 1)


@in_loop
async def test_what_has_one_key_stays_in_one_shard_in_order() -> None:
    client = LocalCluster().client()
    queue = ShardedQueue(client, "q/", 8)
    ids = [await queue.put(str(number), key="customer 7") for number in range(5)]
    assert len({item.partition("/")[0] for item in ids}) == 1
    assert ids == sorted(ids)


@in_loop
async def test_a_gate_holds_all_shards_shut() -> None:
    client = LocalCluster().client()
    queue = ShardedQueue(client, "q/", 2)
    async with client.session() as session:
        consumer = Consumer(queue, session, "w", Gate(client, "g", Size("q/ready/", 2)))
        taking = asyncio.create_task(consumer.take(2))
        await queue.put("a")
        await settle()
        assert not taking.done()
        await queue.put("b")
        assert len(await taking) == 1
        assert len(await consumer.take()) == 1


@pytest.mark.parametrize("shards", [0, -1, 257])
def test_a_number_of_shards_that_is_none_is_misuse(shards: int) -> None:
    with pytest.raises(Misuse, match="1 to 256"):
        ShardedQueue(LocalCluster().client(), "q/", shards)
