"""The steward: of all worker processes the one that does the chores, as long as it lives.

Chores are what somebody has to do exactly once for everybody: jobs that fall due, limits,
schedules, pipelines. Any worker can be the steward; the store elects it, and the next in line takes
over when its session ends. What one left half done the next finds in the store.

Left to the caller: the session, and starting another steward when that is lost.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from coord.errors import CoordError
from recipes.election import Election, Leadership
from recipes.errors import NotLeader, SessionLost
from recipes.port import KeptLease
from recipes.waiting import while_kept
from workers.model.places import Places
from workers.port import JobClient
from workers.steward.chore import Chore, Term
from workers.timer import Timer

PAUSE_MS_MIN = 100  # before a chore that failed is run again
PAUSE_MS_MAX = 5_000
STEADY_MS = 30_000  # after so long without failing the pauses start small again
RESIGN_TIMEOUT_S = 1.0  # beyond that the office goes with the session

log = structlog.get_logger("steward")


class Steward:
    """One candidate for the office, under the session of its process."""

    def __init__(
        self,
        client: JobClient,
        session: KeptLease,
        places: Places,
        timer: Timer,
        chores: Sequence[Chore],
        name: str = "",
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            client: to reach the store.
            session: the office is held under it.
            places: of the space.
            timer: for pauses.
            chores: what to do while in office.
            name: of this process, for people.
        """
        self._client = client
        self._session = session
        self._places = places
        self._timer = timer
        self._chores = tuple(chores)
        self._name = name
        self._election = Election(client, places.steward)

    async def run(self) -> None:
        """Campaign and do the chores, term after term, until the session is lost.

        Cancelled, it ends its chores and resigns, so that the next takes over at once.
        """
        pause = _Pause(self._timer)
        while not self._session.lost.is_set():
            try:
                office = await self._election.campaign(self._session, self._name)
                await self._serve(office)
            except CoordError as error:
                # Also a place in line taken away: that looks like a lost session, and may be none.
                if not self._session.lost.is_set():
                    log.warning("no election", error=str(error), pause_ms=pause.next_ms)
                    with contextlib.suppress(SessionLost):
                        await while_kept(self._session, pause.wait())

    async def _serve(self, office: Leadership) -> None:
        log.info("became steward", worker=self._name, token=office.token)
        term = Term(self._client, self._places, office)
        tasks = [asyncio.create_task(self._keep(chore, term)) for chore in self._chores]
        try:
            await self._until_ended(office)
        finally:
            term.lost.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            log.info("is steward no more", worker=self._name, token=office.token)
            with contextlib.suppress(CoordError, TimeoutError):
                async with asyncio.timeout(RESIGN_TIMEOUT_S):
                    await office.resign()

    async def _until_ended(self, office: Leadership) -> None:
        """Return when the office has ended; a cluster out of reach is no end, its lease is."""
        pause = _Pause(self._timer)
        while True:
            try:
                return await office.ended()
            except CoordError as error:
                log.warning("cannot see the office", error=str(error), pause_ms=pause.next_ms)
                await pause.wait()

    async def _keep(self, chore: Chore, term: Term) -> None:
        """Run a chore, and again after it failed."""
        pause = _Pause(self._timer)
        while True:
            try:
                return await chore.run(term)
            except NotLeader:
                await term.lost.wait()
            except CoordError as error:
                log.warning(
                    "chore failed", chore=chore.name, error=str(error), pause_ms=pause.next_ms
                )
            except Exception:
                log.exception("chore failed", chore=chore.name, pause_ms=pause.next_ms)
            await pause.wait()


class _Pause:
    """A wait that doubles each time, until all went well for a while."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._ms = PAUSE_MS_MIN
        self._since_unix_ms = timer.now_unix_ms()

    @property
    def next_ms(self) -> int:
        """How long the next wait is."""
        steady = self._timer.now_unix_ms() - self._since_unix_ms > STEADY_MS
        return PAUSE_MS_MIN if steady else self._ms

    async def wait(self) -> None:
        """Wait."""
        pause_ms = self.next_ms
        self._ms = min(2 * pause_ms, PAUSE_MS_MAX)
        await self._timer.until(self._timer.now_unix_ms() + pause_ms)
        self._since_unix_ms = self._timer.now_unix_ms()
