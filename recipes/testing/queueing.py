"""Programs around queues: producers put, consumers take and complete, fail, give back, forget.

One queue is open; one is shut by a gate until it holds a number of items; one lets them through in
batches. Once told to stop, producers end and consumers go on until nothing is left: what is put
must come out, whoever died.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal

import attrs

from coord.client.client import Client
from coord.client.ops import Text
from coord.errors import CoordError, MaybeDone
from recipes.batch_gate import BatchGate
from recipes.conditions import Size
from recipes.consumer import Consumer
from recipes.delay_queue import DelayQueue, Mover
from recipes.errors import AlreadyQueued, StaleClaim
from recipes.gate import Gate, SizeGate
from recipes.id_queue import IdQueue
from recipes.port import KeptLease
from recipes.priority_queue import PriorityQueue
from recipes.queue import Claimed, Queue, QueueSettings
from recipes.sharded_queue import ShardedQueue
from recipes.testing.actor import Actor
from recipes.testing.journal import Delivery, Order, Settlement
from recipes.waiting import first_of

ATTEMPTS_MAX = 4
ITEMS_MAX = 40  # of one producer


@attrs.frozen
class QueuePlay:
    """One queue and its programs.

    Attributes:
        prefix: its own.
        gate_at: how many items open its gate; 0 for no gate.
        in_batches: whether the gate shuts again behind each batch.
        kind: which queue it is.
    """

    prefix: bytes
    gate_at: int = 0
    in_batches: bool = False
    kind: Literal["plain", "priority", "delay", "id", "sharded"] = "plain"

    @property
    def latch(self) -> bytes:
        """The key that says that the gate has opened."""
        return self.prefix + b"gate/open"

    def _queue(self, actor: Actor) -> Queue:
        settings = QueueSettings(attempts_max=ATTEMPTS_MAX)
        if self.kind == "sharded":
            return ShardedQueue(actor.client, self.prefix, 3, settings)
        return _KINDS[self.kind](actor.client, self.prefix, settings)

    def _consumer(self, actor: Actor, session: KeptLease, name: str) -> Consumer:
        queue = self._queue(actor)
        return Consumer(queue, session, name, self._gate(actor, queue))

    def _gate(self, actor: Actor, queue: Queue) -> Gate | None:
        name = self.prefix + b"gate"
        if not self.gate_at:
            return None
        if self.in_batches:
            return BatchGate(queue, name, Size(queue.ready.decode(), self.gate_at))
        return SizeGate(actor.client, name, queue.ready, self.gate_at)

    async def let_out(self, actor: Actor) -> None:
        """Open the gate by hand, in the end, for a last batch that is too small."""
        gate = self._gate(actor, self._queue(actor))
        assert gate is not None
        await actor.until(actor.is_over)
        while not self._is_over(actor):
            await actor.think(3.0)
            try:
                if not actor.journal.at_work[f"produce {self.prefix!r}"]:
                    await gate.force(actor.name)
            except CoordError as error:
                actor.failed(error)

    async def produce(self, actor: Actor) -> None:
        """Put items, each once, until told to stop."""
        queue = self._queue(actor)
        with actor.at_work(f"produce {self.prefix!r}"):
            number = 0
            while number < ITEMS_MAX or self._is_shut(actor):
                await actor.think(2.0)
                if actor.is_over() and not self._is_shut(actor):
                    break
                number += 1
                await self._put(actor, queue, number)

    def _is_shut(self, actor: Actor) -> bool:
        waits = self.gate_at and not self.in_batches
        return bool(waits) and actor.is_over() and not actor.oracle.keys(self.latch)

    async def _put(self, actor: Actor, queue: Queue, number: int) -> None:
        way = actor.luck.random()
        count = 3 if way < 0.1 and self.kind != "id" else 1
        bodies = [f"{self.prefix!r}/{actor.name}/{number}/{n}" for n in range(count)]
        orders = [Order(self.prefix, body.encode()) for body in bodies]
        actor.journal.orders += orders
        try:
            if count > 1:
                wishes: list[Text] = list(bodies)
                ids = await queue.put_all(wishes)
            else:
                ids = [await _put_one(actor, queue, bodies[0], way > 0.9 and not self.in_batches)]
        except AlreadyQueued:
            actor.journal.orders.remove(orders[0])
            actor.count("names in the queue already")
            return
        except CoordError as error:
            actor.failed(error)
            return
        for order, item in zip(orders, ids, strict=True):
            order.id = item

    async def consume(self, actor: Actor) -> None:
        """Take items and settle them one way or another, until all is over."""
        lives = 0
        while not self._is_over(actor):
            lives += 1
            try:
                async with actor.client.session(actor.ttl_ms) as session:
                    consumer = self._consumer(actor, session, f"{actor.name}-{lives}")
                    await self._serve(actor, session, consumer)
            except CoordError as error:
                actor.failed(error)
                await actor.think()

    def _is_over(self, actor: Actor) -> bool:
        journal, oracle = actor.journal, actor.oracle
        if not actor.is_over() or journal.at_work[f"produce {self.prefix!r}"]:
            return False
        places = (b"ready/", b"held/", b"later/")
        if any(oracle.keys(self.prefix + place) != 0 for place in places):
            return False
        journal.over_at.setdefault(self.prefix, oracle.revision)
        return True

    async def _serve(self, actor: Actor, session: KeptLease, consumer: Consumer) -> None:
        for _ in range(actor.luck.randint(1, 20)):
            items = await self._take(actor, consumer)
            if self._is_over(actor):
                return
            for item in items:
                delivery = Delivery(
                    self.prefix, item.id, item.key, item.body, item.token, item.attempt,
                    session.lease,
                )  # fmt: skip
                actor.journal.deliveries.append(delivery)
                await actor.think()
                is_settled = await _settle(actor, consumer, item, delivery)
                if not is_settled:
                    return  # what may still be in our hands goes back with the session

    async def _take(self, actor: Actor, consumer: Consumer) -> list[Claimed]:
        """Wait for items; none when it is all over, or when the wait was cancelled."""
        taking = asyncio.ensure_future(consumer.take(actor.luck.choice((1, 1, 1, 3))))
        over = asyncio.ensure_future(actor.until(lambda: self._is_over(actor)))
        patience_s = 0.05 if actor.luck.random() < 0.05 else None
        try:
            await asyncio.wait(
                (taking, over), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
            )
            if taking.done():
                return taking.result()
            actor.count("takes cancelled")
            return []
        finally:
            taking.cancel()
            over.cancel()
            await asyncio.gather(taking, over, return_exceptions=True)

    async def move(self, actor: Actor) -> None:
        """Bring what is due into line, if elected, until all is over."""
        over = asyncio.ensure_future(actor.until(lambda: self._is_over(actor)))
        while not over.done():
            try:
                async with actor.client.session(actor.ttl_ms) as session:
                    queue = self._queue(actor)
                    assert isinstance(queue, DelayQueue)
                    await first_of(Mover(queue, session).run(), asyncio.wait((over,)))
            except CoordError as error:
                actor.failed(error)
                await actor.think()


async def _put_one(actor: Actor, queue: Queue, body: str, first: bool) -> str:
    luck = actor.luck
    match queue:
        case PriorityQueue():
            return await queue.put(body, first=first, priority=luck.randrange(3))
        case DelayQueue() if not first:
            return await queue.put(body, delay_ms=luck.choice((0, 20, 300)))
        case IdQueue():
            return await queue.put(body, first=first, name=f"n{luck.randrange(6)}")
        case ShardedQueue():
            return await queue.put(body, first=first, key=luck.choice((None, "a", "b")))
        case _:
            return await queue.put(body, first=first)


async def _settle(actor: Actor, consumer: Consumer, item: Claimed, delivery: Delivery) -> bool:
    """Let go of an item in one of the ways there are; False when it may still be held."""
    way = actor.luck.random()
    try:
        if way < 0.75:
            revision = await consumer.complete(item, actor.name)
            actor.journal.settlements.append(Settlement(delivery, revision))
        elif way < 0.85:
            await consumer.fail(item, "on purpose")
        elif way < 0.95:
            await consumer.give_back(item)
        else:
            actor.count("items forgotten")
            return False
    except StaleClaim:
        if way < 0.75:
            actor.journal.settlements.append(Settlement(delivery, 0))
    except MaybeDone as error:
        actor.failed(error)
        return False
    return True


_KINDS: Mapping[str, Callable[[Client, bytes, QueueSettings], Queue]] = {
    "plain": Queue,
    "priority": PriorityQueue,
    "delay": DelayQueue,
    "id": IdQueue,
}

OPEN = QueuePlay(b"queue/")
GATED = QueuePlay(b"gated/", gate_at=12)
BATCHES = QueuePlay(b"batch/", gate_at=5, in_batches=True)
PRIORITY = QueuePlay(b"ranked/", kind="priority")
DELAYED = QueuePlay(b"delayed/", kind="delay")
NAMED = QueuePlay(b"named/", kind="id")
SHARDED = QueuePlay(b"sharded/", kind="sharded")
