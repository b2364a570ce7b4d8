"""Jobs as text: one line or one screen for people, one document for programs."""

import datetime
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from workers.model.causes import headline
from workers.model.ending import Ending
from workers.model.job import Attempt, Job
from workers.model.states import State
from workers.store.found import Found

LINE_CHARS = 60


def when(unix_ms: int) -> str:
    """Return a time for people, in this machine's zone; "" for never."""
    if not unix_ms:
        return ""
    try:
        at = datetime.datetime.fromtimestamp(unix_ms / 1000, datetime.UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return f"unix time {unix_ms} ms"  # beyond the year 9999, here or everywhere
    return at.isoformat(sep=" ", timespec="milliseconds")


def plain_result(ending: Ending) -> Any:
    """Return a result as JSON can say it; bytes in base64."""
    if ending.result_msgpack:
        return msgspec.to_builtins(msgspec.msgpack.decode(ending.result_msgpack), str_keys=True)
    return json.loads(bytes(ending.result) or b"null")


def result_line(ending: Ending) -> str:
    """Return what became of a job in one line: its result, or what tells the cause."""
    if ending.state is State.DONE:
        return json.dumps(plain_result(ending), ensure_ascii=False)
    line = headline(ending.cause)
    return f"{ending.state.value}: {line}" if line else ending.state.value


def job_json(found: Found) -> dict[str, Any]:
    """Return everything known of a job, for JSON."""
    shown: dict[str, Any] = {
        "id": str(found.id),
        "queue": found.id.queue,
        "state": found.state.value,
        "name": found.name,
        "priority": found.id.priority,
        "attempt": found.attempt,
        "worker": found.worker or (found.ending.worker if found.ending else ""),
        "tags": list(found.tags),
        "created_unix_ms": found.created_unix_ms,
        "cancel_reason": found.cancel_reason,
        "job": _job_json(found.job) if found.job else None,
        "ending": _ending_json(found.ending) if found.ending else None,
    }
    return shown


def job_row(found: Found) -> tuple[object, ...]:
    """Return a job's row of a listing: id, state, name, attempt, created, what else matters."""
    created = when(found.created_unix_ms).partition(".")[0]
    state = found.state.value
    return str(found.id), state, found.name, found.attempt, created, _remark(found)


JOB_COLUMNS = ("id", "state", "name", "attempt", "created", "")


def job_lines(found: Found) -> Iterator[str]:
    """Yield what is known of a job, a line for each thing."""
    yield f"job       {found.id}"
    yield f"state     {found.state.value}"
    yield f"name      {found.name}"
    yield f"priority  {found.id.priority}"
    yield f"attempt   {found.attempt}" + (f" of {found.job.attempts_max}" if found.job else "")
    yield f"created   {when(found.created_unix_ms)}"
    if found.tags:
        yield f"tags      {' '.join(found.tags)}"
    if found.worker:
        yield f"worker    {found.worker}"
    if found.cancel_reason is not None:
        yield f"asked to end: {found.cancel_reason}"
    if found.job is not None:
        yield from _standing_lines(found.job)
    if found.ending is not None:
        yield from _ending_lines(found.ending)
    ending, job = found.ending, found.job
    history = ending.history if ending else job.history if job else ()
    for attempt in history:
        yield f"attempt {attempt.number} on {attempt.worker or '?'}: {headline(attempt.cause)}"


def attempts_of(found: Found) -> tuple[Attempt, ...]:
    """Return the attempts that have ended, with what they logged; the last one included."""
    ending = found.ending
    if ending is None:
        return found.job.history if found.job else ()
    if any(each.number == ending.attempt for each in ending.history) or not ending.attempt:
        return ending.history
    last = Attempt(
        ending.attempt,
        ending.cause,
        ending.worker,
        ending.started_unix_ms,
        ending.ended_unix_ms,
        ending.log,
    )
    return (*ending.history, last)


def _standing_lines(job: Job) -> Iterator[str]:
    yield f"args      {json.dumps(_jsonable(job.args), ensure_ascii=False)}"
    if job.due_unix_ms:
        yield f"due       {when(job.due_unix_ms)}"
    if job.expires_unix_ms:
        yield f"expires   {when(job.expires_unix_ms)}"
    if job.limits:
        yield f"limits    {' '.join(job.limits)}"
    if job.group:
        yield f"group     {job.group}"


def _ending_lines(ending: Ending) -> Iterator[str]:
    yield f"ended     {when(ending.ended_unix_ms)}"
    if ending.worker:
        yield f"worker    {ending.worker}"
    if ending.state is State.DONE:
        yield f"result    {json.dumps(plain_result(ending), ensure_ascii=False)}"
    if ending.cause:
        yield f"cause     {ending.cause}"


def _remark(found: Found) -> str:
    if found.ending is not None:
        return _short(result_line(found.ending))
    if found.state is State.HELD:
        asked = ", asked to end" if found.cancel_reason is not None else ""
        return f"on {found.worker}{asked}"
    if found.job is None:
        return "is no job"
    if found.state is State.LATER:
        return f"due {when(found.job.due_unix_ms).partition('.')[0]}"
    if found.state is State.PARKED:
        return f"behind {' '.join(found.job.limits)}"
    if found.job.history:
        return _short(headline(found.job.history[-1].cause))
    return ""


def _job_json(job: Job) -> dict[str, Any]:
    return {**_jsonable(job), "args": _jsonable(job.args), "history": _attempts(job.history)}


def _ending_json(ending: Ending) -> dict[str, Any]:
    shown = msgspec.structs.asdict(ending)
    del shown["result_msgpack"]
    shown.update(
        state=ending.state.value,
        result=plain_result(ending),
        tags=list(ending.tags),
        history=_attempts(ending.history),
    )
    return shown


def _attempts(attempts: tuple[Attempt, ...]) -> list[dict[str, Any]]:
    return [msgspec.structs.asdict(attempt) for attempt in attempts]


def _jsonable(value: object) -> Any:
    """Return anything a job may hold as JSON can say it."""
    return json.loads(msgspec.json.encode(value))


def _short(text: str) -> str:
    return text if len(text) <= LINE_CHARS else f"{text[: LINE_CHARS - 1]}…"
