"""A job as found in the store: which state it is in, and everything known of it there."""

from attrs import frozen

from coord.model import KeyValue
from workers.model.ending import Ending, decode_ending
from workers.model.ids import JobId
from workers.model.job import Job, decode_job
from workers.model.states import State


@frozen
class Found:
    """One job at one revision.

    Attributes:
        id: its id.
        state: where it stands.
        kv: the key it stands in, as read.
        job: what it is; None where only its ending is left, or where the value is no job.
        ending: how it ended; None where it has not.
        worker: who holds it; "" for nobody.
        cancel_reason: why a job that runs, or did, is asked to end; None where it is not.
    """

    id: JobId
    state: State
    kv: KeyValue
    job: Job | None = None
    ending: Ending | None = None
    worker: str = ""
    cancel_reason: str | None = None

    @property
    def name(self) -> str:
        """Of the job function; "" where the value is unreadable."""
        known = self.job or self.ending
        return known.name if known else ""

    @property
    def attempt(self) -> int:
        """The attempt under way, or the last one there was; 0 before the first."""
        if self.ending is not None:
            return self.ending.attempt
        return self.kv.claims + (self.job.tries if self.job else 0)

    @property
    def tags(self) -> tuple[str, ...]:
        """The job's."""
        known = self.job or self.ending
        return known.tags if known else ()

    @property
    def created_unix_ms(self) -> int:
        """When it was enqueued, by the enqueuer's clock."""
        known = self.job or self.ending
        return known.created_unix_ms if known else 0


def standing(job_id: JobId, state: State, kv: KeyValue, worker: str = "") -> Found:
    """Return a job that has not ended, or is dead, from the key it stands in."""
    return Found(job_id, state, kv, decode_job(kv.value), None, worker)


def ended(job_id: JobId, kv: KeyValue) -> Found:
    """Return a job of which the ending is left."""
    ending = decode_ending(kv.value)
    return Found(job_id, ending.state if ending else State.DONE, kv, None, ending)
