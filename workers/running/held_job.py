"""A job in this worker's hands: what was claimed, and how far its attempt is."""

import asyncio

from attrs import Factory, define

from coord.model import KeyValue
from workers.model.ids import JobId
from workers.model.job import Job


@define(eq=False)
class HeldJob:
    """One claimed job.

    Attributes:
        id: the job's.
        kv: its key as claimed; `create_revision` is the claim's token.
        job: what the value says.
        attempt: which this is, from 1.
        held_s: since when it waits here, or runs, by the loop's clock.
        run: number of the attempt among all of this worker; 0 while it waits for a child.
        started_unix_ms: when it was started; 0 while it was not.
        cancel_reason: why it shall end; None while nobody asked for that.
        clocks: what goes off when it has run too long.
    """

    id: JobId
    kv: KeyValue
    job: Job
    attempt: int
    held_s: float = 0.0
    run: int = 0
    started_unix_ms: int = 0
    cancel_reason: str | None = None
    clocks: list[asyncio.TimerHandle] = Factory(list)

    def stop_clocks(self) -> None:
        """Forget its limits of time: the attempt is over."""
        for clock in self.clocks:
            clock.cancel()
        self.clocks.clear()

    @property
    def token(self) -> int:
        """The claim's token."""
        return self.kv.create_revision

    @property
    def losses(self) -> int:
        """How often a worker was lost with it since its last recorded attempt."""
        return self.kv.claims - 1
