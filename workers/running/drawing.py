"""Where a worker's jobs come from: its queues, those that may have jobs and those it waits for.

A queue found empty or shut is waited for in line with other workers, by a task of its own, until
there is something or there is no room for it. All others are claimed from with whatever else the
ledger has to say.
"""

import asyncio
from collections.abc import Callable, Container
from functools import partial

import structlog

from coord.errors import CoordError, MaybeDone, Unavailable
from coord.model import KeyValue
from coord.requests import TxnOp
from recipes.port import KeptLease, KeyStore
from workers.running.claim import Claim
from workers.running.joining import join
from workers.running.settings import WorkerSettings
from workers.running.shares import shares
from workers.running.source import Drawn, Source

CLAIM_MAX = 256
RETRY_S = 0.2
FULL_S = 0.02  # without room for so long, the worker leaves the lines it stands in
WITHDRAW_S = 1.0

log = structlog.get_logger("workers")


class Drawing:
    """The queues of one worker under one session."""

    def __init__(
        self,
        client: KeyStore,
        session: KeptLease,
        settings: WorkerSettings,
        *,
        known: Container[Claim],
        free: Callable[[], int],
        take: Callable[[Source, Drawn], None],
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            client: to reach the store.
            session: claims hang on its lease.
            settings: of the worker.
            known: claims of the jobs the worker knows it holds, always up to date.
            free: tells how many jobs it has room for.
            take: called with what was claimed while waiting.
        """
        self._session = session
        self._settings = settings
        self._known = known
        self._free = free
        self._take = take
        self._group: asyncio.TaskGroup | None = None
        self._waits: dict[Source, asyncio.Task[dict[str, str]]] = {}
        self._turn = 0
        self._following: list[asyncio.Task[None]] = []
        self._closing: list[asyncio.Task[None]] = []
        self._full: asyncio.TimerHandle | None = None
        self._sources = {
            queue: Source(
                client, session, settings.places, queue, settings.name, free, self._offered
            )
            for queue in settings.queues
        }

    def open(self, group: asyncio.TaskGroup) -> None:
        """Begin; what waits does so in tasks of this group."""
        self._group = group
        for source in self._sources.values():
            following = join(group, source.offers.follow(partial(self._handed, source)))
            if following is not None:
                self._following.append(following)

    def let_go(self, queue: str, claim: KeyValue) -> None:
        """Note that a claim has ended."""
        self._sources[queue].let_go(claim)

    def freed(self, queue: str, claim: Claim) -> list[TxnOp]:
        """Return what goes with the end of a claim: its slot is offered again if it was offered."""
        return self._sources[queue].offers.settling(claim, self._offered())

    @property
    def is_active(self) -> bool:
        """Whether there is a queue that may have jobs and is not waited for."""
        return any(map(self._may_have_jobs, self._sources.values()))

    def wanted(self, room: int) -> list[tuple[Source, int]]:
        """Divide room for jobs among the queues that may have some.

        Args:
            room: how many there is room for, claims under way not counted.
        """
        room -= sum(source.under_way for source in self._sources.values())
        if room <= 0 or self._group is None:
            return []
        active = [source for source in self._sources.values() if self._may_have_jobs(source)]
        self._turn += 1
        divided = shares(min(room, CLAIM_MAX), len(active), self._turn, fair=self._settings.fair)
        return [(source, share) for source, share in zip(active, divided, strict=True) if share]

    def _may_have_jobs(self, source: Source) -> bool:
        return not source.is_waiting and source not in self._waits

    def look(self, source: Source) -> None:
        """Wait for a queue just claimed from if it has nothing more; for none if there is no room.

        What waits has claimed when `take` is called.
        """
        if not source.is_waiting:
            if source in self._waits and not self._waits[source].cancelling():
                # An answer that came later knows better than the one that made us wait.
                self._waits[source].cancel()
        elif self._group is not None and source not in self._waits:
            waiting = join(self._group, self._wait_for(source))
            if waiting is not None:
                self._waits[source] = waiting
                waiting.add_done_callback(partial(self._over, source))
        if self._free() <= 0 and self._full is None:
            # Most jobs are over soon, and then nobody needs to have left the line.
            self._full = asyncio.get_running_loop().call_later(FULL_S, self._leave_if_full)

    def _leave_if_full(self) -> None:
        self._full = None
        if self._free() <= 0:
            for each, waiting in self._waits.items():
                each.is_waiting = False  # asked again when there is room
                waiting.cancel()

    async def stop(self) -> None:
        """Wait for nothing any more, and offer nothing; what was just claimed is passed on.

        What is handed over all the same is heard of until `close`.
        """
        group, self._group = self._group, None
        if self._full is not None:
            self._full.cancel()
        for waiting in self._waits.values():
            waiting.cancel()
        if self._waits:
            await asyncio.wait(list(self._waits.values()))
        if group is not None:
            closing = (join(group, source.offers.close()) for source in self._sources.values())
            self._closing = [task for task in closing if task is not None]
        if self._closing:
            await asyncio.wait(self._closing, timeout=WITHDRAW_S)
        for source in self._sources.values():
            self._take(source, Drawn(source.unknown_to(self._known), {}))

    async def close(self) -> None:
        """Hear of nothing any more; what was handed over to the last is handed on to `take`."""
        for task in (*self._closing, *self._following):
            task.cancel()
        await asyncio.gather(*self._closing, *self._following, return_exceptions=True)
        await asyncio.gather(*(self._withdraw(source) for source in self._sources.values()))

    async def _withdraw(self, source: Source) -> None:
        try:
            async with asyncio.timeout(WITHDRAW_S):
                await source.offers.withdraw(partial(self._handed, source))
        except (CoordError, TimeoutError) as error:
            # What may be handed over yet goes back into line with the session, which ends now.
            log.warning("offers stand", worker=self._settings.name, error=str(error))

    def _offered(self) -> int:
        """Return how many slots to offer to one queue: what there is, divided among all."""
        free = self._free()
        return max(1, free // len(self._sources)) if free > 0 else 0

    def _handed(self, source: Source, kv: KeyValue) -> None:
        drawn = source.handed(kv)
        if drawn.kvs:
            self._take(source, drawn)

    async def _wait_for(self, source: Source) -> dict[str, str]:
        while True:
            try:
                return await source.draw(CLAIM_MAX)
            except (Unavailable, MaybeDone) as error:
                log.warning("cannot claim", worker=self._settings.name, error=str(error))
                await asyncio.sleep(RETRY_S)

    def _over(self, source: Source, waiting: asyncio.Task[dict[str, str]]) -> None:
        """Take what was claimed; also when that was cancelled, maybe in its last moment."""
        del self._waits[source]
        if self._session.lost.is_set() or (not waiting.cancelled() and waiting.exception()):
            return
        cancels = {} if waiting.cancelled() else waiting.result()
        self._take(source, Drawn(source.unknown_to(self._known), cancels))
