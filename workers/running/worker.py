"""A worker: claims jobs as there is room, has its children run them, records what came of them.

It works in shifts, one per session. When a session is lost the cluster has put its jobs back in
line, and the next shift starts with a new session. Nothing here runs user code.
"""

import asyncio

import structlog

from coord.errors import MaybeDone, Unavailable
from recipes.errors import SessionLost
from workers.port import JobClient
from workers.running.crew import Crew
from workers.running.notice import Notice, Urgency
from workers.running.pace import Pace
from workers.running.settings import Tally, WorkerSettings
from workers.running.shift import Shift
from workers.timer import Timer, WallTimer

RETRY_S = 0.2

log = structlog.get_logger("workers")


class Worker:
    """Works until told to end: `await worker.run()`, and `worker.stop()` from a signal handler."""

    def __init__(
        self, client: JobClient, settings: WorkerSettings, timer: Timer | None = None
    ) -> None:
        self._client = client
        self._settings = settings
        self._timer = timer or WallTimer()
        self._pace = Pace()
        self._crew = Crew(settings.crew, self._timer, self._pace)
        self.notice = Notice()
        self.tally = Tally()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of its children."""
        return self._crew.pids

    def restart_children(self) -> None:
        """Replace every child as soon as it has ended what it runs."""
        self._crew.restart()

    async def run(self) -> None:
        """Work until told to end; returns once everything held has ended or was handed back.

        With the cluster out of reach nothing can be handed back: it returns all the same, and
        the jobs go back in line when the session's time to live has passed.

        Raises:
            AppNotLoaded: the application cannot be imported; no job was claimed for that.
            NameTaken: another living worker has this name.
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
            async with self._client.session(ttl_ms=settings.ttl_ms) as session:
                shift = Shift(
                    self._client,
                    session,
                    settings,
                    self._crew,
                    self._pace,
                    self.tally,
                    self._timer,
                )
                await shift.run(self.notice)
        except SessionLost:
            self.tally.sessions_lost += 1
            log.warning("session lost; starting over", worker=settings.name)
        except (Unavailable, MaybeDone) as error:
            log.warning("cluster unavailable", worker=settings.name, error=str(error))
            await asyncio.sleep(RETRY_S)
