"""What is to be done about a schedule now: decided from what is known of it, changing nothing.

Every due time is decided once, in order: fired, buffered, skipped, or missed. The state that comes
with the decision says so, and takes effect in the transaction that does what was decided.
"""

from itertools import islice

import msgspec
from attrs import frozen

from workers.model.ids import JobId
from workers.schedules.due import count_dues, dues, fire_unix_ms, next_due
from workers.schedules.values import Backfill, CatchUp, Cause, Overlap, Schedule, State

DUES_MAX = 32  # decided in one step; the others in the next


@frozen
class Fire:
    """A job to enqueue."""

    due_unix_ms: int
    cause: Cause


@frozen
class Plan:
    """One step to take.

    Attributes:
        state: after it.
        fires: what to enqueue.
        cancel: whether the job that stands is to be cancelled.
        backfill: what is left of one under way, None where nothing is; as it was where this step
            is none of it.
    """

    state: State
    fires: tuple[Fire, ...] = ()
    cancel: bool = False
    backfill: Backfill | None = None


def plan(
    schedule: Schedule,
    state: State,
    standing: JobId | None,
    backfill: Backfill | None,
    now_unix_ms: int,
) -> Plan | None:
    """Return the next step for a schedule, or None while there is nothing to do.

    Args:
        schedule: what it is.
        state: what became of it so far.
        standing: its job that has not ended; None where there is none, or overlap is allowed.
        backfill: what was asked to be fired anew.
        now_unix_ms: the time.
    """
    if backfill is not None:
        return _fill(schedule, state, backfill)
    if schedule.paused:
        return None
    if state.buffered_unix_ms and (standing is None or schedule.overlap is Overlap.ALLOW):
        after = msgspec.structs.replace(state, buffered_unix_ms=0, asked_to_end="")
        return Plan(after, (Fire(state.buffered_unix_ms, Cause.BUFFERED),))
    decided = _decide(schedule, state, standing, now_unix_ms)
    after = decided.state
    cancel = (
        standing is not None
        and schedule.overlap is Overlap.CANCEL_OLD
        and after.buffered_unix_ms > 0
        and after.asked_to_end != str(standing)
    )
    if cancel:
        after = msgspec.structs.replace(after, asked_to_end=str(standing))
    return Plan(after, decided.fires, cancel) if after != state else None


def wake_unix_ms(schedule: Schedule, state: State) -> int | None:
    """Return when the next due time is to be fired; None where that is never."""
    if schedule.paused:
        return None
    due = next_due(schedule.rule, state.settled_unix_ms)
    return None if due is None else fire_unix_ms(schedule, due)


def after_edit(
    old: Schedule | None, state: State | None, new: Schedule | None, now_unix_ms: int
) -> State:
    """Return the state to write with an edit.

    A rule is in force from its edit on, until its next one: what was due before and not fired yet
    is missed, what was due during a pause never was.

    Args:
        old: the schedule before; None where there was none.
        state: before; it may be there without a schedule.
        new: the schedule after; None where it goes.
        now_unix_ms: the time of the edit.
    """
    if state is None:
        return State(settled_unix_ms=now_unix_ms)
    was, will_be = old is not None and not old.paused, new is not None and not new.paused
    if state.buffered_unix_ms and (new is None or new.overlap is Overlap.SKIP):
        skipped = state.skipped + 1
        state = msgspec.structs.replace(state, buffered_unix_ms=0, asked_to_end="", skipped=skipped)
    if old is not None and new is not None and old.rule == new.rule and was == will_be:
        return state
    missed = state.missed
    if old is not None and was:
        missed += count_dues(old.rule, state.settled_unix_ms, now_unix_ms)
    settled_unix_ms = max(state.settled_unix_ms, now_unix_ms)
    return msgspec.structs.replace(state, settled_unix_ms=settled_unix_ms, missed=missed)


def _fill(schedule: Schedule, state: State, backfill: Backfill) -> Plan:
    times = dues(schedule.rule, backfill.after_unix_ms, backfill.until_unix_ms)
    some = tuple(islice(times, DUES_MAX))
    left = msgspec.structs.replace(backfill, after_unix_ms=some[-1]) if some else None
    return Plan(state, tuple(Fire(due, Cause.BACKFILL) for due in some), backfill=left)


def _decide(schedule: Schedule, state: State, standing: JobId | None, now_unix_ms: int) -> "Plan":
    """Decide the due times up to now, or the first of them."""
    state = _miss_what_is_long_past(schedule, state, now_unix_ms)
    times = _ripe(schedule, state, now_unix_ms)
    if schedule.catch_up is CatchUp.LATEST and len(times) > 1:
        state = msgspec.structs.replace(
            state, missed=state.missed + len(times) - 1, settled_unix_ms=times[-2]
        )
        # Where there may be more than were looked at, the last of these may not be the latest.
        times = times[-1:] if len(times) < DUES_MAX else []
    fires: list[Fire] = []
    occupied = standing is not None
    for due in times:
        state = msgspec.structs.replace(state, settled_unix_ms=due)
        if fire_unix_ms(schedule, due) < now_unix_ms - schedule.catch_up_ms:
            state = msgspec.structs.replace(state, missed=state.missed + 1)
        elif schedule.overlap is Overlap.ALLOW or not occupied:
            fires.append(Fire(due, Cause.DUE))
            occupied = True
        else:
            state = _give_way(schedule, state, due)
    return Plan(state, tuple(fires))


def _give_way(schedule: Schedule, state: State, due_unix_ms: int) -> State:
    """Settle a due time that meets the job of the one before."""
    replaces = schedule.overlap is Overlap.CANCEL_OLD
    if schedule.overlap is Overlap.SKIP or (state.buffered_unix_ms and not replaces):
        return msgspec.structs.replace(state, skipped=state.skipped + 1)
    skipped = state.skipped + (1 if state.buffered_unix_ms else 0)
    return msgspec.structs.replace(state, buffered_unix_ms=due_unix_ms, skipped=skipped)


def _miss_what_is_long_past(schedule: Schedule, state: State, now_unix_ms: int) -> State:
    """Settle what cannot be within the window, however many due times that are."""
    horizon = now_unix_ms - schedule.catch_up_ms - schedule.jitter_ms - 1
    missed = count_dues(schedule.rule, state.settled_unix_ms, horizon)
    if not missed:
        return state
    return msgspec.structs.replace(state, settled_unix_ms=horizon, missed=state.missed + missed)


def _ripe(schedule: Schedule, state: State, now_unix_ms: int) -> list[int]:
    """Return due times to decide now, the soonest first."""
    ripe: list[int] = []
    for due in dues(schedule.rule, state.settled_unix_ms, now_unix_ms):
        if len(ripe) == DUES_MAX or fire_unix_ms(schedule, due) > now_unix_ms:
            break
        ripe.append(due)
    return ripe
