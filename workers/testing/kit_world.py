"""One store, one clock and the real worker and steward on them, for tests of an application.

Between two calls of `run` or `advance` there is no worker, and time stands still. What is at rest
is told by loop and store: every task waits, nothing is asked, and no job is held.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sized
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from coord.errors import ErrorCode, Misuse
from coord.requests import ReadOp, WriteOp
from coord.testing.local import LocalClient, LocalCluster
from workers.app.app import App
from workers.model.states import State
from workers.running.crew_settings import CrewSettings
from workers.running.notice import Urgency
from workers.running.settings import WorkerSettings
from workers.running.worker import Worker
from workers.schedules.zones import parse_time
from workers.store.found import Found
from workers.store.jobs import JobStore
from workers.testing.hand_timer import HandTimer
from workers.testing.inline_crew import InlineCrew, Place
from workers.testing.kit_functions import KitFunctions
from workers.testing.kit_reach import CLOSED

SLOTS = 64
TTL_MS = 86_400_000  # of the worker's session: few renewals, however much time passes
EMPTY_TURNS = 3  # of the loop with nobody else ready to go on: then everybody waits
TURNS = 1_000  # without a request, where somebody always is
NAME = "kit"
R = TypeVar("R")


class StillRunning(AssertionError):
    """A job goes on although nothing happens any more."""


class Stuck(TimeoutError):
    """What was waited for does not come before time is moved, or not at all."""


class KitWorld:
    """What is behind both faces of the kit."""

    def __init__(self, app: App, start: str, patience_s: float, place: Place | None = None) -> None:
        """Make a world; nothing runs in it yet.

        Args:
            app: whose jobs are run.
            start: the time at first, ISO 8601, of UTC where it does not say.
            patience_s: real seconds a coroutine may wait without asking the store anything.
            place: where functions are run that are no coroutines; None for threads.
        """
        self.app = app
        self.cluster = LocalCluster()
        self.timer = HandTimer(parse_time(start))
        self.client = _CountingClient(self.cluster)
        self.store = JobStore(self.client, app.places, self.timer)
        self.functions = KitFunctions(app, self.timer)
        self.nested = 0
        """How many jobs wait for the world to go on: what runs on their behalf."""
        self._resting = 0
        self._place = place
        self._patience_s = patience_s
        self._worker: Worker | None = None
        self._working: asyncio.Task[None] | None = None
        self._crew: InlineCrew | None = None
        self._queues: tuple[str, ...] = ()

    async def run(self) -> None:
        """Run all that can run now; see `Kit.run`."""
        async with self._at_work():
            await self._quiet(self.nested)

    async def advance(self, by_ms: int) -> None:
        """Let time pass; see `Kit.advance`."""
        if by_ms < 0:
            raise Misuse("time does not run backwards", ErrorCode.INVALID_OPTION)
        depth = self.nested
        async with self._at_work():
            await self._quiet(depth)
            end_unix_ms = self.timer.now_unix_ms() + by_ms
            while (left_ms := end_unix_ms - self.timer.now_unix_ms()) > 0:
                step_ms = min(left_ms, self._until_something_ms(left_ms))
                self.cluster.advance(step_ms)
                self.timer.advance(step_ms)
                await self._quiet(depth)

    async def answered(self, work: Coroutine[Any, Any, R]) -> R:
        """Return what comes of `work`; run what can run now if it waits.

        Raises:
            Stuck: it waits for something else.
        """
        waiting = asyncio.create_task(work)
        try:
            await self._rest(until=waiting)
            if not waiting.done():
                await self.run()
                await self._rest(until=waiting)
            if not waiting.done():
                raise Stuck("nothing is left to be done now; time has to pass: see advance()")
            return waiting.result()
        finally:
            waiting.cancel()
            await asyncio.wait((waiting,))

    async def found(self, queue: str | None, state: State | None) -> list[Found]:
        """Return jobs; see `Kit.jobs`."""
        jobs: list[Found] = []
        for name in await self.store.queues() if queue is None else [queue]:
            for each in State if state is None else (state,):
                jobs += [found async for found in self.store.every(name, each)]
        return jobs

    async def counts(self, queue: str | None) -> dict[State, int]:
        """Return numbers of jobs; see `Kit.counts`."""
        counts = dict.fromkeys(State, 0)
        for found in await self.found(queue, None):
            counts[found.state] += 1
        return counts

    def close(self) -> None:
        """Refuse whatever is asked from now on."""
        self.client.is_closed = True

    @asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        """Have a worker; the one there is where this is called on behalf of a job."""
        if self._working is not None:
            yield
            return
        await self._start()
        try:
            yield
        finally:
            await self._end()

    async def _start(self) -> None:
        queues = {job.default_options.queue for job in map(self.app.job_type, self.app.names)}
        self._queues = tuple(sorted({"default", *queues, *await self.store.queues()}))
        crew = CrewSettings(app="inline:app", slots=SLOTS)
        settings = WorkerSettings(
            NAME, crew, self._queues, fair=True, ttl_ms=TTL_MS, places=self.app.places
        )
        self._crew = InlineCrew(crew, self.timer, self.functions, self._place)
        self._worker = Worker(self.client, settings, self.timer, crew=self._crew, draw=lambda: 0.0)
        self._working = asyncio.create_task(self._worker.run(), name="the kit's worker")

    async def _end(self) -> None:
        assert self._worker is not None
        assert self._working is not None
        # A drain waits for jobs; where one goes on, that was said and is not waited for.
        self._worker.notice.give(Urgency.NOW if self._jobs_running() else Urgency.DRAIN)
        try:
            await self._working
        finally:
            self._worker = self._working = self._crew = None

    async def _quiet(self, depth: int) -> None:
        """Return once nobody does anything and no more than `depth` jobs are held."""
        while True:
            await self._rest()
            assert self._working is not None
            if self._working.done():
                self._working.result()  # raises what ended it
            if self._jobs_running() > depth:
                await self._stirred(depth)
            elif depth or set(await self.store.queues()) <= set(self._queues):
                return
            else:
                await self._end()
                await self._start()

    async def _rest(self, until: asyncio.Task[Any] | None = None) -> None:
        """Let all tasks go on until each of them waits, or for long without asking the store.

        The loops of asyncio tell what is ready to go on; of others it is a guess.
        """
        ready: Sized | None = getattr(asyncio.get_running_loop(), "_ready", None)
        asked, turns, empty = self.client.asked, 0, 0
        self._resting += 1  # those who rest are always ready, too
        try:
            while empty < EMPTY_TURNS and turns < TURNS and not (until and until.done()):
                await asyncio.sleep(0)
                is_empty = ready is not None and len(ready) < self._resting
                turns += 1
                empty = empty + 1 if is_empty else 0
                if asked != self.client.asked:
                    asked, turns, empty = self.client.asked, 0, 0
        finally:
            self._resting -= 1

    async def _stirred(self, depth: int) -> None:
        """Wait until the store is asked something; a job that runs is not at rest."""
        self.client.stirred.clear()
        try:
            async with asyncio.timeout(self._patience_s):
                await self.client.stirred.wait()
        except TimeoutError:
            if self.nested <= depth and not self.client.stirred.is_set():
                raise StillRunning(
                    f"after {self._patience_s:g} s of nothing: {self._running_names()}"
                ) from None

    def _jobs_running(self) -> int:
        return len(self._crew.assigned) if self._crew is not None else 0

    def _running_names(self) -> str:
        assert self._crew is not None
        return ", ".join(f"{held.job.name} ({held.id})" for held in self._crew.assigned)

    def _until_something_ms(self, most_ms: int) -> int:
        """Return how long it is until a timer or a lease falls due; at least 1."""
        waits_ms = [most_ms]
        if (soonest := self.timer.soonest_unix_ms) is not None:
            waits_ms.append(soonest - self.timer.now_unix_ms())
        store = self.cluster.store
        if (deadline_ms := store.next_deadline_ms()) is not None:
            waits_ms.append(deadline_ms - store.time_ms)
        return max(1, min(waits_ms))


class _CountingClient(LocalClient):
    """Counts what it is asked, so that somebody can tell when nothing happens any more."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.asked = 0
        self.stirred = asyncio.Event()
        self.is_closed = False
        """Whether the kit has been left: who asks now would wait for ever."""

    def _write(self, op: WriteOp, kind: type[R]) -> R:
        self._count()
        return super()._write(op, kind)

    def _read(self, op: ReadOp, kind: type[R]) -> R:
        self._count()
        return super()._read(op, kind)

    def _count(self) -> None:
        if self.is_closed:
            raise Misuse(CLOSED, ErrorCode.INVALID_OPTION)
        self.asked += 1
        self.stirred.set()
