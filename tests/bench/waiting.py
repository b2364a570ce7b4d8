"""What waiting costs: many delayed jobs and schedules, and how late they are in the end.

Three nodes, two workers. First 100,000 jobs wait for times hours away: memory, and processor time
while nothing happens. Then as many fall due within seconds: how late are they started. Then 10,000
schedules that fire once a minute each: memory, processor time, how late is a firing. Last a
schedule is edited while 50 clients follow: how long until each of them knows.
"""

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import click
import msgspec
from attrs import frozen

from coord import aio
from tests.bench.coord_cluster import CoordCluster, pause
from tests.bench.cpu_time import children, cpu_seconds, resident_bytes
from tests.bench.waiting_app import lateness, nothing
from workers.model.job import Job, decode_job
from workers.model.places import Places
from workers.schedules.making import schedule_for
from workers.schedules.store import ScheduleStore
from workers.schedules.values import Every, Overlap
from workers.store.jobs import JobStore
from workers.store.new import NewJob

MIB = 1 << 20
HOURS_MS = 6 * 3_600_000
IDLE_S = 5.0
SETTLE_S = 2.0
PATIENCE_S = 300.0
SPREAD_MS = 20_000  # over which the delayed jobs fall due
MINUTE_MS = 60_000
FIRING_S = 15.0  # of firings that are looked at
CLIENTS = 50
EDITS = 20
PLACES = Places()


@frozen
class Cost:
    """What the processes use: memory of all nodes, of all workers; cores of both while idle."""

    nodes_mib: float
    workers_mib: float
    nodes_cores: float
    workers_cores: float


class Bench:
    """A cluster and two workers."""

    def __init__(self, folder: Path, base_port: int) -> None:
        self._folder = folder
        self.cluster = CoordCluster(folder, base_port)
        self._workers: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run both for the length of a block."""
        try:
            self.cluster.start()
            for name in ("w1", "w2"):
                with (self._folder / f"{name}.log").open("wb") as log:
                    self._workers.append(subprocess.Popen(self._command(name), stderr=log))
            yield
        finally:
            for worker in self._workers:
                worker.terminate()
            for worker in self._workers:
                worker.wait()
            self.cluster.stop()

    def _command(self, name: str) -> list[str]:
        return [
            *(sys.executable, "-m", "coord.cli", "worker", "start"),
            *("-A", "tests.bench.waiting_app:app", "-c", "2", "--name", name),
            *("--endpoints", self.cluster.endpoints),
        ]

    async def cost(self) -> Cost:
        """Measure while nothing happens."""
        nodes = [int(node["pid"]) for node in self.cluster.nodes]
        workers = [worker.pid for worker in self._workers]
        workers += [pid for parent in list(workers) for pid in children(parent, "")]
        await asyncio.to_thread(pause, SETTLE_S)
        before = cpu_seconds(nodes), cpu_seconds(workers)
        await asyncio.to_thread(pause, IDLE_S)
        after = cpu_seconds(nodes), cpu_seconds(workers)
        return Cost(
            sum(map(resident_bytes, nodes)) / MIB,
            sum(map(resident_bytes, workers)) / MIB,
            (after[0] - before[0]) / IDLE_S,
            (after[1] - before[1]) / IDLE_S,
        )


async def fill(store: JobStore, count: int, first_unix_ms: int, spread_ms: int) -> float:
    """Enqueue jobs due from a time on, evenly over `spread_ms`; return how many a second."""
    began_s = time.perf_counter()
    await store.enqueue_many(
        _lateness_at(first_unix_ms + number * spread_ms // count) for number in range(count)
    )
    return count / (time.perf_counter() - began_s)


def _lateness_at(due_unix_ms: int) -> NewJob:
    new = lateness.call(due_unix_ms).new_job(now_unix_ms())
    return msgspec.structs.replace(
        new, job=msgspec.structs.replace(new.job, due_unix_ms=due_unix_ms)
    )


async def latenesses_ms(client: aio.Client, count: int, revision: int) -> list[int]:
    """Wait until so many have ended after a revision, and return how late each was."""
    found: list[int] = []
    done = PLACES.queue("default").done
    async with (
        asyncio.timeout(PATIENCE_S),
        client.watch(done, prefix=True, start_revision=revision + 1, no_delete=True) as watch,
    ):
        async for batch in watch:
            found += [int(json.loads(event.kv.value)["result"]) for event in batch.events]
            if len(found) >= count:
                break
    return found


async def set_schedules(client: aio.Client, count: int) -> None:
    """Make schedules that fire once a minute each, evenly over the minute."""
    store = ScheduleStore(client, PLACES)
    new = nothing.call().new_job(0)
    for first in range(0, count, 200):
        await asyncio.gather(
            *(
                store.set(
                    schedule_for(
                        f"every-{number}",
                        Every(MINUTE_MS, number * MINUTE_MS // count),
                        new,
                        overlap=Overlap.ALLOW,
                    )
                )
                for number in range(first, min(first + 200, count))
            )
        )


async def firing_lateness_ms(client: aio.Client) -> list[int]:
    """Follow what is put into line for a while; return how late each firing was, when it stood."""
    found: list[int] = []
    ready = PLACES.queue("default").ready
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(FIRING_S),
            client.watch(ready, prefix=True, no_delete=True) as watch,
        ):
            async for batch in watch:
                seen_unix_ms = now_unix_ms()
                for event in batch.events:
                    job = decode_job(event.kv.value)
                    if job is not None and (due := _due_of(job)) is not None:
                        found.append(seen_unix_ms - due)
    return found


def _due_of(job: Job) -> int | None:
    """Return the due time for which a schedule enqueued a job; None where none did."""
    told = next((tag.partition(":")[2] for tag in job.tags if tag.startswith("due:")), "")
    return round(datetime.fromisoformat(told).timestamp() * 1000) if told else None


async def edits_ms(endpoints: str) -> list[float]:
    """Edit a schedule while many clients follow it; return how long each took to know."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(aio.connect(endpoints)) for _ in range(CLIENTS + 1)
        ]
        editor, followers = ScheduleStore(clients[0], PLACES), clients[1:]
        watches = [
            await stack.enter_async_context(client.watch(PLACES.schedules + b"spec/edited"))
            for client in followers
        ]
        taken: list[float] = []
        for number in range(EDITS):
            schedule = schedule_for("edited", Every(HOURS_MS + number), nothing.call().new_job(0))
            began_s = time.perf_counter()

            async def told(watch: Any, began_s: float = began_s) -> float:
                await anext(aiter(watch))
                return (time.perf_counter() - began_s) * 1000

            waiting = [asyncio.ensure_future(told(watch)) for watch in watches]
            await asyncio.to_thread(pause, 0.05)
            offset_ms = (time.perf_counter() - began_s) * 1000
            await editor.set(schedule)
            taken += [await one - offset_ms for one in waiting]
        return taken


