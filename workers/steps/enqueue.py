"""Enqueuing a job: into line, to wait for its time, or to park behind its limits."""

from functools import lru_cache

from coord.client import ops
from coord.requests import Compare, TxnOp
from workers.model.ids import rank
from workers.model.job import Job, encode_job
from workers.model.places import Places, QueuePlaces
from workers.steps.due import DueKind, due_put_beside
from workers.steps.move import Move


def enqueue(places: Places, queue: str, priority: int, job: Job, now_unix_ms: int) -> Move:
    """Return the transaction that enqueues a job.

    Its first operation is the sequenced put of the job; its reply tells the key, and so the item.
    The move fails where the unique key is taken, or where the queue as a whole is under a limit
    (`queue/Q/limit` names it) that `job.limits` does not name: look, name it, and try again.

    Args:
        places: of the space.
        queue: its name.
        priority: 0 to 9, higher runs sooner.
        job: what to do; the due time in it decides whether it waits.
        now_unix_ms: a due time up to this is no reason to wait.

    Raises:
        Misuse: the priority is none, or the job cannot be encoded.
    """
    at, digit = places.queue(queue), rank(priority)
    stem = f"{queue}:{digit}".encode()
    later = job.due_unix_ms > now_unix_ms
    place = at.later if later else at.parked if job.limits else at.ready
    steps: list[TxnOp] = [ops.put(place + digit.encode(), encode_job(job), sequence=True)]
    compare: list[Compare] = []
    if later:
        steps.append(due_put_beside(places, job.due_unix_ms, stem, DueKind.RUN))
    elif job.limits:
        for limit in job.limits:
            steps.append(ops.put(places.waiting(limit) + stem, same_sequence=True))
    if not later and queue_limit(queue) not in job.limits:
        compare.append(_unlimited(at))
    if job.expires_unix_ms:
        steps.append(due_put_beside(places, job.expires_unix_ms, stem, DueKind.EXPIRE))
    if job.unique:
        unique = places.unique(job.unique)
        compare.append(ops.missing(unique, prefix=True))
        steps.append(ops.put(unique + stem, same_sequence=True))
        if job.unique_until_unix_ms:
            until = job.unique_until_unix_ms
            steps.append(due_put_beside(places, until, stem, DueKind.FORGET_UNIQUE, job.unique))
    if job.group:
        steps.append(ops.put(places.group_open(job.group) + stem, same_sequence=True))
    return Move(tuple(compare), tuple(steps))


@lru_cache(maxsize=1024)
def _unlimited(at: QueuePlaces) -> Compare:
    return ops.missing(at.limit)


def queue_limit(queue: str) -> str:
    """Return the name of the limit a queue as a whole is under, where it is under one."""
    return f"queue.{queue}"
