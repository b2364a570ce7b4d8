"""Programs around one queue: producers put, consumers take and complete, fail, give back, forget.

Once told to stop, producers end and consumers go on until nothing is left in the queue: what is
put must come out, whoever died meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable

from coord.client.ops import Text
from coord.errors import CoordError, MaybeDone
from recipes.consumer import Consumer
from recipes.errors import StaleClaim
from recipes.port import KeptLease
from recipes.queue import Claimed, Queue, QueueSettings
from recipes.testing.actor import Actor
from recipes.testing.journal import Delivery, Order, Settlement

PREFIX = b"queue/"
READY, HELD, DONE, DEAD = (PREFIX + place for place in (b"ready/", b"held/", b"done/", b"dead/"))
ATTEMPTS_MAX = 4
ITEMS_MAX = 40  # of one producer


def _queue(actor: Actor) -> Queue:
    return Queue(actor.client, PREFIX, QueueSettings(attempts_max=ATTEMPTS_MAX))


async def produce(actor: Actor) -> None:
    """Put items, each once, until told to stop."""
    queue = _queue(actor)
    actor.journal.producing += 1
    try:
        for number in range(ITEMS_MAX):
            await actor.think(2.0)
            if actor.is_over():
                break
            await _put(actor, queue, number)
    finally:
        actor.journal.producing -= 1


async def _put(actor: Actor, queue: Queue, number: int) -> None:
    way = actor.luck.random()
    bodies = [f"{actor.name}/{number}/{n}" for n in range(3 if way < 0.1 else 1)]
    orders = [Order(body.encode()) for body in bodies]
    actor.journal.orders += orders
    try:
        if len(bodies) > 1:
            wishes: list[Text] = list(bodies)
            ids = await queue.put_all(wishes)
        else:
            ids = [await queue.put(bodies[0], first=way > 0.9)]
    except CoordError as error:
        actor.failed(error)
        return
    for order, item in zip(orders, ids, strict=True):
        order.id = item


async def consume(actor: Actor) -> None:
    """Take items and settle them one way or another, until told to stop and nothing is left."""
    lives = 0
    while not _over(actor):
        lives += 1
        try:
            async with actor.client.session(actor.ttl_ms) as session:
                name = f"{actor.name}-{lives}"
                await _serve(actor, session, Consumer(_queue(actor), session, name))
        except CoordError as error:
            actor.failed(error)
            await actor.think()


def _over(actor: Actor) -> bool:
    journal, oracle = actor.journal, actor.oracle
    if not actor.is_over() or journal.producing or oracle.keys(READY) or oracle.keys(HELD):
        return False
    journal.queue_over_at = journal.queue_over_at or oracle.revision
    return True


async def _serve(actor: Actor, session: KeptLease, consumer: Consumer) -> None:
    for _ in range(actor.luck.randint(1, 20)):
        items = await _take(actor, consumer)
        if not items:
            return
        for item in items:
            delivery = Delivery(
                item.id, item.key, item.body, item.token, item.attempt, session.lease
            )
            actor.journal.deliveries.append(delivery)
            await actor.think()
            is_settled = await _settle(actor, consumer, item, delivery)
            if not is_settled:
                return  # what may still be in our hands goes back with the session


async def _take(actor: Actor, consumer: Consumer) -> list[Claimed]:
    """Wait for items; none when it is all over, or when the wait was cancelled."""
    taking = asyncio.ensure_future(consumer.take(actor.luck.choice((1, 1, 1, 3))))
    over = asyncio.ensure_future(actor.until(lambda: _over(actor)))
    patience_s = 0.05 if actor.luck.random() < 0.05 else None
    try:
        await asyncio.wait((taking, over), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if taking.done():
            return taking.result()
        actor.count("takes cancelled")
        return []
    finally:
        taking.cancel()
        over.cancel()
        await asyncio.gather(taking, over, return_exceptions=True)


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


PROGRAMS: tuple[Callable[[Actor], Awaitable[None]], ...] = (produce, consume)
