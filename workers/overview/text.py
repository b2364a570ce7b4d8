"""Everything as text: a screen for people, one document for programs. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from attrs import frozen

from workers.model.states import State
from workers.overview.values import Member, Overview, Rates
from workers.pipelines.run import STAGE_ENDED, Run, StageState
from workers.running.roll import CurrentJob, WorkerEntry
from workers.store.queues import QueueView

QUEUE_STATES = (State.READY, State.HELD, State.LATER, State.PARKED, State.DEAD, State.DONE)
ROWS_MAX = {"queues": 15, "workers": 12, "running": 12, "pipelines": 6, "schedules": 6}


@frozen
class Part:
    """A table of the screen.

    Attributes:
        title: what it lists.
        columns: their names; those after the first `left` are numbers where they look like some.
        rows: as many as there is room for.
        more: how many there are beyond.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0


def head(overview: Overview) -> Iterator[tuple[str, bool]]:
    """Yield the lines on top, and of each whether it is bad news."""
    steward = overview.steward or "nobody"
    yield f"revision {overview.revision}, steward {steward}", not overview.steward
    answering = [member for member in overview.members if member.status is not None]
    if overview.members:
        of, all_ = len(answering), len(overview.members)
        yield f"{of} of {all_} members answer; {leader_text(overview.members)}", of < all_
    for member in overview.members:
        if member.status is None:
            yield f"{member.endpoint} is silent: {member.error}", True
        elif member.status.alarms:
            yield f"{member.status.name} tells of {', '.join(member.status.alarms)}", True


def leader_text(members: Iterable[Member]) -> str:
    """Return who leads, as those who answer say."""
    said = sorted(
        {
            (status.term, names.get(status.leader, f"{status.leader:x}") if status.leader else "")
            for status in (member.status for member in members)
            if status is not None
            for names in [{each.node: each.name for each in status.members}]
        }
    )
    if not said:
        return "nobody leads"
    told = [f"{leader or 'nobody'} leads term {term}" for term, leader in said]
    return " or ".join(told)


def parts(overview: Overview, rates: Rates, now_unix_ms: int) -> Iterator[Part]:
    """Yield the tables, without those that have no rows; the most urgent rows first."""
    busiest = sorted(overview.queues, key=lambda queue: (-_weight(queue), queue.name))
    rows = [_queue_row(queue, rates) for queue in busiest]
    columns = ("queue", *(state.value for state in QUEUE_STATES), "ended/s", "shut by")
    yield from _part("queues", columns, rows, overview.queues_count)
    rows = [_worker_row(worker, rates, now_unix_ms) for worker in overview.workers]
    columns = ("worker", "host", "queues", "slots", "held", "done", "failed", "ended/s", "up", "")
    yield from _part("workers", columns, rows, len(rows))
    rows = [_running_row(overview, *each, now_unix_ms) for each in _running(overview.workers)]
    columns = ("running", "job", "attempt", "worker", "for", "progress", "")
    yield from _part("running", columns, rows, sum(worker.held for worker in overview.workers))
    rows = [_pipeline_row(*each, now_unix_ms) for each in overview.pipelines]
    columns = ("pipeline", "name", "state", "stages", "at", "for")
    yield from _part("pipelines", columns, rows, overview.pipelines_count)
    rows = list(_schedule_rows(overview, now_unix_ms))
    yield from _part(
        "schedules", ("schedule", "job", "queue", "due in"), rows, overview.schedules_count
    )


def as_json(overview: Overview, rates: Rates) -> dict[str, Any]:
    """Return everything, for JSON."""
    return {
        "unix_ms": overview.unix_ms,
        "revision": overview.revision,
        "steward": overview.steward,
        "members": [member_json(member) for member in overview.members],
        "queues": [
            {
                "name": queue.name,
                **{state.value: queue.counts[state] for state in QUEUE_STATES},
                "shut": queue.shut,
                "limit": queue.limit,
                "ended_per_s": rates.queues.get(queue.name, 0.0),
            }
            for queue in overview.queues
        ],
        "workers": [msgspec.to_builtins(worker) for worker in overview.workers],
        "progress": {job: msgspec.to_builtins(each) for job, each in overview.progress.items()},
        "pipelines": [{"id": made, **msgspec.to_builtins(run)} for made, run in overview.pipelines],
        "pipelines_count": overview.pipelines_count,
        "schedules": [
            {"name": each.schedule.name, "next_unix_ms": each.next_unix_ms}
            for each in overview.schedules
        ],
        "schedules_count": overview.schedules_count,
    }


