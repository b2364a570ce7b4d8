"""Jobs that a running job adds to its own stage, or to a later one that its stage feeds.

Both happen in the transaction that completes the job that adds them, so a stage never seems to have
ended while jobs are still to come. Into a later stage they go as a page: they wait for its gate.
"""

import msgspec

from coord.client import ops
from coord.errors import ErrorCode, error_from
from coord.requests import Put
from workers.model.job import Job
from workers.model.places import Places
from workers.pipelines.codec import encode
from workers.pipelines.places import PipelinePlaces, group_of, stage_of
from workers.pipelines.spec import Call


def joined(own: Job, job: Job, stage: str = "") -> Job:
    """Return a job as a member of the group it is added to.

    Args:
        own: the running job.
        job: the one it adds.
        stage: of its pipeline; "" for its own group, if it is in one.

    Raises:
        Misuse: it is in no pipeline, its stage does not feed that one, or the job shall wait for a
            time, which it cannot where it waits for a gate.
    """
    if not stage or group_ends_in(own.group, stage):
        return msgspec.structs.replace(job, group=own.group, feeds=own.feeds)
    family = stage_of(own.group)
    if family is None:
        raise _wrong(f"job {own.name!r} is in no pipeline, so it cannot add to stage {stage!r}")
    if stage not in own.feeds:
        fed = ", ".join(own.feeds) or "none"
        raise _wrong(f"stage {family[1]!r} does not feed {stage!r}; it feeds: {fed}")
    if job.due_unix_ms:
        raise _wrong(f"a job added to stage {stage!r} waits for that, it cannot be delayed too")
    return msgspec.structs.replace(job, group=group_of(family[0], stage))


def group_ends_in(group: str, stage: str) -> bool:
    """Tell whether a group is of the stage of this name."""
    family = stage_of(group)
    return family is not None and family[1] == stage


def adding(places: Places, queue: str, priority: int, job: Job) -> Put:
    """Return what adds a job, `joined` before, to a later stage: once that opens it is enqueued."""
    family = stage_of(job.group)
    assert family is not None, "joined gave it a stage"
    page = PipelinePlaces(places).pages(*family) + b"s"
    return ops.put(page, encode((Call.of(queue, priority, job),)), sequence=True)


def _wrong(detail: str) -> Exception:
    return error_from(ErrorCode.INVALID_OPTION, detail)
