"""Queue and consumer: order, one holder, at most one completion, nothing lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from coord import ops
from coord.client.ops import Text
from coord.errors import MaybeDone, Misuse
from coord.limits import VALUE_BYTES_MAX
from coord.requests import Claim, ClaimReply
from coord.testing.local import LocalClient, LocalCluster, LocalSession, LocalWatch, in_loop, settle
from recipes.consumer import Consumer
from recipes.errors import SessionLost, StaleClaim
from recipes.queue import Done, Queue, QueueSettings


async def record(client: LocalClient, queue: Queue, item: str) -> Done:
    found = await client.get(queue.done + item.encode())
    return msgspec.json.decode(found.kvs[0].value, type=Done)


@asynccontextmanager
async def two_consumers(
    client: LocalClient, queue: Queue
) -> AsyncIterator[tuple[LocalSession, Consumer, Consumer]]:
    """Yield the first one's session, whose lease is 1000 ms, and both consumers."""
    async with (
        client.session(ttl_ms=1000) as s1,
        client.session() as s2,
    ):
        yield s1, Consumer(queue, s1, "w1"), Consumer(queue, s2, "w2")


@in_loop
async def test_items_are_taken_in_order_of_arrival() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    for body in ("a", "b", "c"):
        await queue.put(body)
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        first = await consumer.take(2)
        second = await consumer.take(2)
    assert [item.body for item in first + second] == [b"a", b"b", b"c"]


@in_loop
async def test_items_put_together_keep_their_order_and_have_one_id_each() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    ids = await queue.put_all(["a", "b", "c"])
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        items = await consumer.take(5)
    assert [item.id for item in items] == ids
    assert len(set(ids)) == 3


@in_loop
async def test_taking_from_an_empty_queue_waits_without_asking_again() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        taking = asyncio.create_task(consumer.take())
        await settle()
        claims = [op for op in cluster.applied if isinstance(op, Claim)]
        assert len(claims) == 1
        await queue.put("late")
        assert [item.body for item in await taking] == [b"late"]


@in_loop
async def test_two_consumers_never_hold_the_same_item() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put_all([str(number) for number in range(10)])
    async with two_consumers(client, queue) as (_, one, two):
        taken = [*await one.take(3), *await two.take(3), *await one.take(3), *await two.take(3)]
    assert sorted(item.body for item in taken) == [str(number).encode() for number in range(10)]


@in_loop
async def test_waiting_consumers_share_what_arrives() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    async with two_consumers(client, queue) as (_, one, two):
        takes = [asyncio.create_task(each.take()) for each in (one, two)]
        await settle()
        await queue.put_all(["a", "b"])
        taken = [item.body for items in await asyncio.gather(*takes) for item in items]
    assert sorted(taken) == [b"a", b"b"]


@in_loop
async def test_a_completion_keeps_who_did_it_and_what_came_of_it() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (item,) = await consumer.take()
        await consumer.complete(item, {"files": 3}, also=[ops.put("total", "3")])
        assert consumer.holding == ()
    done = await record(client, queue, item.id)
    assert (done.consumer, done.attempt, json.loads(bytes(done.result))) == ("w", 1, {"files": 3})
    assert (await client.get("total")).count == 1
    counts = await queue.counts()
    assert (counts.ready, counts.held, counts.done, counts.dead) == (0, 0, 1, 0)


@in_loop
async def test_a_dead_consumers_items_return_to_their_place_in_line() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/")
    await queue.put_all(["a", "b", "c"])
    async with two_consumers(client, queue) as (s1, one, two):
        await one.take(2)
        s1.stall()
        cluster.advance(1100)
        items = await two.take(3)
    assert [(item.body, item.attempt) for item in items] == [(b"a", 2), (b"b", 2), (b"c", 1)]


@in_loop
async def test_a_completion_after_the_claim_ended_is_refused_and_writes_nothing() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with two_consumers(client, queue) as (s1, one, two):
        (late,) = await one.take()
        s1.stall()
        cluster.advance(1100)
        (item,) = await two.take()
        with pytest.raises(StaleClaim):
            await one.complete(late, "late", also=[ops.put("effect", "late")])
        await two.complete(item, "in time")
        with pytest.raises(StaleClaim):
            await one.complete(late, "late")
    assert (await record(client, queue, item.id)).consumer == "w2"
    assert (await client.get("effect")).count == 0


@in_loop
async def test_a_stale_claim_can_neither_fail_nor_return_nor_bury_the_item() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with two_consumers(client, queue) as (s1, one, two):
        (late,) = await one.take()
        s1.stall()
        cluster.advance(1100)
        await two.take()
        with pytest.raises(StaleClaim):
            await one.fail(late, "too slow")
        with pytest.raises(StaleClaim):
            await one.bury(late, "too slow")
        assert not await one.give_back(late)
        assert (await queue.counts()).held == 1


@in_loop
async def test_giving_back_lets_the_next_consumer_have_it_at_once() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with two_consumers(client, queue) as (_, one, two):
        waiting = asyncio.create_task(two.take())
        (item,) = await one.take()
        await settle()
        assert await one.give_back(item)
        (again,) = await waiting
    assert (again.id, again.attempt) == (item.id, 2)


@in_loop
async def test_failed_attempts_are_noted_and_the_last_one_buries() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/", QueueSettings(attempts_max=2))
    await queue.put("a")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (item,) = await consumer.take()
        assert await consumer.fail(item, "disk full")
        (item,) = await consumer.take()
        assert not await consumer.fail(item, "disk still full")
    tries = await client.get(queue.tries(item.id), prefix=True)
    assert [kv.value for kv in tries.kvs] == [b"disk full", b"disk still full"]
    dead = await client.get(queue.dead + item.id.encode())
    assert [kv.value for kv in dead.kvs] == [b"a"]