def now_unix_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


def percentile(values: list[float] | list[int], share: float) -> float:
    """Return the value below which that share of them lies."""
    return float(sorted(values)[min(len(values) - 1, int(len(values) * share))])


async def measure(bench: Bench, jobs: int, schedules: int) -> dict[str, Any]:
    """Do it all, in turn."""
    found: dict[str, Any] = {}
    async with aio.connect(bench.cluster.endpoints) as client:
        store = JobStore(client, PLACES)
        found["empty"] = attrs.asdict(await bench.cost())
        found["enqueue_per_s"] = await fill(store, jobs, now_unix_ms() + HOURS_MS, HOURS_MS)
        found["delayed"] = attrs.asdict(await bench.cost())
        revision = (await client.get(PLACES.due)).revision
        await fill(store, jobs, now_unix_ms() + SPREAD_MS // 2, SPREAD_MS)
        found["job_late_ms"] = told(await latenesses_ms(client, jobs, revision))
        await client.delete(PLACES.queue("default").done, prefix=True)
        await set_schedules(client, schedules)
        await asyncio.to_thread(pause, SETTLE_S)
        found["firing_late_ms"] = told(await firing_lateness_ms(client))
        found["scheduled"] = attrs.asdict(await bench.cost())
    found["edit_known_ms"] = told(await edits_ms(bench.cluster.endpoints))
    return found


def told(values: list[float] | list[int]) -> dict[str, float]:
    """Return how many, the median, p99, and the largest."""
    return {
        "count": len(values),
        "p50": float(statistics.median(values)),
        "p99": percentile(values, 0.99),
        "max": float(max(values)),
    }


@click.command()
@click.option("--jobs", type=click.IntRange(100), default=100_000, help="Delayed jobs.")
@click.option("--schedules", type=click.IntRange(10), default=10_000, help="Schedules.")
@click.option("--base-port", type=int, default=27100)
@click.option("-w", "form", type=click.Choice(["table", "json"]), default="table")
def main(jobs: int, schedules: int, base_port: int, form: str) -> None:
    """Measure what delayed jobs and schedules cost while they wait, and how late they are."""
    folder = Path(tempfile.mkdtemp(prefix="coord-bench-waiting-"))
    bench = Bench(folder, base_port)
    try:
        with bench.running():
            found = asyncio.run(measure(bench, jobs, schedules))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if form == "json":
        click.echo(json.dumps(found))
        return
    click.echo(
        f"{os.cpu_count()} cores, three nodes, two workers; {jobs} jobs, {schedules} schedules"
    )
    for name, value in found.items():
        if isinstance(value, dict):
            value = "  ".join(f"{key} {figure:,.2f}" for key, figure in value.items())
        click.echo(f"{name:16} {value}")


if __name__ == "__main__":
    main()
