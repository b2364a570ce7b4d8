"""One process of a load: connects, says so, waits for the word, runs, hands over its times.

    stdin   a plan (one line of JSON), later one more line: go
    stdout  "ready", then one line of JSON about the run, then its times as 64-bit nanoseconds

Times are taken with the machine's monotonic clock, which all its processes share.
"""

import asyncio
import gc
import json
import sys
import time
from array import array
from collections.abc import Iterator

from coord import aio
from coord.cli.bench_ops import Operation, prepare
from coord.cli.bench_plan import STAMP_DIGITS, WATCHED, LoadPlan
from coord.client.event_loop import run
from coord.errors import CoordError
from coord.node.affinity import Affinity

_COLLECT_AFTER = 200_000  # young objects before a collection; a load makes no cycles


class Run:
    """What one process measured."""

    def __init__(self) -> None:
        self.took_ns = array("q")
        self.began_ns = 0
        self.ended_ns = 0
        self.failed = 0
        self.first_failure = ""

    def fail(self, reason: str) -> None:
        """Count one request that did not do what it should."""
        self.failed += 1
        self.first_failure = self.first_failure or reason

    def head(self) -> bytes:
        """Return everything but the times, as one line."""
        fields = {
            "began_ns": self.began_ns,
            "ended_ns": self.ended_ns,
            "failed": self.failed,
            "first_failure": self.first_failure,
            "times": len(self.took_ns),
        }
        return json.dumps(fields).encode() + b"\n"


async def one_client(operation: Operation, numbers: Iterator[int], place: int, run: Run) -> None:
    """Make one request after the other until the shared numbers are used up."""
    clock_ns, keep = time.perf_counter_ns, run.took_ns.append
    for number in numbers:
        began_ns = clock_ns()
        try:
            await operation(number, place)
        except CoordError as error:
            run.fail(str(error))
        keep(clock_ns() - began_ns)


async def one_watcher(watch: aio.Watch, plan: LoadPlan, run: Run) -> None:
    """Follow the watched keys until each write was seen; each must be seen once."""
    clock_ns, keep = time.perf_counter_ns, run.took_ns.append
    seen = bytearray(plan.watch_total)
    waiting_for, number_at = plan.watch_total, len(WATCHED)
    async for batch in watch:
        now_ns = clock_ns()
        for event in batch.events:
            number = int(event.kv.key[number_at:])
            if seen[number]:
                run.fail(f"write {number} was seen twice")
                continue
            seen[number] = 1
            waiting_for -= 1
            keep(now_ns - int(event.kv.value[:STAMP_DIGITS]))
        if waiting_for == 0:
            break


async def work(plan: LoadPlan) -> None:
    """Carry out one plan, talking over the standard streams."""
    run = Run()
    async with aio.connect(plan.endpoints or None, timeout_ms=plan.timeout_ms) as client:
        if plan.watch_total:
            watches = [await client.watch(WATCHED, prefix=True) for _ in range(plan.clients)]
            waiting = [one_watcher(watch, plan, run) for watch in watches]
        else:
            operation = await prepare(client, plan, time.perf_counter_ns)
            numbers = iter(range(plan.first, plan.first + plan.total))
            waiting = [one_client(operation, numbers, place, run) for place in range(plan.clients)]
            await client.get("bench")  # the connection stands before the clock runs
        _say(b"ready\n")
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)
        await asyncio.to_thread(sys.stdin.buffer.readline)
        run.began_ns = time.perf_counter_ns()
        await asyncio.gather(*waiting)
        run.ended_ns = time.perf_counter_ns()
        if plan.watch_total:
            for watch in watches:
                await watch.cancel()
    _say(run.head() + run.took_ns.tobytes())


def _say(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def main() -> None:
    """Read the plan from standard input and carry it out."""
    plan = LoadPlan.from_line(sys.stdin.buffer.readline())
    # A load process keeps to a processor of its own, if one is free, as the nodes do.
    affinity = Affinity()
    affinity.start(time.monotonic_ns() / 1e6)
    run(work(plan))


if __name__ == "__main__":
    main()
