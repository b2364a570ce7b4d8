"""Id queue: a name is in it once; refused, replaced in place, removed, free when done."""

import asyncio

import pytest

from coord.errors import Misuse
from coord.testing.local import LocalClient, LocalCluster, in_loop
from recipes.consumer import Consumer
from recipes.errors import AlreadyQueued
from recipes.id_queue import IdQueue
from recipes.queue import QueueSettings


async def names(client: LocalClient) -> int:
    return (await client.get("q/name/", prefix=True)).count


@in_loop
async def test_items_are_taken_in_order_of_arrival_with_their_names() -> None:
    client = LocalCluster().client()
    queue = IdQueue(client, "q/")
    for name in ("zebra", "ape"):
        await queue.put(f"body of {name}", name=name)
    await queue.put("first", name="ant", first=True)
    async with client.session() as session:
        items = await Consumer(queue, session, "w").take(9)
    assert [(item.name, item.body) for item in items] == [
        ("ant", b"first"),
        ("zebra", b"body of zebra"),
        ("ape", b"body of ape"),
    ]


@in_loop
async def test_a_name_that_waits_is_held_or_buried_is_refused_and_free_once_completed() -> None:
    client = LocalCluster().client()
    queue = IdQueue(client, "q/", QueueSettings(attempts_max=1))
    item = await queue.put("a", name="job")
    assert await queue.find("job") == item
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        for _ in ("waits", "is held", "is buried"):
            with pytest.raises(AlreadyQueued, match=item):
                await queue.put("b", name="job")
            if _ == "waits":
                (held,) = await consumer.take()
            elif _ == "is held":
                await consumer.bury(held, "by hand")
        assert await queue.revive(item)
        (held,) = await consumer.take()
        assert (held.name, held.body) == ("job", b"a")
        await consumer.complete(held)
    assert await queue.find("job") is None
    assert await names(client) == 0
    assert await queue.put("b", name="job") != item


@in_loop
async def test_a_waiting_item_is_replaced_at_its_place_and_a_held_one_is_not() -> None:
    client = LocalCluster().client()
    queue = IdQueue(client, "q/")
    item = await queue.put("old", name="job")
    await queue.put("other", name="other")
    assert await queue.put("new", name="job", replace=True) == item
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (taken,) = await consumer.take()
        assert (taken.name, taken.body) == ("job", b"new")
        with pytest.raises(AlreadyQueued):
            await queue.put("newer", name="job", replace=True)


@in_loop
async def test_an_item_is_removed_by_name_unless_somebody_holds_it() -> None:
    client = LocalCluster().client()
    queue = IdQueue(client, "q/")
    await queue.put("a", name="waits")
    assert await queue.remove("waits")
    assert not await queue.remove("waits")
    await queue.put("b", name="held")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (item,) = await consumer.take()
        assert not await queue.remove("held")
        await consumer.bury(item, "by hand")
        assert await queue.remove("held")
    assert await names(client) == 0
    assert (await client.get("q/tries/", prefix=True)).count == 0


@in_loop
async def test_of_many_that_put_one_name_at_once_one_succeeds() -> None:
    cluster = LocalCluster()
    queues = [IdQueue(cluster.client(), "q/") for _ in range(9)]
    done = await asyncio.gather(
        *(queue.put("a", name="job") for queue in queues), return_exceptions=True
    )
    assert sum(isinstance(each, str) for each in done) == 1
    assert sum(isinstance(each, AlreadyQueued) for each in done) == 8


@pytest.mark.parametrize("name", ["", "a/b", "x" * 1001, "é" * 501])
@in_loop
async def test_a_name_that_is_none_is_misuse(name: str) -> None:
    queue = IdQueue(LocalCluster().client(), "q/")
    for asked in (queue.put("a", name=name), queue.find(name), queue.remove(name)):
        with pytest.raises(Misuse, match="item name"):
            await asked
    with pytest.raises(Misuse, match="names"):
        await queue.put_all(["a"])


@in_loop
async def test_what_was_put_past_the_queue_is_handed_out_as_it_is() -> None:
    client = LocalCluster().client()
    await client.put("q/ready/odd", b"\x00\x01\xff no name")
    async with client.session() as session:
        consumer = Consumer(IdQueue(client, "q/"), session, "w")
        (item,) = await consumer.take()
        assert (item.name, item.body) == ("", b"\x00\x01\xff no name")
        await consumer.complete(item)
