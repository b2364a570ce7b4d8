"""A world for pipelines: one store, the steward's chore at work, worker and clock moved by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, evolve, field

from coord.testing.local import LocalClient, LocalCluster, settle
from workers.model.places import Places
from workers.model.states import State
from workers.pipelines.chore import PipelineChore
from workers.pipelines.run import Run
from workers.pipelines.store import PipelineStore
from workers.testing.hand_timer import HandTimer
from workers.testing.hand_worker import HandWorker, Held
from workers.testing.office import new_term

ROUNDS_MAX = 10_000  # in which everything that is to happen has happened


@define
class PipelineWorld:
    """One store and everybody on it."""

    cluster: LocalCluster = field(factory=LocalCluster)
    timer: HandTimer = field(factory=HandTimer)
    places: Places = field(factory=Places)
    ran: list[str] = field(factory=list)
    """Names of the jobs that ended well, in their order."""

    @property
    def client(self) -> LocalClient:
        """One more client."""
        return self.cluster.client()

    @property
    def store(self) -> PipelineStore:
        """The face programs use."""
        return PipelineStore(self.client, self.places, self.timer)

    @asynccontextmanager
    async def steward(self, client: LocalClient | None = None) -> AsyncIterator[asyncio.Task[None]]:
        """Have the chore at work; a steward before this one is out of office then."""
        term = await new_term(self.client, self.places)
        if client is not None:
            term = evolve(term, client=client)
        running = asyncio.create_task(PipelineChore(self.timer).run(term))
        await settle()
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def worker(self) -> HandWorker:
        """Return one more worker, with a session that nobody ends."""
        session = await self.client.session(ttl_ms=1_000_000)
        return HandWorker(self.client, session.lease, self.places)

    async def advance(self, by_ms: int) -> None:
        """Let time pass."""
        self.timer.advance(by_ms)
        await settle()

    async def take(self, worker: HandWorker, queue: str = "default") -> list[Held]:
        """Claim what is ready once everybody has done what there is to do."""
        await settle()
        return await worker.take(queue)

    async def work(self, pipeline: str, results: dict[str, object] | None = None) -> Run:
        """Do all jobs well until the pipeline has ended or nothing moves any more.

        Args:
            pipeline: its id.
            results: what the jobs of a name return.
        """
        worker = await self.worker()
        for _ in range(ROUNDS_MAX):
            held = await self.take(worker)
            if not held:
                break
            for job in held:
                assert await worker.complete(job, (results or {}).get(job.job.name))
                self.ran.append(job.job.name)
        await settle()
        return await self.store.status(pipeline)

    async def count(self, prefix: bytes) -> int:
        """Return how many keys a prefix holds."""
        return (await self.client.get(prefix, prefix=True, count_only=True)).count

    async def endings(self, state: State) -> int:
        """Return how many jobs of all queues stand under the place of a state."""
        reply = await self.client.get(self.places.queues, prefix=True)
        return sum(f"/{state.value}/".encode() in kv.key for kv in reply.kvs)
