"""A decision about a schedule as one transaction: jobs enqueued, and the state that says so.

It is taken only while schedule and state are as they were read, so whoever decides from something
older, a steward that was replaced or an answer that came twice, changes nothing.
"""

from collections.abc import Iterable

import msgspec
from attrs import frozen

from coord.client import ops
from coord.requests import Compare, TxnOp
from workers.model.ids import JobId
from workers.model.job import Job
from workers.schedules.codec import encode
from workers.schedules.places import FIRINGS_KEPT, SchedulePlaces, unique_of
from workers.schedules.plan import Fire, Plan
from workers.schedules.values import Backfill, Cause, Firing, Overlap, Schedule, State
from workers.schedules.zones import iso
from workers.steps.enqueue import enqueue, queue_limit
from workers.steps.move import Move


@frozen
class Known:
    """A schedule and what belongs to it, all read at one revision.

    Attributes:
        schedule: what it is.
        revision: that wrote it last.
        state: what became of it; None where nothing is known.
        state_value: that as it stands in the store. It never stands there twice, since each
            decision settles a time or counts a job: whether it is the same, is whether there
            was none since.
        standing: its job that has not ended; None where there is none.
        backfill: what is to be fired anew.
        backfill_revision: that wrote it last; 0 for never.
        queue_limited: whether its queue as a whole is under a limit.
    """

    schedule: Schedule
    revision: int
    state: State | None
    state_value: bytes | None
    standing: JobId | None = None
    backfill: Backfill | None = None
    backfill_revision: int = 0
    queue_limited: bool = False


def take(places: SchedulePlaces, known: Known, plan: Plan, now_unix_ms: int) -> tuple[Move, State]:
    """Return the transaction that takes a step, and the state it leaves.

    It fails where something of what was known has changed; look again.

    Raises:
        Misuse: the job cannot be enqueued as it stands.
    """
    schedule = known.schedule
    compare = list(unchanged(places, known))
    if known.backfill is not None:
        key = places.backfill(schedule.name)
        compare.append(ops.modified(key, "==", known.backfill_revision))
        left = plan.backfill
        done: TxnOp = ops.delete(key) if left is None else ops.put(key, encode(left))
        steps = [done]
    else:
        steps = []
        if known.standing is not None and schedule.overlap is not Overlap.ALLOW:
            compare.append(_stands(places, schedule, known.standing))
    state = plan.state
    for fire in plan.fires:
        move, state = _fire(places, known, state, fire, now_unix_ms)
        compare += (each for each in move.compare if each not in compare)
        steps += move.ops
    steps.append(ops.put(places.state(schedule.name), encode(state)))
    return Move(tuple(compare), tuple(steps)), state


def run_now(places: SchedulePlaces, known: Known, now_unix_ms: int, *, overlap: bool) -> Move:
    """Return the transaction that enqueues the job by hand, whatever the rule says.

    Its first operation is the put of the job.

    Args:
        places: of schedules.
        known: the schedule.
        now_unix_ms: the time.
        overlap: whether it may stand beside a job that has not ended; the move fails otherwise.
    """
    assert known.state is not None
    fire = Fire(now_unix_ms, Cause.RUN)
    move, state = _fire(places, known, known.state, fire, now_unix_ms, overlap=overlap)
    return Move(
        (*unchanged(places, known), *move.compare),
        (*move.ops, ops.put(places.state(known.schedule.name), encode(state))),
    )


def unchanged(places: SchedulePlaces, known: Known) -> Iterable[Compare]:
    """Return the conditions that a schedule and its state are as they were read."""
    name, value = known.schedule.name, known.state_value
    state = places.state(name)
    return (
        ops.modified(places.spec(name), "==", known.revision),
        ops.missing(state) if value is None else ops.value(state, "==", value),
    )


def job_of(known: Known, fire: Fire, now_unix_ms: int, *, overlap: bool) -> Job:
    """Return the job a firing enqueues."""
    schedule = known.schedule
    job = schedule.job
    limits = job.limits
    whole = queue_limit(schedule.queue)
    if known.queue_limited and whole not in limits:
        limits = (*limits, whole)
    return msgspec.structs.replace(
        job,
        tags=(*job.tags, f"schedule:{schedule.name}", f"due:{iso(fire.due_unix_ms)}"),
        created_unix_ms=now_unix_ms,
        expires_unix_ms=now_unix_ms + schedule.expires_ms if schedule.expires_ms else 0,
        unique="" if overlap else unique_of(schedule.name),
        limits=limits,
    )


def _fire(
    places: SchedulePlaces,
    known: Known,
    state: State,
    fire: Fire,
    now_unix_ms: int,
    *,
    overlap: bool = False,
) -> tuple[Move, State]:
    """Return what one firing does, and the state after it."""
    schedule = known.schedule
    overlap = overlap or schedule.overlap is Overlap.ALLOW or fire.cause is Cause.BACKFILL
    job = job_of(known, fire, now_unix_ms, overlap=overlap)
    enqueued = enqueue(places.space, schedule.queue, schedule.priority, job, now_unix_ms)
    number = state.firings + 1
    stem = f"{schedule.queue}:{9 - schedule.priority}".encode()
    record = ops.put(
        places.firing(schedule.name, number) + stem,
        encode(Firing(fire.due_unix_ms, fire.cause, now_unix_ms)),
        same_sequence=True,
    )
    steps: list[TxnOp] = [*enqueued.ops, record]
    if number > FIRINGS_KEPT:
        old = places.firing(schedule.name, number - FIRINGS_KEPT)
        steps.append(ops.delete(old, prefix=True))
    return Move(enqueued.compare, tuple(steps)), msgspec.structs.replace(state, firings=number)


def _stands(places: SchedulePlaces, schedule: Schedule, job_id: JobId) -> Compare:
    return ops.exists(places.standing(schedule.name) + str(job_id).encode())
