"""Programs around workers: some enqueue, some wait for endings, some meddle."""

import asyncio
from collections.abc import Awaitable, Callable

from coord.errors import CoordError
from recipes.testing.actor import Actor, Program
from recipes.testing.journal import Order, Receipt
from workers.errors import DuplicateJob, NotKept, NotReplayable, UnknownJob
from workers.limits.store import LimitStore
from workers.model.ending import encode_ending
from workers.model.ids import JobId
from workers.model.states import State
from workers.running.roll import Order as Command
from workers.running.roll import give_order, living_workers
from workers.store.jobs import JobStore
from workers.store.new import NewJob
from workers.testing.scheduling import LoopTimer
from workers.testing.sim.play import QUEUES, Play, Wish
from workers.testing.sim.wishing import LIMITS, rule

JOBS_MAX = 40  # of one enqueuer
_WAITS = (1, 3, 20)  # at once; with many, they share a watch


def enqueuing(play: Play) -> Program:
    """Return the program that enqueues, each job once, until told to stop."""

    async def enqueue(actor: Actor) -> None:
        store = play.store(actor)
        with actor.at_work(play.busy):
            number = 0
            while number < JOBS_MAX and not actor.is_over():
                await actor.think(actor.luck.choice((0.02, 2.0)))
                number += 1
                await _enqueue(actor, play, store, number)

    return enqueue


async def _enqueue(actor: Actor, play: Play, store: JobStore, number: int) -> None:
    count = actor.luck.choice((1, 1, 1, 1, 1, 1, 1, 5))
    orders = [Order(play.space, f"{actor.name}/{number}/{n}".encode()) for n in range(count)]
    now_unix_ms = store.site.timer.now_unix_ms()
    wishes = [play.draw(actor, order.body.decode(), now_unix_ms) for order in orders]
    actor.journal.orders += orders
    try:
        for order, job_id in zip(orders, await _send(store, wishes), strict=True):
            order.id = str(job_id)
    except DuplicateJob:
        actor.count("unique keys taken")
    except CoordError as error:
        actor.failed(error)


async def _send(store: JobStore, wishes: list[Wish]) -> list[JobId]:
    if len(wishes) == 1:
        wish = wishes[0]
        return [await store.enqueue(wish.queue, wish.job, wish.priority, wish.when_taken)]
    return await store.enqueue_many(
        NewJob(wish.queue, wish.job, wish.priority, wish.when_taken) for wish in wishes
    )


def waiting(play: Play) -> Program:
    """Return the program that waits for endings, a few at a time; all waits must come to an end."""

    async def wait(actor: Actor) -> None:
        store = play.store(actor)
        while not actor.is_over():
            known = known_ids(actor, play)
            chosen = actor.luck.sample(known, min(len(known), actor.luck.choice(_WAITS)))
            await asyncio.gather(*(_wait_for(actor, play, store, job_id) for job_id in chosen))
            await actor.think(3.0)

    return wait


async def _wait_for(actor: Actor, play: Play, store: JobStore, job_id: JobId) -> None:
    while True:
        try:
            ending = await store.wait(job_id)
        except (UnknownJob, NotKept) as error:
            actor.count(f"waits: told {type(error).__name__}")
            return
        except CoordError as error:
            actor.failed(error)
            await actor.think()
            continue
        key = play.space + str(job_id).encode()
        actor.journal.receipts.append(Receipt(key, encode_ending(ending), 0, actor.now_ms))
        return


def meddling(play: Play, *, with_limits: bool = False) -> Program:
    """Return the program that cancels, replays, pauses, purges, orders about and sets limits."""

    async def meddle(actor: Actor) -> None:
        store = play.store(actor)
        limits = LimitStore(actor.client, play.places, LoopTimer())
        with actor.at_work(play.busy):
            while not actor.is_over():
                await actor.think(5.0)
                if with_limits and actor.luck.random() < 0.4:
                    await attempt(actor, lambda: _set_limit(actor, limits))
                else:
                    await attempt(actor, lambda: _act(actor, play, store))
            for queue in QUEUES:
                while not await attempt(actor, lambda queue=queue: store.resume(queue)):  # type: ignore[misc]
                    await actor.think()

    return meddle


async def attempt(actor: Actor, act: Callable[[], Awaitable[object]]) -> bool:
    """Do something, and tell whether it was done as far as anybody can tell."""
    try:
        await act()
    except (UnknownJob, NotReplayable) as refusal:
        actor.count(f"meddlers: told {type(refusal).__name__}")
    except CoordError as error:
        actor.failed(error)
        return False
    return True


async def _act(actor: Actor, play: Play, store: JobStore) -> None:
    luck, queue = actor.luck, actor.luck.choice(QUEUES)
    way = luck.random()
    if way < 0.4:
        known = known_ids(actor, play)
        if known:
            found = await store.cancel(luck.choice(known[-20:]), "on purpose")
            actor.count(f"cancelled while {found.value}")
    elif way < 0.6:
        for dead in (await store.list(queue, State.DEAD, 1)).jobs:
            await store.replay(dead.id)
            actor.count("replayed")
    elif way < 0.7:
        await store.pause(queue)
        await actor.think(3.0)
        await store.resume(queue)
    elif way < 0.75:
        state = luck.choice((State.DEAD, State.DONE, State.READY, State.LATER, State.PARKED))
        actor.journal.counts["purged"] += await store.purge(queue, state)
    else:
        workers = await living_workers(actor.client, play.places)
        if workers:
            told = luck.choice(workers).name, luck.choice(list(Command))
            await give_order(actor.client, play.places, *told)
            actor.count("orders given to workers")


async def _set_limit(actor: Actor, limits: LimitStore) -> None:
    name = actor.luck.choice(LIMITS)
    if actor.luck.random() < 0.25:
        await limits.remove(name)
    else:
        await limits.set(name, rule(actor))


def known_ids(actor: Actor, play: Play) -> list[JobId]:
    """Return the ids of all jobs of a play that somebody was told."""
    orders = actor.journal.orders
    return [JobId.parse(each.id) for each in orders if each.queue == play.space and each.id]
