"""What is wrong or looks like it, in words: the rules by which facts are judged. Pure."""

from collections.abc import Iterator
from enum import Enum

from attrs import frozen

from coord.requests import StatusReply
from coord.version import VERSION
from workers.model.states import State
from workers.overview.facts import Facts, QueueFacts, free_slots
from workers.overview.text import leader_text, span_text
from workers.overview.values import Overview

LATE_MS = 10_000  # what should have happened so long ago has not
WAITED_MS = 30_000
AHEAD_MS = 2_000  # of our clock
LAG_ENTRIES = 10_000
SLOW_TURN_MS = 1_000.0
SLOW_READ_MS = 250.0
CAUSES_TOLD = 3


class Severity(Enum):
    """How bad a finding is."""

    ERROR = "error"  #: something does not work
    WARNING = "warning"  #: look at it
    NOTE = "note"  #: good to know


@frozen
class Finding:
    """One thing that was found.

    Attributes:
        severity: how bad it is.
        about: what it is about: "member n1", "queue mail".
        text: what it is, in words; nothing of users' data.
        detail: more, possibly of users' data; "" for nothing.
    """

    severity: Severity
    about: str
    text: str
    detail: str = ""


def findings(facts: Facts) -> list[Finding]:
    """Return everything worth telling, the worst first."""
    found = [*_members(facts), *_store(facts)]
    if facts.overview is not None:
        found += _stewardship(facts, facts.overview)
        found += _workers(facts, facts.overview)
        for queue in facts.queues:
            found += _queue(facts, facts.overview, queue)
        found += _schedules(facts, facts.overview)
        found += _limits(facts)
    order = list(Severity)
    return sorted(found, key=lambda finding: order.index(finding.severity))


def is_healthy(found: list[Finding]) -> bool:
    """Tell whether nothing but notes was found."""
    return all(finding.severity is Severity.NOTE for finding in found)


def _error(about: str, text: str, detail: str = "") -> Finding:
    return Finding(Severity.ERROR, about, text, detail)


def _warning(about: str, text: str, detail: str = "") -> Finding:
    return Finding(Severity.WARNING, about, text, detail)


def _note(about: str, text: str) -> Finding:
    return Finding(Severity.NOTE, about, text)


def _jobs(count: int) -> str:
    return f"{count} job is" if count == 1 else f"{count} jobs are"


# --- the cluster --------------------------------------------------------------------------------


def _members(facts: Facts) -> Iterator[Finding]:
    statuses = [member.status for member in facts.members if member.status is not None]
    for member in facts.members:
        if member.status is None:
            yield _error(f"member {member.endpoint}", f"does not answer: {member.error}")
    for status in statuses:
        yield from _member(status, max(each.commit_index for each in statuses))
    if statuses:
        yield from _agreement(facts, statuses)


def _member(status: StatusReply, commit_index: int) -> Iterator[Finding]:
    about = f"member {status.name}"
    for alarm in status.alarms:
        yield _error(about, f"raises the alarm {alarm}: nothing that grows is accepted")
    behind = commit_index - status.applied_index
    if behind > LAG_ENTRIES:
        yield _warning(about, f"is {behind} log entries behind")
    if status.longest_turn_ms > SLOW_TURN_MS:
        yield _warning(about, f"stood still for {status.longest_turn_ms:.0f} ms at a time")


def _agreement(facts: Facts, statuses: list[StatusReply]) -> Iterator[Finding]:
    if len({(status.leader, status.term) for status in statuses}) > 1:
        yield _error("cluster", f"members do not agree: {leader_text(facts.members)}")
    elif not statuses[0].leader:
        yield _error("cluster", "nobody leads: nothing is written, no read is answered")
    voters = {member.node for member in statuses[0].members if member.voter}
    there = voters & {status.node for status in statuses}
    most = len(voters) // 2 + 1
    if len(there) < most:
        yield _error("cluster", f"{len(there)} of {len(voters)} voters answer; {most} are needed")
    elif len(there) == most and len(voters) > 1 and there != voters:
        yield _warning("cluster", "if one more member is lost, nothing can be written")
    if len(voters) in (1, 2):
        yield _note("cluster", f"with {len(voters)} voters it survives the loss of none")
    versions = {status.version for status in statuses}
    if len(versions | {VERSION}) > 1:
        told = f"{', '.join(sorted(versions))} and here {VERSION}"
        yield _warning("versions", f"members and this program differ: {told}")


