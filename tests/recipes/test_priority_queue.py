"""Priority queue: the highest first, order of arrival within one."""

from typing import Any

import pytest

from coord.errors import Misuse
from coord.testing.local import LocalCluster, in_loop
from recipes.batch_gate import BatchGate
from recipes.conditions import Signal
from recipes.consumer import Consumer
from recipes.errors import NeverOpens
from recipes.priority_queue import PriorityQueue


@in_loop
async def test_the_highest_priority_is_taken_first_and_arrival_decides_within_one() -> None:
    client = LocalCluster().client()
    queue = PriorityQueue(client, "q/")
    for body, priority in (("c", 0), ("a", 9), ("b1", 5), ("b2", 5)):
        await queue.put(body, priority=priority)
    await queue.put("before all", first=True)
    await queue.put_all(["d", "e"])
    async with client.session() as session:
        items = await Consumer(queue, session, "w").take(10)
    assert [item.body for item in items] == [b"before all", b"a", b"b1", b"b2", b"c", b"d", b"e"]


@in_loop
async def test_an_item_that_comes_back_keeps_its_priority_and_its_place() -> None:
    client = LocalCluster().client()
    queue = PriorityQueue(client, "q/")
    await queue.put("low")
    await queue.put("high", priority=3)
    await queue.put("high too", priority=3)
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (item,) = await consumer.take()
        await consumer.fail(item, "once more")
        assert [each.body for each in await consumer.take(3)] == [b"high", b"high too", b"low"]


@pytest.mark.parametrize("priority", [-1, 10, 8.9999, True, "1"])
@in_loop
async def test_a_priority_that_is_none_is_misuse_and_puts_nothing(priority: Any) -> None:
    cluster = LocalCluster()
    with pytest.raises(Misuse, match="0 to 9"):
        await PriorityQueue(cluster.client(), "q/").put("a", priority=priority)
    assert cluster.applied == []


def test_batches_are_refused_where_items_are_not_in_order_of_arrival() -> None:
    with pytest.raises(NeverOpens, match="order of arrival"):
        BatchGate(PriorityQueue(LocalCluster().client(), "q/"), "g", Signal("go"))