def span_text(ms: int) -> str:
    """Return a span of time in its two largest units: "2 d 3 h", "12 s"."""
    seconds = max(0, ms) // 1000
    sizes = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    told: list[str] = []
    for unit, size in sizes:
        count, seconds = divmod(seconds, size)
        if count or (unit == "s" and not told):
            told.append(f"{count} {unit}")
    return " ".join(told[:2])


def _part(
    title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], count: int
) -> Iterator[Part]:
    shown = tuple(rows[: ROWS_MAX[title]])
    if shown or count:
        yield Part(title, columns, shown, max(0, count - len(shown)))


def _weight(queue: QueueView) -> int:
    """Return how much there is to do or to look at in a queue."""
    return sum(queue.counts[state] for state in QUEUE_STATES if state is not State.DONE)


def _queue_row(queue: QueueView, rates: Rates) -> tuple[str, ...]:
    counts = (str(queue.counts[state]) for state in QUEUE_STATES)
    shut = ", ".join(f"{why} {said}".rstrip() for why, said in sorted(queue.shut.items()))
    return (queue.name, *counts, _rate(rates.queues.get(queue.name)), shut)


def _worker_row(worker: WorkerEntry, rates: Rates, now_unix_ms: int) -> tuple[str, ...]:
    return (
        worker.name, worker.host, ", ".join(worker.queues), str(worker.slots), str(worker.held),
        str(worker.done), str(worker.failed), _rate(rates.workers.get(worker.name)),
        span_text(now_unix_ms - worker.started_unix_ms), worker.ending,
    )  # fmt: skip


def _running(workers: Iterable[WorkerEntry]) -> list[tuple[WorkerEntry, CurrentJob]]:
    """Return jobs that run, the longest first."""
    found = [(worker, job) for worker in workers for job in worker.jobs if job.started_unix_ms]
    return sorted(found, key=lambda each: each[1].started_unix_ms)


def _running_row(
    overview: Overview, worker: WorkerEntry, job: CurrentJob, now_unix_ms: int
) -> tuple[str, ...]:
    progress = overview.progress.get(job.id)
    done = message = ""
    if progress is not None:
        done = f"{progress.done}/{progress.total}" if progress.total else str(progress.done)
        message = progress.message
    since = span_text(now_unix_ms - job.started_unix_ms)
    return (job.id, job.name, str(job.attempt), worker.name, since, done, message)


def _pipeline_row(made: str, run: Run, now_unix_ms: int) -> tuple[str, ...]:
    ended = sum(stage.state in STAGE_ENDED for stage in run.stages.values())
    at = [
        name
        for name, stage in run.stages.items()
        if stage.state in (StageState.OPEN, StageState.RUNNING)
    ]
    since = span_text(now_unix_ms - run.started_unix_ms)
    return (
        made, run.name, run.state.value, f"{ended}/{len(run.stages)}", ", ".join(at) or "waits",
        since,
    )  # fmt: skip


def _schedule_rows(overview: Overview, now_unix_ms: int) -> Iterator[tuple[str, ...]]:
    soon = [
        (each.next_unix_ms, each.schedule)
        for each in overview.schedules
        if each.next_unix_ms is not None
    ]
    for next_unix_ms, schedule in sorted(soon, key=lambda each: (each[0], each[1].name)):
        left_ms = next_unix_ms - now_unix_ms
        told = span_text(left_ms) if left_ms >= 0 else f"{span_text(-left_ms)} ago"
        yield (schedule.name, schedule.job.name, schedule.queue, told)


def _rate(rate: float | None) -> str:
    return "" if not rate else f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"


def member_json(member: Member) -> dict[str, Any]:
    """Return one member, for JSON."""
    if member.status is None:
        return {"endpoint": member.endpoint, "error": member.error}
    return {"endpoint": member.endpoint, **msgspec.to_builtins(_named(member))}


def _named(member: Member) -> dict[str, Any]:
    assert member.status is not None
    status = member.status
    return {name: getattr(status, name) for name in status.__struct_fields__ if name != "members"}
