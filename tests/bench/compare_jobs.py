"""coord's jobs against Celery, Dramatiq and Huey: the same jobs, in turns, medians side by side.

Every system has four processes that run jobs and keeps results. The peers stand on a Redis that
keeps nothing on disk, the fastest they can have; coord stands on three nodes, each of which has
every step of a job on disk before it is acknowledged. Exit code 0: every floor is met.
"""

import importlib.util
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import click

from tests.bench.coord_cluster import pause
from tests.bench.cpu_time import resident_bytes
from tests.bench.job_systems.celery_jobs import CeleryJobs
from tests.bench.job_systems.coord_jobs import CoordJobs
from tests.bench.job_systems.dramatiq_jobs import DramatiqJobs
from tests.bench.job_systems.huey_jobs import HueyJobs
from tests.bench.job_systems.redis_broker import is_installed
from tests.bench.job_systems.system import JobSystem

SYSTEMS: dict[str, Callable[[], JobSystem]] = {
    "coord": CoordJobs,
    "celery": CeleryJobs,
    "dramatiq": DramatiqJobs,
    "huey": HueyJobs,
}
LOOK_S = 0.02
PATIENCE_S = 300.0
MIB = 1 << 20

END_TO_END_FLOOR = 8.0  # times Celery's
BULK_FLOOR = 15.0  # times Celery's


@attrs.frozen
class Sizes:
    """How much of each is done in one run."""

    single: int
    bulk: int
    trips: int


@attrs.frozen
class Run:
    """What one run of one system showed."""

    enqueue_per_s: float
    bulk_per_s: float
    noop_per_s: float
    small_io_per_s: float
    trip_p50_ms: float
    trip_p99_ms: float
    workers_mib: float
    broker_mib: float