@in_loop
async def test_an_item_whose_consumers_only_ever_die_is_buried_not_handed_out() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/", QueueSettings(attempts_max=2))
    await queue.put("poison")
    for number in range(2):
        session = await client.session(ttl_ms=1000)
        await Consumer(queue, session, f"w{number}").take()
        await session.close()
    await queue.put("fine")
    async with client.session() as last:
        consumer = Consumer(queue, last, "w")
        assert [item.body for item in await consumer.take()] == [b"fine"]
    assert (await queue.counts()).dead == 1


@in_loop
async def test_a_buried_item_can_be_revived_at_its_old_place_with_fresh_attempts() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    first = await queue.put("first")
    await queue.put("second")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (item,) = await consumer.take()
        await consumer.bury(item, "by hand")
        assert await queue.revive(first)
        assert not await queue.revive(first)
        (again,) = await consumer.take()
    assert (again.id, again.body, again.attempt) == (first, b"first", 1)


@in_loop
async def test_a_claim_whose_answer_was_lost_is_found_again() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put_all(["a", "b", "c"])
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        client.lose_answers()
        items = await consumer.take(2)
        assert [item.body for item in items] == [b"a", b"b"]
        assert [item.body for item in await consumer.take(2)] == [b"c"]


@in_loop
async def test_a_claim_that_was_lost_on_the_way_is_made_again() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        client.lose_requests()
        taking = asyncio.create_task(consumer.take())
        await settle()
        assert [item.body for item in await taking] == [b"a"]


@in_loop
async def test_an_arrival_is_not_slept_through_when_the_claim_it_caused_is_lost() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        taking = asyncio.create_task(consumer.take())
        await settle()
        await queue.put("a")
        client.lose_requests()
        await settle()
        assert [item.body for item in await taking] == [b"a"]


class LateClaims(LocalClient):
    """Reports the first claim as MaybeDone and carries it out just before the second."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self._late: tuple[Text, Text, int, int] | None = None
        self._first = True

    async def claim(self, source: Text, target: Text, lease: int, limit: int = 1) -> ClaimReply:
        if self._first:
            self._first = False
            self._late = (source, target, lease, limit)
            raise MaybeDone
        if self._late is not None:
            late, self._late = self._late, None
            await super().claim(*late)
        return await super().claim(source, target, lease, limit)


@in_loop
async def test_a_lost_claim_carried_out_late_is_found_by_the_next_one() -> None:
    client = LateClaims(LocalCluster())
    queue = Queue(client, "q/")
    await queue.put_all(["a", "b"])
    async with client.session() as session:
        taken = await Consumer(queue, session, "w").take(1)
    assert sorted(item.body for item in taken) == [b"a", b"b"]


@in_loop
async def test_what_an_earlier_consumer_of_the_same_name_still_holds_is_not_ours() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put_all(["a", "b"])
    async with client.session() as old, client.session() as new:
        await Consumer(queue, old, "w").take(1)
        client.lose_answers()
        taken = await Consumer(queue, new, "w").take(2)
    assert [item.body for item in taken] == [b"b"]


class BusyQueue(LocalClient):
    """Somebody puts an item whenever a watch is about to be made."""

    def watch(self, key: Text, **options: Any) -> LocalWatch:
        self.cluster.write(ops.put("q/ready/", "just in time", sequence=True))
        return super().watch(key, **options)


@in_loop
async def test_an_item_that_arrives_between_claim_and_watch_is_taken() -> None:
    client = BusyQueue(LocalCluster())
    async with client.session() as session:
        (item,) = await Consumer(Queue(client, "q/"), session, "w").take()
    assert item.body == b"just in time"


@in_loop
async def test_a_completion_whose_answer_was_lost_succeeds_once() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        (item,) = await consumer.take()
        client.lose_answers()
        revision = await consumer.complete(item, 1)
        assert await consumer.complete(item, 2) == revision
    assert bytes((await record(client, queue, item.id)).result) == b"1"


@in_loop
async def test_a_consumer_whose_session_ends_while_waiting_is_told_so() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        taking = asyncio.create_task(consumer.take())
        await settle()
        await client.revoke(session.lease)
        cluster.notice_lost_sessions()
        with pytest.raises(SessionLost):
            await taking


@in_loop
async def test_claiming_under_a_lease_that_is_gone_is_a_lost_session() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put("a")
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        await client.revoke(session.lease)
        with pytest.raises(SessionLost):
            await consumer.take()


@in_loop
async def test_an_item_as_large_as_a_value_may_be_can_be_buried_and_revived() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    body = bytes(VALUE_BYTES_MAX)
    item = await queue.put(body)
    async with client.session() as session:
        consumer = Consumer(queue, session, "w")
        await consumer.bury((await consumer.take())[0], "x" * 2 * VALUE_BYTES_MAX)
        assert await queue.revive(item)
        (again,) = await consumer.take()
    assert again.body == body
    assert (await client.get(queue.tries(item), prefix=True)).count == 0


@pytest.mark.parametrize("name", ["", "a/b", "x" * 4096])
@in_loop
async def test_a_consumer_needs_a_name_that_fits_into_a_key(name: str) -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        with pytest.raises(Misuse):
            Consumer(Queue(client, "q/"), session, name)
