"""What the job framework raises beside the store's own errors, under the branch of each."""

from typing import Self

from coord.errors import CoordError, ErrorCode, Misuse, NotDone, Refused
from workers.model.causes import headline
from workers.model.ending import Ending
from workers.model.ids import JobId


class UnknownJob(Refused):
    """There is no such job: never enqueued, or its ending is not kept any more."""

    def __init__(self, job_id: JobId) -> None:
        super().__init__(f"no job {job_id}, or its ending is not kept any more")
        self.job_id = job_id


class UnknownFunction(Misuse):
    """The application has no job of this name."""


class BadArguments(Misuse):
    """Arguments that do not fit the job's signature; names the argument. Nothing was enqueued."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.INVALID_OPTION)


class AppNotFound(Misuse):
    """The application named by package.module:attribute cannot be imported, or is none."""


class DuplicateJob(Refused):
    """The unique key is taken; `job_id` has it. Nothing was enqueued."""

    def __init__(self, job_id: JobId) -> None:
        super().__init__(f"its unique key is taken by job {job_id}")
        self.job_id = job_id


class NotReplayable(Refused):
    """Only a dead job can be put back; nothing was changed."""


class JobFailed(CoordError):
    """The job awaited did not end well; `ending` tells how it ended and why.

    The message is one line; what the job raised, with its traceback, is added as a note.
    """

    def __init__(self, job_id: JobId, ending: Ending) -> None:
        tried = f" at attempt {ending.attempt}" if ending.attempt else ""
        cause = ending.cause.strip()
        line = headline(cause) or "no cause is known"
        super().__init__(f"job {job_id} ended {ending.state.value}{tried}: {line}")
        if line != cause:
            self.add_note(cause)
        self.job_id = job_id
        self.ending = ending


class NotKept(NotDone):
    """The job's ending is not kept (its result_ttl_ms is 0), so nobody can wait for it."""

    @classmethod
    def of(cls, job_id: JobId) -> Self:
        """Return the error for a job."""
        return cls(f"the ending of job {job_id} is not kept: its result_ttl_ms is 0")
