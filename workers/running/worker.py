"""A worker: claims jobs as there is room, has its children run them, records what came of them.

It works in shifts, one per session. When a session is lost the cluster has put its jobs back in
line, and the next shift starts with a new session. Nothing here runs user code.
"""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from coord.errors import MaybeDone, Unavailable
from coord.version import VERSION
from recipes.errors import SessionLost
from recipes.port import KeptLease
from workers.port import JobClient
from workers.running.backoff import Draw
from workers.running.crew import Crew
from workers.running.notice import Notice, Urgency
from workers.running.pace import Pace
from workers.running.registration import Registration
from workers.running.roll import JOBS_TOLD_MAX, CurrentJob, Order, WorkerEntry
from workers.running.settings import WorkerSettings
from workers.running.shift import Shift
from workers.running.tally import Tally
from workers.timer import Timer, WallTimer

RETRY_S = 0.2
LUCK: Draw = random.SystemRandom().random
T = TypeVar("T")

log = structlog.get_logger("workers")


class Worker:
    """Works until told to end: `await worker.run()`, and `worker.stop()` from a signal handler."""

    def __init__(
        self,
        client: JobClient,
        settings: WorkerSettings,
        timer: Timer | None = None,
        *,
        crew: Crew | None = None,
        draw: Draw = LUCK,
    ) -> None:
        """Prepare; nothing is sent and no process started.

        Args:
            client: to reach the store.
            settings: how to work.
            timer: another clock, for tests.
            crew: other hands than child processes, for tests.
            draw: luck, for the time before another attempt.
        """
        self._client = client
        self._settings = settings
        self._timer = timer or WallTimer()
        self._pace = Pace()
        self._crew = crew or Crew(settings.crew, self._timer, self._pace)
        self._draw = draw
        self._host = socket.gethostname()
        self._started_unix_ms = self._timer.now_unix_ms()
        self._shift: Shift | None = None
        self.notice = Notice()
        self.tally = Tally()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of its children."""
        return self._crew.pids

    def entry(self) -> WorkerEntry:
        """Return what is to be said of this worker now."""
        settings, tally, urgency = self._settings, self.tally, self.notice.urgency
        held = self._shift.held if self._shift is not None else ()
        return WorkerEntry(
            name=settings.name,
            host=self._host,
            pid=os.getpid(),
            version=VERSION,
            queues=settings.queues,
            slots=settings.crew.slots,
            tags=settings.tags,
            started_unix_ms=self._started_unix_ms,
            ending="" if urgency is Urgency.NONE else urgency.name.lower(),
            children=self._crew.pids,
            held=len(held),
            jobs=tuple(
                CurrentJob(str(job.id), job.job.name, job.attempt, job.started_unix_ms)
                for job in held[:JOBS_TOLD_MAX]
            ),
            done=tally.done,
            failed=tally.failed,
        )

    def restart_children(self) -> None:
        """Replace every child as soon as it has ended what it runs."""
        self._crew.restart()

    async def run(self) -> None:
        """Work until told to end; returns once everything held has ended or was handed back.

        With the cluster out of reach nothing can be handed back: it returns all the same, and
        the jobs go back in line when the session's time to live has passed.

        Raises:
            AppNotLoaded: the application cannot be imported; no job was claimed for that.
        """
        try:
            await self._crew.start()
            while self.notice.urgency is Urgency.NONE:
                await self._work_one_shift()
        finally:
            await self._crew.stop()

    async def _work_one_shift(self) -> None:
        settings = self._settings
        try:
            async with contextlib.AsyncExitStack() as stack:
                making = self._client.session(ttl_ms=settings.ttl_ms)
                session = await self._unless_told_to_end(stack.enter_async_context(making))
                if session is not None:
                    await self._work_under(session)
        except SessionLost:
            _go_on_unless_cancelled()
            self.tally.sessions_lost += 1
            log.warning("session lost; starting over", worker=settings.name)
        except (Unavailable, MaybeDone) as error:
            _go_on_unless_cancelled()
            log.warning("cluster unavailable", worker=settings.name, error=str(error))
            await self._unless_told_to_end(asyncio.sleep(RETRY_S, result=True))
        finally:
            self._shift = None

    async def _work_under(self, session: KeptLease) -> None:
        client, settings = self._client, self._settings
        self._shift = Shift(
            client, session, settings, self._crew, self._pace, self.tally, self._timer, self._draw
        )
        registration = Registration(client, session, settings.places, self.entry, self._obey)
        if await self._unless_told_to_end(registration.enter()):
            # In a task of its own: a group that fails while it ends leaves its task looking as if
            # somebody had cancelled it.
            shift = self._shift.run(self.notice, registration)
            await asyncio.create_task(shift, name=f"shift of {settings.name}")

    async def _unless_told_to_end(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do `work` and return what it gives, or None where there is notice first."""
        working = asyncio.create_task(work)
        told = asyncio.create_task(self.notice.at_least(Urgency.DRAIN))
        try:
            await asyncio.wait((working, told), return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for task in (working, told):
                task.cancel()
            await asyncio.gather(working, told, return_exceptions=True)

    def _obey(self, order: Order) -> None:
        if order is Order.DRAIN:
            self.notice.give(Urgency.DRAIN)
        elif order is Order.STOP:
            self.notice.give(Urgency.STOP)
        elif self._shift is not None:
            self._shift.tell_stacks()


def _go_on_unless_cancelled() -> None:
    """Raise the cancellation that an error at the same moment has hidden, if there was one."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
