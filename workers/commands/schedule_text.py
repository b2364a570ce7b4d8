"""Schedules as text: one line or one screen for people, one document for programs."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from coord.cli.arguments import seconds_text
from workers.commands.plain import plain
from workers.model.ids import JobId
from workers.schedules.history import Version
from workers.schedules.store import Fired, Listed
from workers.schedules.values import Cron, Every, Once, Rule, Schedule
from workers.schedules.zones import iso

NOTE_CHARS = 40


def rule_text(rule: Rule) -> str:
    """Return a rule in one line."""
    match rule:
        case Cron():
            return f"cron {rule.line} {rule.zone}"
        case Every():
            after = f" from {iso(rule.anchor_unix_ms)}" if rule.anchor_unix_ms else ""
            return f"every {seconds_text(rule.interval_ms)}s{after}"
        case Once():
            return f"once {iso(rule.at_unix_ms)}"


def zone_of(rule: Rule) -> str:
    """Return the zone times of a rule are shown in."""
    return rule.zone if isinstance(rule, Cron) else "UTC"


def next_text(listed: Listed) -> str:
    """Return when a schedule fires next, or why it does not."""
    if listed.schedule.paused:
        return "paused"
    if listed.next_unix_ms is None:
        return "never"
    return iso(listed.next_unix_ms, zone_of(listed.schedule.rule))


COLUMNS = ("name", "job", "rule", "next", "fired", "skipped", "missed", "note")


def row(listed: Listed) -> tuple[object, ...]:
    """Return a schedule's row of a listing."""
    schedule, state = listed.schedule, listed.state
    return (
        schedule.name, schedule.job.name, rule_text(schedule.rule), next_text(listed),
        state.firings, state.skipped, state.missed, schedule.note[:NOTE_CHARS],
    )  # fmt: skip


def line(listed: Listed) -> str:
    """Return a schedule in one line: name, job, rule, when next."""
    schedule = listed.schedule
    rule = rule_text(schedule.rule)
    return f"{schedule.name}  {schedule.job.name}  {rule}  next {next_text(listed)}"


def as_json(
    listed: Listed, fired: Sequence[Fired] = (), standing: JobId | None = None
) -> dict[str, Any]:
    """Return everything known of a schedule, for JSON."""
    return {
        **plain(listed.schedule),
        "revision": listed.revision,
        "next_unix_ms": listed.next_unix_ms,
        "state": plain(listed.state),
        "unended": None if standing is None else str(standing),
        "fired": [_fired_json(each) for each in fired],
    }


def lines(listed: Listed, fired: Sequence[Fired], standing: JobId | None) -> Iterator[str]:
    """Yield what is known of a schedule, a line for each thing."""
    schedule, state = listed.schedule, listed.state
    job, zone = schedule.job, zone_of(schedule.rule)
    yield f"schedule  {schedule.name}"
    yield f"job       {job.name} {json.dumps(plain(job.args), ensure_ascii=False)}"
    yield f"queue     {schedule.queue}, priority {schedule.priority}"
    yield f"rule      {rule_text(schedule.rule)}"
    yield f"next      {next_text(listed)}"
    yield f"overlap   {schedule.overlap.value}"
    window = seconds_text(schedule.catch_up_ms)
    yield f"catch up  {schedule.catch_up.value}, within {window}s"
    if schedule.jitter_ms:
        yield f"jitter    {seconds_text(schedule.jitter_ms)}s"
    if schedule.expires_ms:
        yield f"expires   {seconds_text(schedule.expires_ms)}s after it was enqueued"
    yield f"fired     {state.firings}, skipped {state.skipped}, missed {state.missed}"
    if state.buffered_unix_ms:
        yield f"waits     due {iso(state.buffered_unix_ms, zone)}, for the job before it to end"
    if standing is not None:
        yield f"not ended {standing}"
    yield from _edit_lines(schedule)
    for each in fired:
        due = iso(each.firing.due_unix_ms, zone)
        yield f"#{each.number} {each.firing.cause.value} {due} {each.job_id}"


def version_line(version: Version, before: Schedule | None) -> str:
    """Return an edit in one line: number, when, who, what, why, and what it changed."""
    edit = version.edit
    what = edit.what if edit.restores is None else f"{edit.what} to {edit.restores}"
    words = [str(version.number), iso(edit.at_unix_ms), edit.by or "?", what]
    changed = ", ".join(changes(before, edit.schedule))
    return "  ".join([*words, *([edit.why] if edit.why else []), *([changed] if changed else [])])


def version_json(version: Version) -> dict[str, Any]:
    """Return an edit for JSON."""
    return {"number": version.number, "revision": version.revision, **plain(version.edit)}


def changes(before: Schedule | None, after: Schedule | None) -> Iterator[str]:
    """Yield what differs between two versions, a few words for each field."""
    if before is None or after is None:
        return
    old, new = _fields(before), _fields(after)
    for field in new:
        if old[field] != new[field]:
            yield f"{field}: {old[field]} -> {new[field]}"


def _fields(schedule: Schedule) -> dict[str, object]:
    fields = {**plain(schedule), "rule": rule_text(schedule.rule)}
    job = fields.pop("job")
    for field in ("note", "edited_by", "edited_unix_ms"):
        del fields[field]
    return {**fields, **{f"job.{field}": value for field, value in job.items()}}


def _edit_lines(schedule: Schedule) -> Iterator[str]:
    if schedule.edited_unix_ms:
        why = f": {schedule.note}" if schedule.note else ""
        by = schedule.edited_by or "?"
        yield f"edited    {iso(schedule.edited_unix_ms)} by {by}{why}"


def _fired_json(fired: Fired) -> dict[str, Any]:
    return {"number": fired.number, "job": str(fired.job_id), **plain(fired.firing)}
