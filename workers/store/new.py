"""A job about to be enqueued, and what to do when its unique key is taken."""

from enum import Enum

import msgspec

from workers.model.ids import PRIORITY_DEFAULT
from workers.model.job import Job


class WhenTaken(Enum):
    """What becomes of a job whose unique key another has."""

    REJECT = "reject"  #: DuplicateJob is raised; its job_id has the key
    KEEP = "keep"  #: the one that has the key stands for both
    REPLACE = "replace"  #: if that one still waits it is cancelled; otherwise as REJECT


class NewJob(msgspec.Struct, frozen=True):
    """What `enqueue_many` takes."""

    queue: str
    job: Job
    priority: int = PRIORITY_DEFAULT
    when_taken: WhenTaken = WhenTaken.REJECT
