"""Schedules in a local store, with stewards to start, kill and replace, and time by hand."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

import msgspec
from attrs import evolve

from coord.errors import MaybeDone
from coord.testing.local import LocalClient, LocalCluster, settle
from recipes.errors import NotLeader
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.job import Job, decode_job
from workers.model.places import Places
from workers.model.states import State
from workers.schedules.chore import ScheduleChore
from workers.schedules.places import SchedulePlaces
from workers.schedules.store import ScheduleStore
from workers.schedules.values import Cron, Overlap, Schedule
from workers.schedules.zones import parse_time
from workers.steps.held import end_held
from workers.steward.chore import Term
from workers.store.jobs import JobStore
from workers.testing.faulty_client import FaultyClient
from workers.testing.hand_timer import HandTimer
from workers.testing.office import new_term
from workers.timer import Timer

PLACES = Places()
START_UNIX_MS = parse_time("2026-11-22T10:00:30")
MINUTE_MS = 60_000
MINUTELY = Schedule("s", Job("f", {"n": 1}), Cron("* * * * *"), overlap=Overlap.ALLOW)


class ScheduleWorld:
    """One store, one clock, and the stewards at work."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.client = self.cluster.client()
        self.timer = HandTimer(START_UNIX_MS)
        self.schedules = ScheduleStore(self.client, PLACES, self.timer)
        self.jobs = JobStore(self.client, PLACES, self.timer)
        self.places = SchedulePlaces(PLACES)
        self._stewards: dict[asyncio.Task[None], None] = {}

    async def steward(
        self,
        client: LocalClient | None = None,
        term: Term | None = None,
        timer: Timer | None = None,
    ) -> asyncio.Task[None]:
        """Put a steward to work, in a term of its own unless one is given; the others are stale."""
        term = term or await new_term(self.client, PLACES)
        term = evolve(term, client=client or self.cluster.client())
        chore = ScheduleChore(timer or self.timer)
        task = asyncio.create_task(chore.run(term))
        self._stewards[task] = None
        await settle()
        return task

    async def kill(self, steward: asyncio.Task[None]) -> None:
        """End a steward at whatever it waits for."""
        self._stewards.pop(steward, None)
        steward.cancel()
        with suppress(asyncio.CancelledError, NotLeader, MaybeDone):
            await steward

    async def kill_all(self) -> None:
        """End every steward there is, whatever it made of itself."""
        for steward in list(self._stewards):
            await self.kill(steward)

    def forget(self, steward: asyncio.Task[None]) -> None:
        """Take a steward that ended, as it should, off the list."""
        assert steward.done()
        steward.exception()
        self._stewards.pop(steward, None)

    def faulty_client(self) -> FaultyClient:
        """Return a client whose writes can be held up or lost."""
        return FaultyClient(self.cluster)

    async def close(self) -> None:
        """End every steward; what one of them raised is raised here."""
        failed = [task for task in self._stewards if task.done() and not task.cancelled()]
        for task in list(self._stewards):
            if task not in failed:
                await self.kill(task)
        for task in failed:
            task.result()

    async def advance(self, by_ms: int, step_ms: int = 0) -> None:
        """Let time pass, in steps where given, and everybody do what they do then."""
        while by_ms > 0:
            step = min(by_ms, step_ms or by_ms)
            self.timer.advance(step)
            by_ms -= step
            await settle()

    async def advance_to(self, text: str) -> None:
        """Let time pass until a UTC time."""
        await self.advance(parse_time(text) - self.timer.now_unix_ms())

    async def tally(self, name: str = "s") -> tuple[int, int, int]:
        """Return how many jobs a schedule enqueued, and of due times skipped and missed."""
        state = (await self.schedules.find(name)).state
        return state.firings, state.skipped, state.missed

    async def every_due(self, schedule: str, queue: str = "default") -> dict[JobId, str]:
        """Return the due times of all jobs a schedule enqueued, whatever became of them."""
        found: dict[JobId, str] = {}
        for state in State:
            async for each in self.jobs.every(queue, state):
                if f"schedule:{schedule}" in each.tags:
                    found[each.id] = _due_tag(each.tags)
        return found

    async def waiting(self, queue: str = "default") -> list[Job]:
        """Return the jobs that may be claimed, in their order."""
        reply = await self.client.get(PLACES.queue(queue).ready, prefix=True)
        jobs = [decode_job(kv.value) for kv in reply.kvs]
        return [job for job in jobs if job is not None]

    async def dues(self, queue: str = "default") -> list[str]:
        """Return the due times of the jobs that may be claimed."""
        return [due_of(job) for job in await self.waiting(queue)]

    async def complete(self, queue: str = "default") -> JobId:
        """Let the first job of a queue run and end."""
        held = await self.hold(queue)
        await self.end(held)
        return held

    async def hold(self, queue: str = "default", worker: str = "w") -> JobId:
        """Let a worker claim the first job of a queue."""
        at = PLACES.queue(queue)
        session = await self.cluster.client().session(ttl_ms=3_600_000)
        claimed = await self.client.claim(at.ready, at.held_by(worker), session.lease)
        return JobId(queue, claimed.kvs[0].key.rpartition(b"/")[2].decode())

    async def end(self, job_id: JobId, worker: str = "w") -> None:
        """Let the job that a worker holds end well."""
        key = PLACES.queue(job_id.queue).held_by(worker) + job_id.item.encode()
        (kv,) = (await self.client.get(key)).kvs
        job = decode_job(kv.value)
        assert job is not None
        ending = Ending(State.DONE, job.name, kv.create_revision, tags=job.tags)
        move = end_held(PLACES, job_id, job, worker, ending)
        assert (await self.client.txn(move.compare, move.ops)).succeeded
        await settle()


def minutely(**changes: Any) -> Schedule:
    """Return a schedule of every minute with some fields changed."""
    return msgspec.structs.replace(MINUTELY, **changes)


def due_of(job: Job) -> str:
    """Return the due time a job was enqueued for."""
    return _due_tag(job.tags)


def _due_tag(tags: Iterable[str]) -> str:
    (due,) = (tag.removeprefix("due:") for tag in tags if tag.startswith("due:"))
    return due


def in_world(
    test: Callable[[ScheduleWorld], Coroutine[Any, Any, None]],
) -> Callable[[], None]:
    """Let a test be a coroutine function that takes a world of its own."""

    def run() -> None:
        asyncio.run(_within(test))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def _within(test: Callable[[ScheduleWorld], Coroutine[Any, Any, None]]) -> None:
    world = ScheduleWorld()
    try:
        await test(world)
    finally:
        await world.close()
