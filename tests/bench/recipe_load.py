"""One process that loads recipes of coord, as etcdload loads etcd's: same operations, same report.

    python -m tests.bench.recipe_load --op take --clients 50 --total 20000 --endpoints ...

All clients of one process share a connection; each has a session, a lock, a consumer of its own.
Every item must be taken exactly once and every lock be held by one: what is not counts as failed.
"""

import asyncio
import gc
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import click

from coord import aio
from coord.client.event_loop import run
from coord.node.affinity import Affinity
from recipes.consumer import Consumer
from recipes.lock import Lock
from recipes.queue import Queue

VALUE_BYTES = 256
FILL_ITEMS = 500  # put in one transaction while a queue is filled
SESSION_TTL_MS = 60_000
NS_PER_MS = 1e6
_COLLECT_AFTER = 200_000  # young objects before a collection; a load makes no cycles

Operation = Callable[[int], Awaitable[None]]
"""Makes one request; the number says which of the clients makes it."""


@attrs.frozen
class Plan:
    """One load: what to do, by how many, how often, and a number that makes names new."""

    op: str
    clients: int
    total: int
    first: int


@attrs.define
class Measured:
    """What a load took."""

    took_ns: list[int] = attrs.Factory(list)
    failed: int = 0
    seconds: float = 0.0

    def to_json(self, plan: Plan) -> dict[str, Any]:
        """Return the report, with the fields etcdload's has."""
        ordered = sorted(self.took_ns)
        count = len(ordered)
        at = {share: ordered[int(share * (count - 1))] / NS_PER_MS for share in (0.5, 0.99, 1.0)}
        return {
            **{"op": plan.op, "clients": plan.clients, "total": count, "failed": self.failed},
            **{"seconds": self.seconds, "per_second": count / self.seconds},
            **{"p50_ms": at[0.5], "p99_ms": at[0.99], "max_ms": at[1.0]},
        }


async def repeat(plan: Plan, operation: Operation) -> Measured:
    """Let every client make one request after the other, `plan.total` in all."""
    found = Measured()
    numbers = itertools.count()

    async def one_client(who: int) -> None:
        while next(numbers) < plan.total:
            began_ns = time.perf_counter_ns()
            try:
                await operation(who)
            except AssertionError:
                found.failed += 1
            found.took_ns.append(time.perf_counter_ns() - began_ns)

    settle_memory()
    began_s = time.perf_counter()
    await asyncio.gather(*map(one_client, range(plan.clients)))
    found.seconds = time.perf_counter() - began_s
    return found


async def uncontended(client: aio.Client, plan: Plan) -> Measured:
    """Take and release a lock of one's own."""
    sessions = await sessions_for(client, plan)
    locks = [Lock(client, f"bench/lock-{who}") for who in range(plan.clients)]

    async def hold_once(who: int) -> None:
        hold = await locks[who].acquire(sessions[who])
        await hold.release()

    return await repeat(plan, hold_once)


async def handed_over(client: aio.Client, plan: Plan) -> Measured:
    """Contend for one lock; a time runs from before a release until the next one has it."""
    sessions = await sessions_for(client, plan)
    found = Measured()
    released_ns = holders = 0

    async def contend(session: aio.Session) -> None:
        nonlocal released_ns, holders
        lock = Lock(client, "bench/contended")
        while len(found.took_ns) < plan.total:
            hold = await lock.acquire(session)
            holders += 1
            found.failed += holders != 1
            if released_ns:
                found.took_ns.append(time.perf_counter_ns() - released_ns)
            holders -= 1
            released_ns = time.perf_counter_ns()
            await hold.release()

    settle_memory()
    began_s = time.perf_counter()
    await asyncio.gather(*map(contend, sessions))
    found.seconds = time.perf_counter() - began_s
    return found


async def queue_puts(client: aio.Client, plan: Plan) -> Measured:
    """Append to one queue."""
    queue = Queue(client, queue_name(plan))
    body = VALUE_BYTES * b"x"

    async def put_once(who: int) -> None:
        await queue.put(body)

    return await repeat(plan, put_once)


async def queue_takes(client: aio.Client, plan: Plan) -> Measured:
    """Take every item of a filled queue once, and with `settle` also complete it."""
    queue = Queue(client, queue_name(plan))
    await fill(queue, plan.total)
    sessions = await sessions_for(client, plan)
    consumers = [Consumer(queue, session, f"c{who}") for who, session in enumerate(sessions)]
    seen: set[str] = set()

    async def take_once(who: int) -> None:
        (item,) = await consumers[who].take()
        assert item.id not in seen
        seen.add(item.id)
        if plan.op == "settle":
            await consumers[who].complete(item)

    return await repeat(plan, take_once)


async def fill(queue: Queue, items: int) -> None:
    """Append so many items."""
    for start in range(0, items, FILL_ITEMS):
        numbers = range(start, min(items, start + FILL_ITEMS))
        await queue.put_all(f"{number:0{VALUE_BYTES}}" for number in numbers)


async def sessions_for(client: aio.Client, plan: Plan) -> Sequence[aio.Session]:
    """Return one session for each client; they end with the process."""
    return [await client.session(SESSION_TTL_MS) for _ in range(plan.clients)]


def queue_name(plan: Plan) -> str:
    """Return the prefix of this load's own queue."""
    return f"bench/queue-{plan.first}/"


def settle_memory() -> None:
    """Keep collections of what stands already out of the measurement."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


LOADS = {
    "lock": uncontended,
    "handover": handed_over,
    "put": queue_puts,
    "take": queue_takes,
    "settle": queue_takes,
}


async def carry_out(plan: Plan, endpoints: str) -> None:
    """Run one load and print its report as one JSON line."""
    async with aio.connect(endpoints, timeout_ms=60_000) as client:
        measured = await LOADS[plan.op](client, plan)
    click.echo(json.dumps(measured.to_json(plan)))


@click.command()
@click.option("--op", type=click.Choice(list(LOADS)), required=True)
@click.option("--clients", type=click.IntRange(1), default=1)
@click.option("--total", type=click.IntRange(1), default=1000)
@click.option("--first", default=0, help="Another number gives another queue.")
@click.option("--endpoints", required=True)
def main(op: str, clients: int, total: int, first: int, endpoints: str) -> None:
    """Put one load on a cluster, by recipes."""
    # A load process keeps to a processor of its own, if one is free, as the nodes do.
    Affinity().start(time.monotonic_ns() / 1e6)
    plan = Plan(op, clients, total, first)
    run(carry_out(plan, endpoints))


if __name__ == "__main__":
    main()
