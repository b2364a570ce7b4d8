"""How many are disturbed when one can go on: a released lock, an item put into an empty queue.

    python -m tests.bench.herd --waiting 1 --waiting 1000

A cluster of three on this machine; everybody waits with a session of its own. Counted is all that
happens from the release, or the put, until it is quiet again: requests, and batches of events that
woke somebody. Exit code 0: with many waiting it is as much as with the fewest.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs
import click

from coord import aio
from coord.testing.local_cluster import started_cluster
from recipes.consumer import Consumer
from recipes.lock import Lock
from recipes.queue import Queue
from tests.bench.counted_client import CountedClient

SESSION_TTL_MS = 60_000
QUIET_S = 0.5
LOOK_S = 0.05
SLACK = 2  # wake-ups, or requests, that many may cost more than few
Event = Callable[[], Awaitable[None]]


@attrs.frozen
class Disturbance:
    """What one event cost."""

    event: str
    waiting: int
    wake_ups: int
    requests: int
    watches: int
    first_ms: float
    """From before the event until the first of those who waited went on."""

    def costs_more_than(self, other: "Disturbance") -> bool:
        """Whether it disturbed more than `other` did."""
        return (
            self.wake_ups > other.wake_ups + SLACK
            or self.requests > other.requests + SLACK
            or self.watches > other.watches + SLACK
        )


async def quiet(client: CountedClient) -> None:
    """Return when nothing has been counted for a while."""
    counts, since_s = client.counts, time.monotonic()
    while time.monotonic() - since_s < QUIET_S:
        await asyncio.sleep(LOOK_S)
        if client.counts != counts:
            counts, since_s = client.counts, time.monotonic()


async def disturb(
    client: CountedClient, what: str, waiting: Sequence[asyncio.Task[object]], event: Event
) -> Disturbance:
    """Count what `event` costs while all of `waiting` wait."""
    await quiet(client)
    before = client.counts
    began_s = time.perf_counter()
    await event()
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    first_ms = 1000 * (time.perf_counter() - began_s)
    await quiet(client)
    done, _ = await asyncio.wait(waiting, timeout=0)
    assert len(done) == 1, f"{len(done)} went on instead of one"
    requests, watches, wake_ups = (
        now - then for now, then in zip(client.counts, before, strict=True)
    )
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return Disturbance(what, len(waiting), wake_ups, requests, watches, round(first_ms, 2))


async def a_release(endpoints: str, count: int) -> Disturbance:
    """Release a lock for which `count` sessions wait."""
    async with aio.connect(endpoints, timeout_ms=60_000) as connection:
        client = CountedClient(connection)
        first, *others = await sessions(connection, count + 1)
        lock = Lock(client, f"herd/lock-{count}")
        hold = await lock.acquire(first)
        waiting: list[asyncio.Task[object]] = [
            asyncio.create_task(lock.acquire(session)) for session in others
        ]
        return await disturb(client, "release of a lock", waiting, hold.release)


async def a_put(endpoints: str, count: int) -> Disturbance:
    """Put one item into an empty queue for which `count` sessions wait."""
    async with aio.connect(endpoints, timeout_ms=60_000) as connection:
        client = CountedClient(connection)
        queue = Queue(client, f"herd/queue-{count}/")
        takers = await sessions(connection, count)
        waiting: list[asyncio.Task[object]] = [
            asyncio.create_task(Consumer(queue, session, f"c{number}").take())
            for number, session in enumerate(takers)
        ]

        async def put() -> None:
            await queue.put("one")

        return await disturb(client, "put into a queue", waiting, put)


async def sessions(client: aio.Client, count: int) -> list[aio.Session]:
    """Make so many sessions at once."""

    async def one() -> aio.Session:
        return await client.session(SESSION_TTL_MS)

    return list(await asyncio.gather(*(one() for _ in range(count))))


@click.command()
@click.option("--waiting", type=click.IntRange(1), multiple=True, default=(1, 10, 100, 1000))
@click.option("-w", "form", type=click.Choice(["table", "json"]), default="table")
def main(waiting: tuple[int, ...], form: str) -> None:
    """Count wake-ups and requests of one release, and of one item put, on a cluster of three."""
    found = []
    if form == "table":
        click.echo(
            f"{'event':20}{'waiting':>9}{'wake-ups':>10}{'requests':>10}{'watches':>9}"
            f"{'first goes on':>15}"
        )
    with (
        tempfile.TemporaryDirectory(prefix="coord-herd-") as folder,
        started_cluster(Path(folder)) as cluster,
    ):
        for event in (a_release, a_put):
            for count in sorted(waiting):
                one = asyncio.run(event(cluster.endpoints, count))
                found.append(one)
                if form == "table":
                    click.echo(
                        f"{one.event:20}{one.waiting:>9}{one.wake_ups:>10}{one.requests:>10}"
                        f"{one.watches:>9}{one.first_ms:>12.2f} ms"
                    )
    if form == "json":
        click.echo(json.dumps([attrs.asdict(one) for one in found]))
    fewest = {one.event: one for one in reversed(found)}
    sys.exit(1 if any(one.costs_more_than(fewest[one.event]) for one in found) else 0)


if __name__ == "__main__":
    main()
