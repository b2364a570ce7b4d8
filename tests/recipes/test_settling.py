"""Settling an item: one transaction that the claim guards, sorted out when its answer is lost."""

import pytest

from coord import ops
from coord.requests import TxnOp
from coord.testing.local import LocalCluster, in_loop
from recipes.consumer import Consumer, Marker
from recipes.errors import NotHolder, StaleClaim
from recipes.queue import Queue


@in_loop
async def test_an_item_is_settled_in_ways_of_ones_own_and_only_while_it_is_held() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with client.session() as s1, client.session() as s2:
        one, two = Consumer(queue, s1, "w1"), Consumer(queue, s2, "w2")
        (item,) = await one.take()
        steps: list[TxnOp] = [ops.delete(item.key), ops.put("elsewhere", item.body)]
        marker = Marker(b"elsewhere", lambda kv: kv.value == item.body)
        with pytest.raises(NotHolder):
            await two.settle(item, steps, marker)
        client.lose_answers()
        revision = await one.settle(item, steps, marker)
        assert (await client.get("elsewhere")).kvs[0].mod_revision == revision
        assert one.holding == ()
        await client.delete("elsewhere")
        with pytest.raises(StaleClaim):
            await one.settle(item, steps, marker)


@in_loop
async def test_a_failure_whose_answer_was_lost_is_noted_once() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (item,) = await consumer.take()
        client.lose_answers()
        assert await consumer.fail(item, "disk full")
        assert (await client.get(queue.tries(item.id), prefix=True)).count == 1
        assert (await queue.counts()).ready == 1
