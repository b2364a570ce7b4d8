"""Delay queue: nothing before its time, nothing lost, one mover at a time."""

import asyncio

import pytest

from coord.errors import Misuse
from coord.requests import Txn
from coord.testing.counting import CountingClient
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from recipes.consumer import Consumer
from recipes.delay_queue import DelayQueue, Mover
from recipes.errors import SessionLost
from workers.testing.hand_timer import HandTimer


class Place:
    """A delay queue, time moved by hand, and movers."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.client: LocalClient = CountingClient(self.cluster)
        self.timer = HandTimer()
        self.queue = DelayQueue(self.client, "q/", timer=self.timer)
        self.movers: list[asyncio.Task[None]] = []

    async def start_mover(self) -> LocalSession:
        session = await self.client.session(ttl_ms=1000)
        self.movers.append(asyncio.create_task(Mover(self.queue, session).run()))
        await settle()
        return session

    async def pass_ms(self, by_ms: int) -> list[bytes]:
        """Let time pass and return what is in line then."""
        self.timer.advance(by_ms)
        await settle(200)
        found = await self.client.get(self.queue.ready, prefix=True)
        return [kv.value for kv in found.kvs]

    async def stop(self) -> None:
        for mover in self.movers:
            mover.cancel()
        await asyncio.gather(*self.movers, return_exceptions=True)


@in_loop
async def test_an_item_comes_into_line_at_its_time_and_not_before() -> None:
    place = Place()
    await place.start_mover()
    await place.queue.put("later", delay_ms=1000)
    assert await place.pass_ms(999) == []
    assert await place.queue.waiting() == 1
    assert await place.pass_ms(1) == [b"later"]
    assert await place.queue.waiting() == 0
    await place.stop()


@in_loop
async def test_items_are_in_line_in_the_order_of_their_times_whatever_the_order_of_puts() -> None:
    place = Place()
    await place.start_mover()
    now = place.timer.now_unix_ms()
    await place.queue.put("third", delay_ms=3000)
    await place.queue.put("first", delay_ms=1000)
    await place.queue.put("second", at_unix_ms=now + 2000)
    await place.queue.put("now")
    await place.queue.put("before all", first=True)
    assert await place.pass_ms(1000) == [b"before all", b"now", b"first"]
    assert await place.pass_ms(5000) == [b"before all", b"now", b"first", b"second", b"third"]
    await place.stop()


@in_loop
async def test_what_was_due_while_nobody_moved_is_moved_by_who_comes_then() -> None:
    place = Place()
    await place.queue.put_all(["at once"])
    for number in range(300):
        await place.queue.put(str(number), delay_ms=1 + number)
    assert await place.pass_ms(1000) == [b"at once"]
    await place.start_mover()
    moved = await place.pass_ms(0)
    assert moved == [b"at once", *(str(number).encode() for number in range(300))]
    await place.stop()


def _nests(op: Txn) -> bool:
    return any(isinstance(step, Txn) for step in op.success)


@in_loop
async def test_one_of_several_movers_moves_and_the_next_goes_on_when_it_dies() -> None:
    place = Place()
    first = await place.start_mover()
    await place.start_mover()
    await place.start_mover()
    await place.queue.put("a", delay_ms=100)
    await place.queue.put("b", delay_ms=200)
    assert await place.pass_ms(100) == [b"a"]
    moves = [op for op in place.cluster.applied if isinstance(op, Txn) and _nests(op)]
    assert len(moves) == 1
    first.stall()
    place.cluster.advance(1100)
    assert await place.pass_ms(100) == [b"a", b"b"]
    first.wake()
    await settle()
    with pytest.raises(SessionLost):
        await place.movers[0]
    await place.stop()


@in_loop
async def test_waiting_for_a_time_asks_nothing_of_the_store() -> None:
    place = Place()
    await place.start_mover()
    await place.queue.put("a", delay_ms=1_000_000)
    await settle()
    assert isinstance(place.client, CountingClient)
    place.client.take_counts()
    for _ in range(5):
        place.timer.advance(100_000)
        await settle()
    assert place.client.take_counts() == (0, 0, 0)
    await place.queue.put("behind", delay_ms=2_000_000)
    await settle()
    assert place.client.take_counts() == (1, 0, 0)
    await place.stop()


@in_loop
async def test_an_item_is_cancelled_before_its_time_and_not_after() -> None:
    place = Place()
    await place.start_mover()
    item = await place.queue.put("a", delay_ms=100)
    other = await place.queue.put("b", delay_ms=100)
    assert await place.queue.cancel(item)
    assert not await place.queue.cancel(item)
    assert await place.pass_ms(100) == [b"b"]
    assert not await place.queue.cancel(other)
    await place.stop()


@in_loop
async def test_large_items_are_moved_in_transactions_that_carry_them() -> None:
    place = Place()
    for number in range(5):
        await place.queue.put(bytes([number]) * 600_000, delay_ms=5)
    await place.start_mover()
    assert [body[0] for body in await place.pass_ms(5)] == [0, 1, 2, 3, 4]
    await place.stop()


@in_loop
async def test_a_consumer_takes_and_retries_items_as_of_any_queue() -> None:
    place = Place()
    await place.start_mover()
    item = await place.queue.put("a", delay_ms=100)
    async with place.client.session() as session:
        consumer = Consumer(place.queue, session, "w")
        taking = asyncio.create_task(consumer.take())
        await place.pass_ms(100)
        (taken,) = await taking
        assert taken.id == item
        await consumer.fail(taken, "once more")
        (taken,) = await consumer.take()
        assert taken.attempt == 2
        await consumer.complete(taken)
    await place.stop()


@pytest.mark.parametrize(
    "options",
    [{"delay_ms": -1}, {"at_unix_ms": -1}, {"delay_ms": 1, "at_unix_ms": 1},
     {"first": True, "delay_ms": 1}],
)  # fmt: skip
@in_loop
async def test_a_time_that_is_none_is_misuse(options: dict[str, int]) -> None:
    with pytest.raises(Misuse, match="one of"):
        await Place().queue.put("a", **options)  # type: ignore[arg-type]