def run(system: JobSystem, sizes: Sizes, folder: Path) -> Run:
    """Start one system, put every load on it in turn, and end it."""
    folder.mkdir()
    try:
        system.start(folder)
        trips_ms = round_trips(system, sizes.trips)
        enqueue_per_s = enqueue_singly(system, sizes.single)
        noop_per_s, bulk_per_s = end_to_end(system, "noop", sizes.bulk)
        small_io_per_s, _ = end_to_end(system, "small_io", sizes.bulk // 2)
        pids = system.pids()
        return Run(
            enqueue_per_s,
            bulk_per_s,
            noop_per_s,
            small_io_per_s,
            statistics.median(trips_ms),
            sorted(trips_ms)[int(len(trips_ms) * 0.99)],
            sum(map(resident_bytes, pids.workers)) / MIB,
            sum(map(resident_bytes, pids.brokers)) / MIB,
        )
    finally:
        system.stop()


def round_trips(system: JobSystem, count: int) -> list[float]:
    """Enqueue a job and wait for its result, one after the other."""
    taken_ms = []
    for number in range(count):
        began_s = time.perf_counter()
        assert system.result(system.enqueue("noop", number)) == number
        taken_ms.append((time.perf_counter() - began_s) * 1000)
    system.forget()
    return taken_ms


def enqueue_singly(system: JobSystem, count: int) -> float:
    """Enqueue one by one while the workers run them; return how many a second were enqueued."""
    began_s = time.perf_counter()
    for number in range(count):
        system.enqueue("noop", number)
    rate = count / (time.perf_counter() - began_s)
    _wait_for_results(system, count)
    system.forget()
    return rate


def end_to_end(system: JobSystem, job: str, count: int) -> tuple[float, float]:
    """Enqueue in bulk while workers run; return rates: begin to last result, enqueuing alone."""
    began_s = time.perf_counter()
    system.enqueue_bulk(job, count)
    enqueued_s = time.perf_counter() - began_s
    _wait_for_results(system, count)
    ended_s = time.perf_counter() - began_s
    system.forget()
    return count / ended_s, count / enqueued_s


def _wait_for_results(system: JobSystem, count: int) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while (found := system.results(count)) < count:
        if time.monotonic() > end_s:
            raise RuntimeError(f"{system.name}: {found} of {count} results after {PATIENCE_S} s")
        pause(LOOK_S)


def missing() -> str:
    """Say what this machine lacks for the comparison; empty if nothing."""
    lacks = [name for name in ("celery", "dramatiq", "huey", "redis")
             if importlib.util.find_spec(name) is None]  # fmt: skip
    found = [f"Python's {', '.join(lacks)} (pip install '.[bench]')"] if lacks else []
    if not is_installed():
        found.append("redis-server (apt-get install redis-server)")
    return " and ".join(found)


def medians(runs: list[Run]) -> Run:
    """Return the median of each figure."""
    fields = [field.name for field in attrs.fields(Run)]
    return Run(*(statistics.median(getattr(one, name) for one in runs) for name in fields))


def verdicts(found: dict[str, Run]) -> list[tuple[str, float, bool]]:
    """Return each floor: in words, the figure, whether it is met."""
    coord, celery = found["coord"], found["celery"]
    peers = [one for name, one in found.items() if name != "coord"]
    fastest = max(one.noop_per_s for one in peers)
    end_to_end_ratio = coord.noop_per_s / celery.noop_per_s
    bulk_ratio = coord.bulk_per_s / celery.bulk_per_s
    ahead = coord.noop_per_s / fastest
    trip = coord.trip_p50_ms / celery.trip_p50_ms
    return [
        (f"end to end over Celery's, >= {END_TO_END_FLOOR}", end_to_end_ratio,
         end_to_end_ratio >= END_TO_END_FLOOR),
        ("end to end over the fastest peer's, > 1", ahead, ahead > 1),
        (f"bulk enqueue over Celery's, >= {BULK_FLOOR}", bulk_ratio, bulk_ratio >= BULK_FLOOR),
        ("round trip p50 over Celery's, <= 1", trip, trip <= 1),
    ]  # fmt: skip


HEAD = (
    f"{'system':10}{'enqueue/s':>11}{'bulk/s':>10}{'no-op/s':>10}{'small I/O/s':>13}"
    f"{'trip p50':>10}{'trip p99':>10}{'workers':>10}{'brokers':>10}"
)


def told(name: str, one: Run) -> str:
    """Return one line of the table."""
    return (
        f"{name:10}{one.enqueue_per_s:>11,.0f}{one.bulk_per_s:>10,.0f}{one.noop_per_s:>10,.0f}"
        f"{one.small_io_per_s:>13,.0f}{one.trip_p50_ms:>7.2f} ms{one.trip_p99_ms:>7.2f} ms"
        f"{one.workers_mib:>6,.0f} MiB{one.broker_mib:>6,.0f} MiB"
    )


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=3, help="Runs of each system.")
@click.option("--share", type=float, default=1.0, help="Length of the runs; 1.0 is full.")
@click.option("--only", multiple=True, type=click.Choice(list(SYSTEMS)), help="Only these.")
@click.option("-w", "form", type=click.Choice(["table", "json"]), default="table")
def main(rounds: int, share: float, only: tuple[str, ...], form: str) -> None:
    """Compare coord's jobs with Celery, Dramatiq and Huey on this machine."""
    lacks = missing()
    if lacks:
        click.echo(f"skipped: this machine has no {lacks}", err=True)
        return
    sizes = Sizes(round(2_000 * share), round(20_000 * share), round(300 * share))
    names = [name for name in SYSTEMS if not only or name in only]
    runs: dict[str, list[Run]] = {name: [] for name in names}
    folder = Path(tempfile.mkdtemp(prefix="coord-bench-jobs-"))
    try:
        for turn in range(rounds):
            for name in names:
                runs[name].append(run(SYSTEMS[name](), sizes, folder / f"{name}-{turn}"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found = {name: medians(of) for name, of in runs.items()}
    judged = verdicts(found) if not only else []
    if form == "json":
        report: dict[str, Any] = {
            "runs": {name: [attrs.asdict(one) for one in of] for name, of in runs.items()},
            "floors": [{"floor": text, "ratio": ratio, "met": met} for text, ratio, met in judged],
        }
        click.echo(json.dumps(report))
    else:
        click.echo(
            f"{os.cpu_count()} cores, Python {platform.python_version()}, medians of {rounds} "
            "runs in turns; peers on a Redis without a disk, coord on three durable nodes"
        )
        click.echo(HEAD)
        for name in names:
            click.echo(told(name, found[name]))
        for text, ratio, met in judged:
            click.echo(f"{text}: {ratio:.2f}  {'met' if met else 'NOT MET'}")
    sys.exit(0 if all(met for _, _, met in judged) else 1)


if __name__ == "__main__":
    main()
