"""A worker: takes jobs from one queue as slots fall free, runs them, records what came of them.

It works in shifts, one per session. When a session is lost the cluster has put its jobs back in
line, and the next shift starts with a new session. Nothing here runs user code; see `slot.py`.
"""

import asyncio

import structlog

from coord.errors import MaybeDone, Unavailable
from recipes.errors import SessionLost
from recipes.port import SessionStore
from workers.settings import Tally, WorkerSettings
from workers.shift import Shift
from workers.slot import Slot

log = structlog.get_logger("workers")


class Worker:
    """Works until stopped: `await worker.run()`, and `worker.stop()` from a signal handler."""

    def __init__(self, client: SessionStore, settings: WorkerSettings) -> None:
        self._client = client
        self._settings = settings
        self._slots = [Slot(settings.app) for _ in range(settings.slots)]
        self._stopping = asyncio.Event()
        self.tally = Tally()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of its children."""
        return tuple(slot.pid for slot in self._slots if slot.pid is not None)

    def stop(self) -> None:
        """Ask the worker to end: take nothing more, kill what runs, hand back what is held."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped; returns once everything held has been handed back.

        With the cluster out of reach nothing can be handed back: it returns all the same, and
        the jobs go back in line when the session's time to live has passed.

        Raises:
            AppNotLoaded: the application cannot be imported; no job was taken for that.
        """
        try:
            await self._load()
            while not self._stopping.is_set():
                await self._work_one_shift()
        finally:
            await asyncio.gather(*(slot.stop() for slot in self._slots))

    async def _load(self) -> None:
        """Let every child import the application before anything is taken."""
        starts = (slot.start() for slot in self._slots)
        for failure in await asyncio.gather(*starts, return_exceptions=True):
            if failure is not None:
                raise failure

    async def _work_one_shift(self) -> None:
        settings = self._settings
        try:
            async with self._client.session(ttl_ms=settings.ttl_ms) as session:
                shift = Shift(self._client, session, settings, self._slots, self.tally)
                await shift.run(self._stopping)
        except SessionLost:
            self.tally.sessions_lost += 1
            log.warning("session lost; starting over", worker=settings.name)
        except (Unavailable, MaybeDone) as error:
            log.warning("cluster unavailable", worker=settings.name, error=str(error))
            await asyncio.sleep(settings.retry_pause_s)
