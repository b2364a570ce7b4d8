"""Tests of an application's jobs, without processes, cluster or waiting; time is moved by hand.

    def test_a_letter_is_sent() -> None:
        with Kit(app) as kit:
            handle = send.options(delay_ms=60_000).enqueue("ann")
            kit.run()
            assert handle.status().state is State.LATER
            kit.advance(minutes=1)
            assert handle.result() == "sent"

What runs is the real thing: the store, the worker's claims and verdicts, the steward with due
times, limits, schedules, pipelines and gates. In place of child processes there is this one.
`Kit` needs no event loop and no thread. `AsyncKit` has the same methods as coroutines.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Self, TypeVar

from coord.testing.local import LocalClient
from recipes.blocking import Face
from workers.app.app import App
from workers.gates.store import GateStore
from workers.limits.store import LimitStore
from workers.model.places import Places
from workers.model.states import State
from workers.pipelines.store import PipelineStore
from workers.schedules.store import ScheduleStore
from workers.store.found import Found
from workers.store.jobs import JobStore
from workers.testing.kit_calls import Driver
from workers.testing.kit_reach import KitConnections, KitPortal, refuse_in_a_loop, waiting_in
from workers.testing.kit_words import words_to_logging
from workers.testing.kit_world import KitWorld
from workers.testing.kit_world import StillRunning as StillRunning
from workers.testing.kit_world import Stuck as Stuck
from workers.timer import Timer

START = "2026-01-01T00:00:00"
PATIENCE_S = 5.0
R = TypeVar("R")
S = TypeVar("S")


class _Common:
    """What both kits have; `_world` is there while the kit is entered."""

    _world: KitWorld

    @property
    def now_unix_ms(self) -> int:
        """The time in the kit."""
        return self._world.timer.now_unix_ms()

    def fail_next(self, name: str, error: BaseException, times: int = 1) -> None:
        """Have the next attempts at jobs of a name raise an error in place of being run.

        Args:
            name: of the job.
            error: what to raise: an exception, `Retry`, `Snooze`.
            times: how many attempts.

        Raises:
            UnknownFunction: the application has no such job.
        """
        self._world.functions.fail_next(name, error, times)


class Kit(_Common):
    """An application in a world of its own, for tests without an event loop.

    While it is entered every blocking method of the application and its handles works on this
    world. One that waits, like `handle.result()`, runs what can run first.
    """

    def __init__(self, app: App, *, start: str = START, patience_s: float = PATIENCE_S) -> None:
        """Prepare.

        Args:
            app: whose jobs are run; borrowed while the kit is entered.
            start: the time at first, ISO 8601, of UTC where it does not say.
            patience_s: real seconds a coroutine job may wait for something outside.
        """
        self._app = app
        self._start = start
        self._patience_s = patience_s
        self._leaving = ExitStack()

    def __enter__(self) -> Self:
        refuse_in_a_loop()
        self._driver = Driver(self._nest)
        self._world = KitWorld(self._app, self._start, self._patience_s, self._driver.place)
        self._portal = KitPortal(self._wait_for)
        with ExitStack() as stack:
            stack.callback(self._world.close)
            stack.callback(self._driver.close)
            stack.enter_context(_entered(self._app, self._world, self._portal))
            self._leaving = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._leaving.close()

    def run(self) -> None:
        """Run all that can run now, and what follows from it, until nothing more does.

        Raises:
            StillRunning: a coroutine job waits, and nothing happened for `patience_s`.
        """
        self._driver.drive(self._world.run())

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        ms: int = 0,
    ) -> None:
        """Let time pass, and run each thing when it falls due: retries, schedules, leases.

        Raises:
            StillRunning: as `run`.
        """
        by_ms = _all_ms(days, hours, minutes, seconds, ms)
        self._driver.drive(self._world.advance(by_ms))

    def jobs(self, queue: str | None = None, state: State | None = None) -> list[Found]:
        """Return all jobs that are known of, or those of one queue or state."""
        return self._driver.drive(self._world.found(queue, state))

    def counts(self, queue: str | None = None) -> dict[State, int]:
        """Return how many jobs of a queue, or of all, are in which state."""
        return self._driver.drive(self._world.counts(queue))

    @property
    def client(self) -> Face:
        """A client of the store, blocking."""
        return Face(self._portal, self._world.client)

    @property
    def schedules(self) -> Face:
        """The ScheduleStore, blocking."""
        return self._face(ScheduleStore)

    @property
    def pipelines(self) -> Face:
        """The PipelineStore, blocking."""
        return self._face(PipelineStore)

    @property
    def limits(self) -> Face:
        """The LimitStore, blocking."""
        return self._face(LimitStore)

    @property
    def gates(self) -> Face:
        """The GateStore, blocking."""
        return self._face(GateStore)

    def _face(self, kind: Callable[[LocalClient, Places, Timer], object]) -> Face:
        return Face(self._portal, _made(kind, self._world))

    def _wait_for(self, work: Coroutine[Any, Any, R]) -> R:
        return self._driver.drive(self._world.answered(work))

    def _nest(self, depth: int) -> None:
        self._world.nested = depth


class AsyncKit(_Common):
    """The same for tests with an event loop; functions that are no coroutines run in threads.

    Nothing runs by itself: `await kit.run()` before awaiting a result.
    """

    def __init__(self, app: App, *, start: str = START, patience_s: float = PATIENCE_S) -> None:
        """Prepare; see `Kit`."""
        self._app = app
        self._start = start
        self._patience_s = patience_s
        self._leaving = ExitStack()

    async def __aenter__(self) -> Self:
        self._world = KitWorld(self._app, self._start, self._patience_s)
        portal = KitPortal(waiting_in(asyncio.get_running_loop()))
        with ExitStack() as stack:
            stack.callback(self._world.close)
            stack.enter_context(_entered(self._app, self._world, portal))
            self._leaving = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._leaving.close()

    async def run(self) -> None:
        """See `Kit.run`."""
        await self._world.run()

    async def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        ms: int = 0,
    ) -> None:
        """See `Kit.advance`."""
        await self._world.advance(_all_ms(days, hours, minutes, seconds, ms))

    async def jobs(self, queue: str | None = None, state: State | None = None) -> list[Found]:
        """See `Kit.jobs`."""
        return await self._world.found(queue, state)

    async def counts(self, queue: str | None = None) -> dict[State, int]:
        """See `Kit.counts`."""
        return await self._world.counts(queue)

    @property
    def store(self) -> JobStore:
        """The job store."""
        return self._world.store

    @property
    def schedules(self) -> ScheduleStore:
        """Schedules."""
        return _made(ScheduleStore, self._world)

    @property
    def pipelines(self) -> PipelineStore:
        """Pipelines."""
        return _made(PipelineStore, self._world)

    @property
    def limits(self) -> LimitStore:
        """Limits."""
        return _made(LimitStore, self._world)

    @property
    def gates(self) -> GateStore:
        """Gates."""
        return _made(GateStore, self._world)


@contextmanager
def _entered(app: App, world: KitWorld, portal: KitPortal) -> Iterator[None]:
    connections = KitConnections(world.store, portal)
    with words_to_logging(), app.borrowed(connections, world.timer):
        try:
            yield
        finally:
            portal.stop()


def _made(kind: Callable[[LocalClient, Places, Timer], S], world: KitWorld) -> S:
    return kind(world.client, world.app.places, world.timer)


def _all_ms(days: float, hours: float, minutes: float, seconds: float, ms: int) -> int:
    return round(1000 * (((days * 24 + hours) * 60 + minutes) * 60 + seconds)) + ms
