"""Steps of jobs that wait: their time has come, their limits let them pass, they are replayed."""

from collections.abc import Mapping

import msgspec

from coord.client import ops
from coord.model import KeyValue
from coord.requests import Compare, TxnOp
from workers.model.ids import JobId
from workers.model.job import Job, encode_job
from workers.model.places import Places
from workers.steps.due import Due
from workers.steps.enqueue import queue_limit
from workers.steps.move import Move


def into_line(
    places: Places, job_id: JobId, job: Job, *, queue_limited: bool, value: bytes | None = None
) -> list[TxnOp]:
    """Return what puts a job that waits for nothing else into line: ready, or behind its limits.

    Args:
        places: of the space.
        job_id: the job's.
        job: what is put into line.
        queue_limited: whether its queue as a whole is under a limit.
        value: `job` encoded, where the caller has it.
    """
    at, item = places.queue(job_id.queue), job_id.item.encode()
    limits = limits_of(job, job_id.queue, queue_limited=queue_limited)
    if limits != job.limits:
        job, value = msgspec.structs.replace(job, limits=limits), None
    place = at.parked if limits else at.ready
    steps: list[TxnOp] = [ops.put(place + item, encode_job(job) if value is None else value)]
    steps += [ops.put(places.waiting(limit) + str(job_id).encode()) for limit in limits]
    return steps


def limits_of(job: Job, queue: str, *, queue_limited: bool) -> tuple[str, ...]:
    """Return the limits a job is under, given whether its queue as a whole is under one now."""
    own = tuple(limit for limit in job.limits if limit != queue_limit(queue))
    return (*own, queue_limit(queue)) if queue_limited else own


def fall_due(places: Places, due: Due, kv: KeyValue, job: Job, *, queue_limited: bool) -> Move:
    """Return the step of a job whose time has come.

    Args:
        places: of the space.
        due: its entry.
        kv: its key under later/, as read.
        job: what that says.
        queue_limited: whether its queue as a whole is under a limit. The step fails where it has
            come under one since.
    """
    steps = into_line(places, due.job, job, queue_limited=queue_limited, value=kv.value)
    return Move(
        (
            ops.modified(kv.key, "==", kv.mod_revision),
            *_still_unlimited(places, due.job.queue, queue_limited=queue_limited),
        ),
        (ops.delete(kv.key), ops.delete(due.key), *steps),
    )


def admit(places: Places, job_id: JobId, kv: KeyValue, job: Job, rules: Mapping[str, int]) -> Move:
    """Return the step of a parked job whose limits let it pass.

    Args:
        places: of the space.
        job_id: the job's.
        kv: the key it stands in, as read.
        job: what that says.
        rules: the revision of each limit's rule by which it may pass, 0 where it has none; the
            step fails where one was changed since.
    """
    at, name = places.queue(job_id.queue), str(job_id).encode()
    steps: list[TxnOp] = [ops.delete(kv.key), ops.put(at.ready + job_id.item.encode(), kv.value)]
    for limit in job.limits:
        steps += [ops.delete(places.waiting(limit) + name), ops.put(places.admitted(limit) + name)]
    unchanged = [ops.modified(places.rule(limit), "==", rules[limit]) for limit in job.limits]
    return Move((ops.modified(kv.key, "==", kv.mod_revision), *unchanged), tuple(steps))


def park(places: Places, job_id: JobId, kv: KeyValue, job: Job) -> Move:
    """Return the step of a ready job (its key `kv`) whose queue came under a limit.

    Whatever limits had let it pass have to do so again: it is counted only once it runs. Attempts
    lost with workers are counted by the job from now on; the store counts a key's own.
    """
    name = str(job_id).encode()
    counted = msgspec.structs.replace(job, tries=job.tries + kv.claims)
    return Move(
        (ops.modified(kv.key, "==", kv.mod_revision), ops.exists(places.queue(job_id.queue).limit)),
        (
            ops.delete(kv.key),
            *(ops.delete(places.admitted(limit) + name) for limit in job.limits),
            *into_line(places, job_id, counted, queue_limited=True),
        ),
    )


def replay(places: Places, job_id: JobId, kv: KeyValue, job: Job, *, queue_limited: bool) -> Move:
    """Return the step that puts a dead job back, its attempts counted from 0.

    Args:
        places: of the space.
        job_id: the job's.
        kv: the key it stands in: under dead/, or under kept/ of the group it belongs to.
        job: what that says.
        queue_limited: whether its queue as a whole is under a limit.
    """
    at, item = places.queue(job_id.queue), job_id.item.encode()
    fresh = msgspec.structs.replace(job, tries=0, snoozes=0, due_unix_ms=0, expires_unix_ms=0)
    steps = into_line(places, job_id, fresh, queue_limited=queue_limited)
    if job.group:
        name = str(job_id).encode()
        steps += [
            ops.put(places.group_open(job.group) + name),
            ops.delete(places.group_ended(job.group) + name),
        ]
    return Move(
        (
            ops.modified(kv.key, "==", kv.mod_revision),
            *_still_unlimited(places, job_id.queue, queue_limited=queue_limited),
        ),
        (ops.delete(kv.key), ops.delete(at.done + item), *steps),
    )


def _still_unlimited(places: Places, queue: str, *, queue_limited: bool) -> tuple[Compare, ...]:
    return () if queue_limited else (ops.missing(places.queue(queue).limit),)
