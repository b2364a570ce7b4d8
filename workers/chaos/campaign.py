"""Runs a campaign: nodes and workers as processes, enqueuers, somebody who hits them, a witness."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from attrs import field, frozen

from coord import aio
from coord.errors import CoordError, MaybeDone
from coord.testing.local_cluster import LocalProcesses
from workers.chaos import jobs
from workers.chaos.fleet import Fleet
from workers.chaos.judging import Enqueued, judge, read_effects
from workers.chaos.nemesis import Hit, Nemesis
from workers.chaos.plan import FEW, PACED, Plan, draw_kind, make_call
from workers.chaos.watching import Witness, check_pace
from workers.limits.rule import QUEUE
from workers.limits.store import LimitStore
from workers.model.job import Job
from workers.model.places import Places
from workers.model.states import ENDED
from workers.schedules.store import ScheduleStore
from workers.schedules.values import Every, Overlap, Schedule
from workers.store.jobs import JobStore
from workers.testing.ledger import Gone
from workers.timer import WallTimer

ENQUEUERS = 8
TICK_MS = 500
LOOK_S = 0.5  # whether all is over; looking takes long
STALLED_S = 25.0  # without a single revision though jobs wait: longer than any lease here
PACED_LIMIT = QUEUE + jobs.PACED_QUEUE
REQUEST_TIMEOUT_MS = 15_000


@frozen
class Report:
    """What came of a campaign."""

    enqueued: Counter[str]
    hits: Counter[Hit]
    counts: Counter[str]
    returns_s: tuple[float, ...]
    hand_overs_s: tuple[float, ...]
    settled_s: float
    violations: tuple[str, ...] = field(factory=tuple)


class Campaign:
    """One run against a running cluster (started with --restart) and a fleet of workers."""

    def __init__(
        self, plan: Plan, cluster: LocalProcesses, fleet: Fleet, say: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._cluster = cluster
        self._fleet = fleet
        self._say = say
        self._places = Places()
        self._witness = Witness(self._places, PACED_LIMIT)
        self._enqueued: list[Enqueued] = []
        self._unknown = self._refused = 0
        self._fired: list[int] = []
        self._numbers = iter(range(1 << 60))

    async def run(self) -> Report:
        """Enqueue and hit for the planned time, wait for every job to end, then judge."""
        endpoints = self._cluster.endpoints
        async with (
            aio.connect(endpoints, timeout_ms=REQUEST_TIMEOUT_MS) as client,
            aio.connect(endpoints, timeout_ms=REQUEST_TIMEOUT_MS) as watching,
        ):
            await self._set_up(client)
            nemesis = Nemesis(self._plan, self._cluster, self._fleet, client, self._say)
            background = [
                asyncio.create_task(self._witness.follow(watching, nemesis.killed_s)),
                asyncio.create_task(self._note_firings(watching)),
            ]
            until_s = time.monotonic() + self._plan.seconds
            enqueuers = (self._enqueue(client, until_s, each) for each in range(ENQUEUERS))
            await asyncio.gather(nemesis.run(), *enqueuers)
            await self._repeatedly(lambda: ScheduleStore(client).remove("tick"))
            settled_s = await self._settle(background)
            revision = (await client.get(self._places.space)).revision
            if revision > self._witness.ledger.revision + 1_000:
                broken_off = (
                    f"the store is at {revision}, judged were {self._witness.ledger.revision}"
                )
                self._witness.violations.append(broken_off)
            for task in background:
                task.cancel()
            ended = await asyncio.gather(*background, return_exceptions=True)
        broken = [repr(each) for each in ended if isinstance(each, Exception)]
        return self._report(nemesis, settled_s, broken)

    async def _set_up(self, client: aio.Client) -> None:
        limits = LimitStore(client)
        await limits.set(jobs.LIMIT, FEW)
        await limits.set(PACED_LIMIT, PACED)
        job = Job("tick", attempts_max=100, backoff=jobs.QUICKLY)
        tick = Schedule("tick", job, Every(TICK_MS), queue=jobs.QUEUE, overlap=Overlap.ALLOW)
        await ScheduleStore(client).set(tick)
        for _ in range(self._plan.workers):
            self._fleet.start()

    async def _enqueue(self, client: aio.Client, until_s: float, which: int) -> None:
        luck = Random(f"{self._plan.seed} {which}")
        store, timer = JobStore(client), WallTimer()
        pace_s = ENQUEUERS / self._plan.rate
        next_s = time.monotonic()
        while next_s < until_s:
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
            next_s += pace_s
            number, kind = next(self._numbers), draw_kind(luck)
            new = make_call(kind, number, luck).new_job(timer.now_unix_ms())
            try:
                job_id = await store.enqueue(new.queue, new.job, new.priority)
            except MaybeDone:
                self._unknown += 1
            except CoordError:
                self._refused += 1
            else:
                self._enqueued.append(Enqueued(number, kind, job_id, new.job.due_unix_ms))

    async def _note_firings(self, client: aio.Client) -> None:
        async for fired in ScheduleStore(client).new_firings("tick"):
            self._fired.append(fired.firing.due_unix_ms)

    async def _settle(self, background: Sequence[asyncio.Task[None]]) -> float:
        """Wait until every job has ended, or somebody in the background has given up.

        Returns:
            How long that took.
        """
        began_s = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._plan.settle_s):
                while not self._witness.is_stalled(STALLED_S):
                    if self._is_over() or any(task.done() for task in background):
                        break
                    await asyncio.sleep(LOOK_S)
        return time.monotonic() - began_s

    def _is_over(self) -> bool:
        found = self._witness.ledger.jobs
        over = (entry.state in ENDED or entry.state is Gone.GONE for entry in found.values())
        return all(job.job_id in found for job in self._enqueued) and all(over)

    async def _repeatedly(self, do: Callable[[], object]) -> None:
        """Do what a cluster that was just hit may not be ready for."""
        for _ in range(10):
            try:
                await do()  # type: ignore[misc]
            except CoordError as error:
                self._say(f"again: {error}")
                await asyncio.sleep(0.5)
            else:
                return

    def _report(self, nemesis: Nemesis, settled_s: float, broken: list[str]) -> Report:
        witness = self._witness
        counts, wrong = judge(
            self._enqueued, witness.ledger.jobs, read_effects(self._fleet.effects)
        )
        kinds = Counter(job.kind.value for job in self._enqueued)
        kinds["unknown"], kinds["refused"] = self._unknown, self._refused
        counts["ticks fired"] = len(self._fired)
        counts["jobs on record"] = len(witness.ledger.jobs)
        counts["revisions judged"] = witness.ledger.revision
        found = [*broken, *witness.violations, *check_pace(PACED, witness.paced)]
        wrong = [*found, *_check_firings(self._fired), *wrong]
        leftovers = witness.ledger.leftovers()
        if leftovers:
            wrong.append(f"{len(leftovers)} entries were left behind, as {leftovers[0]!r}")
        return Report(
            kinds,
            nemesis.hits,
            counts,
            tuple(witness.returns_s),
            tuple(witness.hand_overs_s),
            settled_s,
            tuple(wrong),
        )


def _check_firings(fired: list[int]) -> list[str]:
    """Return what is wrong with the due times that were fired: each once, none left out."""
    if not fired:
        return ["the schedule was never fired"]
    expected = list(range(min(fired), max(fired) + 1, TICK_MS))
    if sorted(fired) == expected:
        return []
    missed, counts = sorted(set(expected) - set(fired)), Counter(fired)
    twice = [due for due, count in counts.items() if count > 1]
    return [f"due times: {len(missed)} missed {missed[:3]}, {len(twice)} fired twice {twice[:3]}"]
