"""A shift: what a worker does under one session, from the first claim to the last outcome.

While the session lasts, the outcome of a job that ended is recorded, however long the cluster is
away. When the session is lost the running jobs are killed: the cluster has given them to others.
When the worker is stopped they are killed too, and handed back at once, one by one.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import structlog

from coord.errors import CoordError, MaybeDone, Misuse, Unavailable
from recipes.consumer import Consumer
from recipes.errors import SessionLost, StaleClaim
from recipes.port import KeptLease, SessionStore
from recipes.progress import Reporter
from recipes.queue import Claimed, Queue, QueueSettings
from workers.jobs import Failed, Finished, Outcome, Step, read_job
from workers.settings import Tally, WorkerSettings
from workers.slot import Slot
from workers.wire import Report, Run

log = structlog.get_logger("workers")


class Shift:
    """One session's work; `slots` and `tally` belong to the worker and outlive it."""

    def __init__(
        self,
        client: SessionStore,
        session: KeptLease,
        settings: WorkerSettings,
        slots: list[Slot],
        tally: Tally,
    ) -> None:
        self._session = session
        self._settings = settings
        self._tally = tally
        self._free = list(slots)
        self._slot_freed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        queue = Queue(client, settings.queue, QueueSettings(settings.retry.attempts_max))
        self._consumer = Consumer(queue, session, settings.name)
        self._reporter = Reporter(client, session, settings.progress, by=settings.name)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set; then hand back what is held.

        Raises:
            SessionLost: the session ended; whatever was held is in line again.
        """
        async with self._reporter:
            async with asyncio.TaskGroup() as group:
                self._spawn(group, self._take_for_ever(group))
                await _either(stopping, self._session.lost)
                for task in self._tasks:
                    task.cancel()
            if self._session.lost.is_set():
                raise SessionLost
            await self._hand_back()

    def _spawn(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        task = group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take_for_ever(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._free_slot()
            try:
                items = await self._consumer.take(len(self._free))
            except SessionLost:
                return
            except (Unavailable, MaybeDone) as error:
                log.warning("cannot take jobs", worker=self._settings.name, error=str(error))
                await asyncio.sleep(self._settings.retry_pause_s)
                continue
            for item in items:
                # A claim whose answer was lost may hand out more than there are free slots.
                await self._free_slot()
                self._spawn(group, self._work(item, self._free.pop()))

    async def _free_slot(self) -> None:
        """Wait until a slot is free."""
        while not self._free:
            self._slot_freed.clear()
            await self._slot_freed.wait()

    async def _work(self, item: Claimed, slot: Slot) -> None:
        try:
            outcome = await self._attempt(item, slot)
            await self._record(item, outcome)
        finally:
            self._reporter.clear(item.id)
            self._free.append(slot)
            self._slot_freed.set()

    async def _attempt(self, item: Claimed, slot: Slot) -> Outcome:
        job = read_job(item.body)
        if job is None:
            return Failed("this item is no job", again=False)

        def on_report(report: Report) -> None:
            self._reporter.report(item.id, report.done, report.total, report.message)

        self._reporter.report(item.id, 0, 0, job.name)
        return await slot.run(Run(item.id, job.name, item.attempt, job.args), on_report)

    async def _record(self, item: Claimed, outcome: Outcome) -> None:
        while not self._session.lost.is_set():
            try:
                await self._settle(item, outcome)
                return
            except StaleClaim:
                self._tally.stale += 1
                log.warning("outcome refused: claim ended", job=item.id, attempt=item.attempt)
                return
            except (Unavailable, MaybeDone) as error:
                log.warning("cannot record an outcome yet", job=item.id, error=str(error))
                await asyncio.sleep(self._settings.retry_pause_s)

    async def _settle(self, item: Claimed, outcome: Outcome) -> None:
        if isinstance(outcome, Finished):
            try:
                await self._consumer.complete(item, msgspec.Raw(outcome.result))
                self._tally.completed += 1
                return
            except Misuse as error:
                # No cluster takes such a result, at this attempt or another.
                outcome = Failed(f"the result cannot be recorded: {error}", again=False)
        log.warning("attempt failed", job=item.id, attempt=item.attempt, cause=outcome.cause)
        if self._settings.retry.step(outcome, item.attempt) is Step.FAIL:
            await self._consumer.fail(item, outcome.cause)
        else:
            await self._consumer.bury(item, outcome.cause)
        self._tally.failed += 1

    async def _hand_back(self) -> None:
        """Return everything held; what the cluster cannot be told goes back with the session."""
        try:
            async with asyncio.timeout(self._settings.hand_back_s):
                held = await self._consumer.recover()
                await asyncio.gather(*(self._return(item) for item in held))
        except (CoordError, TimeoutError) as error:
            left = [item.id for item in self._consumer.holding]
            log.warning("not handed back; their lease will", jobs=left, error=str(error))

    async def _return(self, item: Claimed) -> None:
        if await self._consumer.give_back(item):
            self._tally.handed_back.append(item.id)
            log.info("handed back", job=item.id, worker=self._settings.name)


async def _either(first: asyncio.Event, second: asyncio.Event) -> None:
    """Return when one of two events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in (first, second)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
