"""What follows from an attempt: pure choice of a job's next step.

An ending, a wait before the next attempt, a wait the job asked for, or back into line as if it had
not been claimed.
"""

import msgspec
from attrs import frozen

from workers.model.ending import Ending
from workers.model.job import Attempt
from workers.model.states import State
from workers.running.backoff import Draw, wait_ms
from workers.running.held_job import HeldJob
from workers.running.wire import Finished, Outcome, PutOff, Spawned

_NOTHING = msgspec.Raw(b"null")


@frozen
class End:
    """The job has ended."""

    ending: Ending
    attempt: Attempt | None = None
    spawned: tuple[Spawned, ...] = ()


@frozen
class Retry:
    """It failed and is tried again at `due_unix_ms`, unless somebody asked for its end."""

    attempt: Attempt
    due_unix_ms: int


@frozen
class Snooze:
    """It put itself off until `due_unix_ms`, unless somebody asked for its end."""

    due_unix_ms: int


@frozen
class PutBack:
    """It goes back into line; the attempt does not count."""


Verdict = End | Retry | Snooze | PutBack


def judge(held: HeldJob, outcome: Outcome, worker: str, now_unix_ms: int, draw: Draw) -> Verdict:
    """Choose what follows from an attempt's outcome."""
    if isinstance(outcome, Finished):
        return End(_done(held, outcome, worker, now_unix_ms), spawned=outcome.spawned)
    if held.cancel_reason is not None:
        return cancelled(held, worker, now_unix_ms, outcome.log)
    if isinstance(outcome, PutOff):
        return Snooze(now_unix_ms + max(0, outcome.after_ms))
    attempt = _came_to_nothing(held, outcome.cause, worker, now_unix_ms, outcome.log)
    if not outcome.again or held.attempt >= held.job.attempts_max:
        return _dead(held, attempt)
    after_ms = outcome.after_ms
    if after_ms < 0:
        after_ms = wait_ms(held.job.backoff, held.attempt, draw)
    return Retry(attempt, now_unix_ms + after_ms)


def before_start(held: HeldJob, worker: str, now_unix_ms: int) -> End | None:
    """Return the ending of a job that was claimed and must not be started, or None."""
    job = held.job
    if held.cancel_reason is not None:
        return cancelled(held, worker, now_unix_ms)
    if held.attempt > job.attempts_max:
        times = "once" if held.losses == 1 else f"{held.losses} times"
        return bury(held, f"its worker was lost {times}", worker, now_unix_ms)
    is_new = held.attempt == 1 and not job.was_started
    if is_new and 0 < job.expires_unix_ms <= now_unix_ms:
        cause = "not started in time"
        return End(_ending(held, State.EXPIRED, worker, now_unix_ms, cause=cause))
    return None


def bury(held: HeldJob, cause: str, worker: str, now_unix_ms: int) -> End:
    """Return the ending of a job that is given up for good."""
    return _dead(held, _came_to_nothing(held, cause, worker, now_unix_ms))


def cancelled(held: HeldJob, worker: str, now_unix_ms: int, log: str = "") -> End:
    """Return the ending of a job somebody wants no more."""
    cause = held.cancel_reason or "cancelled"
    return End(_ending(held, State.CANCELLED, worker, now_unix_ms, cause=cause, log=log))


def _dead(held: HeldJob, attempt: Attempt) -> End:
    ending = _ending(
        held, State.DEAD, attempt.worker, attempt.ended_unix_ms, attempt.cause, attempt.log
    )
    return End(ending, attempt)


def _done(held: HeldJob, outcome: Finished, worker: str, now_unix_ms: int) -> Ending:
    result = msgspec.Raw(outcome.result)
    return _ending(
        held, State.DONE, worker, now_unix_ms,
        log=outcome.log, result=result, result_msgpack=outcome.result_msgpack,
    )  # fmt: skip


def _ending(
    held: HeldJob,
    state: State,
    worker: str,
    now_unix_ms: int,
    cause: str = "",
    log: str = "",
    result: msgspec.Raw = _NOTHING,
    result_msgpack: bytes = b"",
) -> Ending:
    job = held.job
    return Ending(
        state=state,
        name=job.name,
        token=held.token,
        attempt=held.attempt if held.started_unix_ms or state is State.DEAD else 0,
        worker=worker,
        result=result,
        result_msgpack=result_msgpack,
        cause=cause,
        created_unix_ms=job.created_unix_ms,
        started_unix_ms=held.started_unix_ms,
        ended_unix_ms=now_unix_ms,
        tags=job.tags,
        log=log,
        history=job.history,
    )


def _came_to_nothing(
    held: HeldJob, cause: str, worker: str, now_unix_ms: int, log: str = ""
) -> Attempt:
    return Attempt(held.attempt, cause, worker, held.started_unix_ms, now_unix_ms, log)