def _store(facts: Facts) -> Iterator[Finding]:
    if facts.trouble:
        yield _error("store", f"does not answer: {facts.trouble}")
    if facts.read_ms and (median := facts.read_ms[len(facts.read_ms) // 2]) > SLOW_READ_MS:
        yield _warning("store", f"a read takes {median:.0f} ms")


# --- who works ----------------------------------------------------------------------------------


def _stewardship(facts: Facts, overview: Overview) -> Iterator[Finding]:
    waiting = sum(
        queue.counts[state] for queue in overview.queues for state in (State.LATER, State.PARKED)
    )
    work = waiting + overview.schedules_count + overview.pipelines_count
    if not overview.steward and (overview.workers or work):
        text = "there is none: nothing falls due, no limit, schedule or pipeline goes on"
        yield _error("steward", f"{text}; living workers: {len(overview.workers)}")
    if facts.due_unix_ms is not None and facts.unix_ms - facts.due_unix_ms > LATE_MS:
        late = span_text(facts.unix_ms - facts.due_unix_ms)
        yield _error("steward", f"what fell due {late} ago is not done, or clocks differ by that")


def _workers(facts: Facts, overview: Overview) -> Iterator[Finding]:
    if not overview.workers:
        yield _note("workers", "none lives")
    versions = {worker.version for worker in overview.workers}
    if len(versions | {VERSION}) > 1:
        told = f"{', '.join(sorted(versions))} and here {VERSION}"
        yield _warning("versions", f"workers and this program differ: {told}")
    for worker in overview.workers:
        about = f"worker {worker.name}"
        if worker.ending:
            yield _note(about, f"is told to {worker.ending}; it holds {worker.held} jobs")
        times = [worker.started_unix_ms, *(job.started_unix_ms for job in worker.jobs)]
        ahead_ms = max(times) - facts.unix_ms
        if ahead_ms > AHEAD_MS:
            text = f"its clock is at least {span_text(ahead_ms)} ahead of this machine's"
            yield _warning(about, text)


def _queue(facts: Facts, overview: Overview, queue: QueueFacts) -> Iterator[Finding]:
    view, about = queue.view, f"queue {queue.view.name}"
    ready = view.counts[State.READY]
    oldest_ms = 0
    waits = f"{_jobs(ready)} ready"
    if queue.oldest is not None and queue.oldest.created_unix_ms:
        oldest_ms = facts.unix_ms - queue.oldest.created_unix_ms
        if oldest_ms < -AHEAD_MS:
            text = f"its first job is from the future, by {span_text(-oldest_ms)}: clocks differ"
            yield _warning(about, text)
        waits += f", the first was enqueued {span_text(oldest_ms)} ago"
    if view.shut:
        say = _warning if ready else _note
        yield say(about, f"is held shut by {', '.join(sorted(view.shut))}; {_jobs(ready)} ready")
    elif ready and not queue.served_by:
        yield _error(about, f"{waits}, and no living worker runs this queue")
    elif ready and about in facts.unmoved:
        yield _warning(about, f"{waits}, though {free_slots(overview, queue)} slots are free")
    elif ready and oldest_ms > WAITED_MS:
        yield _note(about, waits)
    yield from _dead(about, queue)


def _dead(about: str, queue: QueueFacts) -> Iterator[Finding]:
    dead = queue.view.counts[State.DEAD]
    if not dead:
        return
    missing = sorted({found.name for found in queue.dead if _is_unknown(found.name, queue)})
    if missing:
        text = f"jobs died because workers know no function {', '.join(missing)}"
        yield _error(about, f"{text}: start workers with the application that has it")
    kinds = queue.causes.most_common(CAUSES_TOLD)
    detail = "\n".join(f"{count} x {cause}" for cause, count in kinds)
    names = ", ".join(sorted({found.name for found in queue.dead})[:CAUSES_TOLD])
    yield _warning(about, f"{_jobs(dead)} dead, of {names}; see coord queue dead", detail)


def _is_unknown(name: str, queue: QueueFacts) -> bool:
    return any(cause.startswith(f"no job function named {name!r}") for cause in queue.causes)


# --- what comes by itself -----------------------------------------------------------------------


def _schedules(facts: Facts, overview: Overview) -> Iterator[Finding]:
    for listed in overview.schedules:
        about = f"schedule {listed.schedule.name}"
        next_unix_ms = listed.next_unix_ms
        if next_unix_ms is not None and facts.unix_ms - next_unix_ms > LATE_MS:
            late = span_text(facts.unix_ms - next_unix_ms)
            yield _error(about, f"was due {late} ago and has not fired")
        if listed.state.missed:
            yield _warning(about, f"{listed.state.missed} due times were missed so far")


def _limits(facts: Facts) -> Iterator[Finding]:
    # A job waits for all its limits: behind one with room there may be those that wait for another.
    any_full = any(limit.room == 0 and limit.waiting_count for limit in facts.limits)
    for limit in facts.limits:
        room, waiting = limit.room, limit.waiting_count
        if not waiting:
            continue
        about = f"limit {limit.name}"
        if about in facts.unmoved and not any_full:
            passes = "has no rule" if room is None else f"would let {room} more jobs pass"
            yield _warning(about, f"{passes}, and {waiting} wait behind it")
        elif room == 0:
            yield _note(about, f"is full; {waiting} jobs wait behind it")
