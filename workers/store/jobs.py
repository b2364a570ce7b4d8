"""JobStore: everything a program does with jobs from outside; each method one idea's own file.

Every change is one transaction, a step of `workers.steps`. A change whose answer is lost raises
MaybeDone; repeating `cancel`, `pause`, `resume` and `purge` then does no harm, `replay` refuses the
second time, and `enqueue` may enqueue twice, unless the job has a unique key: with
`WhenTaken.KEEP` the repeat returns the first one's id.
"""

from collections.abc import AsyncIterator, Iterable, Sequence

from workers.model.ending import Ending
from workers.model.ids import PRIORITY_DEFAULT, JobId
from workers.model.job import Job
from workers.model.places import Places
from workers.model.states import State
from workers.port import JobClient
from workers.result_leases import ResultLeases
from workers.store import (
    cancelling,
    enqueueing,
    finding,
    listing,
    many,
    purging,
    queues,
    replaying,
    waiting,
)
from workers.store.found import Found
from workers.store.listing import Page
from workers.store.new import NewJob, WhenTaken
from workers.store.queues import QueueView
from workers.store.shared_waiting import SharedWaits
from workers.store.site import Site
from workers.timer import Timer, WallTimer

LIST_JOBS = 100
ALONE_MAX = 16  # waits for jobs of one queue that have a watch each


class JobStore:
    """The jobs of one space, through one client."""

    def __init__(
        self, client: JobClient, places: Places | None = None, timer: Timer | None = None
    ) -> None:
        timer = timer or WallTimer()
        self.site = Site(client, places or Places(), timer, ResultLeases(client, timer))
        self._waits: dict[str, SharedWaits] = {}

    @property
    def client(self) -> JobClient:
        """Whom it asks."""
        return self.site.client

    @property
    def places(self) -> Places:
        """Where everything stands."""
        return self.site.places

    async def enqueue(
        self,
        queue: str,
        job: Job,
        priority: int = PRIORITY_DEFAULT,
        when_taken: WhenTaken = WhenTaken.REJECT,
    ) -> JobId:
        """Enqueue one job, in one transaction; two where its queue is under a limit.

        Args:
            queue: its queue's name; a queue is there once it holds something.
            job: what to do. Its `created_unix_ms` is the caller's to set.
            priority: 0 to 9, higher runs sooner.
            when_taken: what becomes of it when its unique key is taken.

        Returns:
            Its id, or with `WhenTaken.KEEP` that of the job that has the key.

        Raises:
            DuplicateJob: its key is taken; with `REPLACE`, by a job that runs or has ended.
            Misuse: the queue's name or the priority is none, or the job cannot be encoded.
            MaybeDone: it may have been enqueued; see above.
        """
        return await enqueueing.enqueue(self.site, NewJob(queue, job, priority, when_taken))

    async def enqueue_many(self, news: Iterable[NewJob]) -> list[JobId]:
        """Enqueue jobs in their order, about a thousand in a transaction.

        Each transaction is done whole or not at all; when one raises, those before it stand.

        Returns:
            The ids, in the order given.

        Raises:
            DuplicateJob: a key is taken whose job is to be rejected; of its transaction nothing
                was enqueued.
            Misuse, MaybeDone: as `enqueue`.
        """
        return await many.enqueue_many(self.site, news)

    async def find(self, job_id: JobId) -> Found | None:
        """Return a job as it stands now; None where nothing is known of it (any more)."""
        return await finding.find(self.site, job_id)

    async def wait(self, job_id: JobId) -> Ending:
        """Wait until a job has ended, by watch, and return how.

        Any number of waits are cheap: many for jobs of one queue share a watch.

        Raises:
            UnknownJob: nothing is known of it.
            NotKept: its ending is not kept, so that nobody can wait for it.
        """
        shared = self._waits.setdefault(job_id.queue, SharedWaits(self.site, job_id.queue))
        with shared.counted() as waits:
            if waits > ALONE_MAX:
                return await shared.ending(job_id)
            return await waiting.wait(self.site, job_id)

    async def cancel(self, job_id: JobId, reason: str = "") -> State:
        """Cancel a job: at once where it waits; where it runs, by asking its worker, durably.

        Returns:
            CANCELLED where it is now; HELD where its worker is asked; or how it had ended before.

        Raises:
            UnknownJob: nothing is known of it.
        """
        return await cancelling.cancel(self.site, job_id, reason)

    async def replay(self, job_id: JobId) -> None:
        """Put a dead job back into line, at its old place, its attempts counted from 0.

        Raises:
            UnknownJob: nothing is known of it.
            NotReplayable: it is not dead.
        """
        await replaying.replay(self.site, job_id)

    async def list(self, queue: str, state: State, limit: int = LIST_JOBS, after: str = "") -> Page:
        """Return a page of a queue's jobs of one state, in order of urgency and arrival.

        Args:
            queue: its name.
            state: held jobs come by worker.
            limit: jobs in a page.
            after: of the page before.
        """
        return await listing.list_jobs(self.site, queue, state, limit, after)

    def every(self, queue: str, state: State) -> AsyncIterator[Found]:
        """Iterate over a queue's jobs of one state, read a page at a time as they then are."""
        return listing.every_job(self.site, queue, state)

    async def counts(self, queue: str) -> dict[State, int]:
        """Return how many jobs of a queue are in which state, all at one revision.

        DONE counts every ending that is kept, of cancelled and expired jobs too, but for the dead.
        """
        return (await queues.view(self.site, queue)).counts

    async def view(self, queue: str) -> QueueView:
        """Return a queue as it is now: counts, what holds it shut, its limit."""
        return await queues.view(self.site, queue)

    async def queues(self) -> Sequence[str]:
        """Return the names of all queues that hold anything."""
        return await queues.queues(self.site)

    async def pause(self, queue: str, reason: str = "") -> None:
        """Let no worker claim from a queue until it is resumed; what runs runs on."""
        await queues.pause(self.site, queue, reason)

    async def resume(self, queue: str) -> bool:
        """Let workers claim again, unless something else holds the queue shut.

        Returns:
            Whether it was paused.
        """
        return await queues.resume(self.site, queue)

    async def purge(self, queue: str, state: State) -> int:
        """Clear a queue of the jobs of one state: those that wait are cancelled ("purged").

        Of dead and ended jobs nothing is left. A job that moves meanwhile is passed over.

        Returns:
            How many went.

        Raises:
            Misuse: of jobs that run; cancel those.
        """
        return await purging.purge(self.site, queue, state)
