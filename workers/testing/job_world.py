"""Jobs in a local cluster, with time moved by hand: for tests of chores and of single steps.

async with at_work(JobWorld(), DueChore) as world:
    job_id = await world.enqueue(Job("f", due_unix_ms=world.in_ms(5)))
    await world.advance(5)
    assert await world.items(world.q.ready) == [job_id.item]
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from coord.model import KeyValue
from coord.requests import PutReply, TxnReply
from coord.testing.local import LocalClient, LocalCluster, LocalSession, settle
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.job import Attempt, Job, decode_job
from workers.model.places import Places
from workers.model.states import State
from workers.steps.enqueue import enqueue, queue_limit
from workers.steps.held import end_held, retry
from workers.steps.move import Move
from workers.steward.chore import Chore
from workers.testing.hand_timer import HandTimer
from workers.testing.office import new_term
from workers.timer import Timer

TTL_MS = 1_000


class JobWorld:
    """One store, one queue "q", one client; workers as they are asked for."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.client = self.cluster.client()
        self.timer = HandTimer()
        self.places = Places()
        self.q = self.places.queue("q")
        self.sessions: dict[str, LocalSession] = {}

    def in_ms(self, by_ms: int) -> int:
        """Return the time `by_ms` from now."""
        return self.timer.now_unix_ms() + by_ms

    async def advance(self, by_ms: int) -> None:
        """Let time pass and everybody do what they do then."""
        self.timer.advance(by_ms)
        await settle()

    async def take(self, move: Move) -> TxnReply:
        """Send a step; return what became of it."""
        return await self.client.txn(move.compare, move.ops)

    async def enqueue(self, job: Job, queue: str = "q", priority: int = 4) -> JobId:
        """Enqueue a job, under its queue's limit where there is one."""
        at = self.places.queue(queue)
        if (await self.client.get(at.limit)).kvs and queue_limit(queue) not in job.limits:
            limits = (*job.limits, queue_limit(queue))
            job = Job(job.name, limits=limits, due_unix_ms=job.due_unix_ms)
        move = enqueue(self.places, queue, priority, job, self.timer.now_unix_ms())
        reply = await self.take(move)
        assert reply.succeeded
        made = reply.replies[0]
        assert isinstance(made, PutReply)
        return JobId(queue, made.key.rpartition(b"/")[2].decode())

    async def claim(self, worker: str = "w", queue: str = "q") -> KeyValue | None:
        """Let a worker claim one job."""
        if worker not in self.sessions:
            self.sessions[worker] = await self.client.session(TTL_MS)
        at, lease = self.places.queue(queue), self.sessions[worker].lease
        claimed = await self.client.claim(at.ready, at.held_by(worker), lease)
        return claimed.kvs[0] if claimed.kvs else None

    async def end(self, held: KeyValue, state: State = State.DONE) -> bool:
        """Let the holder of a job (its key `held`) end it; return whether that counted."""
        job_id, worker, job = read_held(self.places, held)
        ending = Ending(state, job.name, held.create_revision)
        move = end_held(self.places, job_id, job, worker, ending)
        return (await self.take(move)).succeeded

    async def retry(self, held: KeyValue, after_ms: int) -> bool:
        """Let the holder of a job (its key `held`) put it off after a failed attempt."""
        job_id, worker, job = read_held(self.places, held)
        attempt = Attempt(job.tries + held.claims, "it failed", worker)
        due_ms = self.in_ms(after_ms)
        token = held.create_revision
        move = retry(self.places, job_id, job, worker, token, attempt, due_ms)
        return (await self.take(move)).succeeded

    async def items(self, prefix: bytes) -> list[str]:
        """Return the last parts of all keys under a prefix, in order."""
        reply = await self.client.get(prefix, prefix=True)
        return [kv.key.rpartition(b"/")[2].decode() for kv in reply.kvs]


def read_held(places: Places, held: KeyValue) -> tuple[JobId, str, Job]:
    """Return which job a key under held/ stands for, at which worker, and what it says."""
    queue, _, worker, item = held.key.removeprefix(places.queues).decode().split("/")
    job = decode_job(held.value)
    assert job is not None
    return JobId(queue, item), worker, job


@asynccontextmanager
async def at_work(
    world: JobWorld, *chores: Callable[[Timer], Chore], client: LocalClient | None = None
) -> AsyncIterator[JobWorld]:
    """Run chores in one term for the length of a block; they must not end before it."""
    client = client or world.cluster.client()
    term = await new_term(client, world.places)
    running = [asyncio.create_task(chore(world.timer).run(term)) for chore in chores]
    await settle()
    try:
        yield world
        for task in running:
            if task.done():
                task.result()
            assert not task.done(), task
    finally:
        for task in running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
