"""What a running job may use beside its arguments: a first parameter of type Context gets it."""

import logging
from typing import Protocol

from coord.errors import ErrorCode, Misuse
from workers.app.call import Call
from workers.model.job import Job
from workers.timer import Timer

LOGGER = "job"


class CancelSignal(Protocol):
    """Whether the job is asked to end: true or false, and something to wait for."""

    def __bool__(self) -> bool:
        """Tell whether it is."""
        ...

    def is_set(self) -> bool:
        """Tell whether it is."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is, for at most `timeout` seconds; tell whether it is."""
        ...


class Running(Protocol):
    """What whoever runs jobs knows and does for one; see Context for what each means."""

    @property
    def id(self) -> str:
        """The job's id."""
        ...

    @property
    def name(self) -> str:
        """Of the job function."""
        ...

    @property
    def queue(self) -> str:
        """It was enqueued in."""
        ...

    @property
    def attempt(self) -> int:
        """Which this is."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """The job's."""
        ...

    @property
    def deadline_unix_ms(self) -> int:
        """When it will be killed."""
        ...

    @property
    def cancelled(self) -> CancelSignal:
        """Whether it is asked to end."""
        ...

    def progress(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far it is."""
        ...

    def enqueue_when_done(self, queue: str, priority: int, job: Job, stage: str = "") -> None:
        """Enqueue a job with its completion, as one of its group or of a later stage."""
        ...


class Context:
    """One attempt at a job, as the job sees it.

    Attributes:
        id: the job's, the same at every attempt; name what you write outside by it.
        name: of the job function.
        queue: it was enqueued in.
        attempt: which this is, from 1.
        tags: the job's.
        deadline_unix_ms: when it will be killed; 0 for never.
        cancelled: true once the job is asked to end; look at it now and then in long loops.
        log: a logger whose words are kept with the attempt.
    """

    def __init__(self, running: Running, timer: Timer) -> None:
        self._running = running
        self._timer = timer
        self.id = running.id
        self.name = running.name
        self.queue = running.queue
        self.attempt = running.attempt
        self.tags = running.tags
        self.deadline_unix_ms = running.deadline_unix_ms
        self.cancelled = running.cancelled
        self.log = logging.getLogger(LOGGER).getChild(running.name)

    def progress(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far the job is; cheap, may be passed over for a newer one, gone when it ends."""
        self._running.progress(done, total, message)

    def spawn(self, call: Call[object], stage: str = "") -> None:
        """Enqueue another job in the transaction that completes this one; not at all if it fails.

        Args:
            call: the job.
            stage: the later stage of this job's pipeline that is to run it; "" for its own group,
                which has not ended before that job has.

        Raises:
            Misuse: it has a unique key. Such a job is enqueued with `enqueue`, which can tell. Or
                this job's stage does not feed that one, or it is too much for one transaction: at
                most 900 jobs, of 600 KiB together.
        """
        new = call.new_job(self._timer.now_unix_ms())
        if new.job.unique:
            detail = "a job with a unique key is enqueued, not spawned: its key may be taken"
            raise Misuse(f"{new.job.name}: {detail}", ErrorCode.INVALID_OPTION)
        self._running.enqueue_when_done(new.queue, new.priority, new.job, stage)
