"""Steps of a job in a worker's hands; fenced by the claim, a stale worker changes nothing.

A job's claim is its key's creation: token and create_revision are one number.
"""

import msgspec

from coord.client import ops
from coord.requests import Compare, TxnOp
from workers.model.ending import Ending, encode_ending
from workers.model.ids import JobId
from workers.model.job import Attempt, Job, encode_job
from workers.model.places import Places
from workers.model.states import State
from workers.steps.due import DueKind, due_delete, due_put
from workers.steps.move import Move


def end_held(
    places: Places, job_id: JobId, job: Job, worker: str, ending: Ending, lease: int = 0
) -> Move:
    """Return the step that ends a held job: done, dead, cancelled or expired.

    Args:
        places: of the space.
        job_id: the job's.
        job: as claimed, with its last attempt on record where that failed.
        worker: who holds it.
        ending: what is kept; `ending.token` is the claim's.
        lease: that the ending is kept under; a dead job's is kept until it is replayed or purged.
    """
    key = places.queue(job_id.queue).held_by(worker) + job_id.item.encode()
    guard = ops.created(key, "==", ending.token)
    return Move(
        (guard,),
        (
            ops.delete(key),
            ops.delete(places.cancel(job_id)),
            *end_steps(places, job_id, job, ending, lease),
        ),
    )


def end_steps(
    places: Places, job_id: JobId, job: Job, ending: Ending, lease: int = 0
) -> list[TxnOp]:
    """Return what ends a job, wherever it stood; taking it from there is the caller's."""
    at, item, name = places.queue(job_id.queue), job_id.item.encode(), str(job_id).encode()
    value = encode_ending(ending)
    steps: list[TxnOp] = []
    if ending.state is State.DEAD:
        steps += [ops.put(at.done + item, value), ops.put(at.dead + item, encode_job(job))]
    elif job.result_ttl_ms:
        steps.append(ops.put(at.done + item, value, lease=lease))
    for limit in job.limits:
        steps += [ops.delete(places.admitted(limit) + name)]
    if job.unique and not job.unique_until_unix_ms:
        steps.append(ops.delete(places.unique(job.unique) + name))
    if job.expires_unix_ms:
        steps.append(due_delete(places, job.expires_unix_ms, job_id, DueKind.EXPIRE))
    if job.group:
        steps.append(ops.delete(places.group_open(job.group) + name))
        steps.append(ops.put(places.group_ended(job.group) + name, value))
        if ending.state in (State.CANCELLED, State.EXPIRED):
            steps.append(ops.put(places.group_kept(job.group) + name, encode_job(job)))
    return steps


def retry(
    places: Places, job_id: JobId, job: Job, worker: str, token: int, attempt: Attempt, due_ms: int
) -> Move:
    """Return the step that records a failed attempt and has the job wait until `due_ms` (unix).

    It fails, as a stale claim does, where the job is asked to end: then cancel it.
    """
    return _put_off(places, job_id, job.with_attempt(attempt), worker, token, due_ms)


def snooze(
    places: Places, job_id: JobId, job: Job, worker: str, token: int, attempt: int, due_ms: int
) -> Move:
    """Return the step of a job that put itself off until `due_ms` (unix); no attempt is counted."""
    put_off = msgspec.structs.replace(job, tries=attempt - 1, snoozes=job.snoozes + 1)
    return _put_off(places, job_id, put_off, worker, token, due_ms)


def put_back(
    places: Places, job_id: JobId, job: Job, worker: str, token: int, attempt: int
) -> Move:
    """Return the step that puts a claimed job back into its place in line; no attempt is counted.

    For jobs that were not started, or were stopped for no fault of theirs.
    """
    at, item = places.queue(job_id.queue), job_id.item.encode()
    key = at.held_by(worker) + item
    back = job if job.tries == attempt - 1 else msgspec.structs.replace(job, tries=attempt - 1)
    steps: tuple[TxnOp, ...] = (ops.delete(key), ops.put(at.ready + item, encode_job(back)))
    return Move((ops.created(key, "==", token),), steps)


def _put_off(places: Places, job_id: JobId, job: Job, worker: str, token: int, due_ms: int) -> Move:
    at, item, name = places.queue(job_id.queue), job_id.item.encode(), str(job_id).encode()
    key = at.held_by(worker) + item
    waiting = msgspec.structs.replace(job, due_unix_ms=due_ms)
    guards: tuple[Compare, ...] = (
        ops.created(key, "==", token),
        ops.missing(places.cancel(job_id)),
    )
    freed = [ops.delete(places.admitted(limit) + name) for limit in job.limits]
    return Move(
        guards,
        (
            ops.delete(key),
            ops.put(at.later + item, encode_job(waiting)),
            due_put(places, due_ms, job_id, DueKind.RUN),
            *freed,
        ),
    )
