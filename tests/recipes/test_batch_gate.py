"""A gate that shuts again: exactly what was there when it opened goes through."""

import asyncio

import pytest

from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.batch_gate import BatchGate
from recipes.conditions import AnyOf, Condition, Signal, Size, Time
from recipes.consumer import Consumer
from recipes.errors import NeverOpens
from recipes.queue import Queue
from workers.testing.hand_timer import HandTimer


class Line:
    """A queue behind a batch gate, and one consumer who completes what it gets."""

    def __init__(self, condition: Condition | None = None) -> None:
        self.client: LocalClient = LocalCluster().client()
        self.queue = Queue(self.client, "q/")
        self.timer = HandTimer()
        self.condition = condition or Size("q/ready/", 3)
        self.through: list[bytes] = []

    def gate(self) -> BatchGate:
        return BatchGate(self.queue, "g", self.condition, timer=self.timer)

    async def consume(self, name: str = "w", limit: int = 5) -> None:
        async with self.client.session() as session:
            consumer = Consumer(self.queue, session, name, self.gate())
            while True:
                for item in await consumer.take(limit):
                    await consumer.complete(item)
                    self.through.append(item.body)

    async def put(self, *bodies: str) -> None:
        for body in bodies:
            await self.queue.put(body)
            await settle(80)


@in_loop
async def test_batches_go_through_whole_and_nothing_of_the_next_one_with_them() -> None:
    line = Line()
    consuming = asyncio.create_task(line.consume())
    await line.put("a", "b")
    assert line.through == []
    await line.put("c")
    assert line.through == [b"a", b"b", b"c"]
    await line.put("d", "e")
    assert line.through == [b"a", b"b", b"c"]
    await line.put("f", "g")
    assert line.through == [b"a", b"b", b"c", b"d", b"e", b"f"]
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)


@in_loop
async def test_what_is_put_after_the_opening_stays_though_the_batch_is_not_used_up() -> None:
    line = Line()
    gate = line.gate()
    await line.put("a", "b", "c")
    await gate.wait()
    await line.put("d")
    async with line.client.session() as session:
        consumer = Consumer(line.queue, session, "w", gate)
        taken = [item.body for _ in range(3) for item in await consumer.take(5)]
        assert taken == [b"a", b"b", b"c"]
        assert await consumer.try_take(5) == []
    assert (await line.queue.counts()).ready == 4


@in_loop
async def test_an_item_that_comes_back_stays_in_its_batch() -> None:
    line = Line()
    gate = line.gate()
    await line.put("a", "b", "c")
    async with line.client.session() as session:
        consumer = Consumer(line.queue, session, "w", gate)
        items = [item for _ in range(3) for item in await consumer.take()]
        await line.put("d")
        taking = asyncio.create_task(consumer.take())
        await settle()
        assert not taking.done()
        await consumer.give_back(items[1])
        assert [item.body for item in await taking] == [b"b"]


@in_loop
async def test_two_consumers_share_a_batch_and_both_wait_for_the_next() -> None:
    line = Line()
    consuming = [asyncio.create_task(line.consume(name)) for name in ("w1", "w2")]
    await line.put("a", "b", "c", "d")
    assert sorted(line.through) == [b"a", b"b", b"c"]
    await line.put("e", "f")
    assert sorted(line.through) == [b"a", b"b", b"c", b"d", b"e", b"f"]
    assert not any(task.done() for task in consuming)
    for task in consuming:
        task.cancel()
    await asyncio.gather(*consuming, return_exceptions=True)


@in_loop
async def test_a_signal_must_be_given_again_for_each_batch() -> None:
    line = Line(Signal("go"))
    consuming = asyncio.create_task(line.consume())
    await line.put("a")
    await line.client.put("go")
    await settle(200)
    assert line.through == [b"a"]
    await line.put("b")
    assert line.through == [b"a"]
    await line.client.put("go")
    await settle(200)
    assert line.through == [b"a", b"b"]
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)


@in_loop
async def test_a_batch_goes_when_it_is_full_or_old_enough() -> None:
    line = Line(AnyOf((Size("q/ready/", 3), Time(after_ms=1000))))
    await line.gate().declare()
    consuming = asyncio.create_task(line.consume())
    await line.put("a")
    line.timer.advance(999)
    await settle()
    assert line.through == []
    line.timer.advance(1)
    await settle(200)
    assert line.through == [b"a"]
    await line.put("b", "c", "d")
    assert line.through == [b"a", b"b", b"c", b"d"]
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)


@in_loop
async def test_it_explains_how_far_the_next_batch_is() -> None:
    line = Line()
    gate = line.gate()
    await gate.declare()
    await line.put("a", "b", "c")
    assert await gate.passed()
    await line.put("d")
    told = await gate.explain()
    assert (told.value, told.target, told.is_open, told.shuts_again) == (1, 3, False, True)
    assert told.opening is not None
    assert told.opening.value == 3


@pytest.mark.parametrize(
    "condition", [Size("elsewhere/", 3), Time(at_unix_ms=5), AnyOf((Size("q/", 1), Signal("a")))]
)
def test_what_would_come_true_but_once_is_refused(condition: Condition) -> None:
    with pytest.raises(NeverOpens, match="but once"):
        Line(condition).gate()
