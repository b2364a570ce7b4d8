"""What may be a schedule: refused with an error that names the field and what is allowed there."""

from functools import lru_cache

from coord.errors import CoordError, ErrorCode, error_from
from workers.model.checks import UNIX_MS_MAX, YEAR_MS, check_job, check_types
from workers.model.ids import rank
from workers.model.job import encode_job
from workers.model.names import check_name
from workers.schedules.codec import decode
from workers.schedules.due import check_line
from workers.schedules.values import Cron, Every, Once, Rule, Schedule
from workers.schedules.zones import find_zone

INTERVAL_MS_MIN = 100
CATCH_UP_MS_MIN = 1_000  # every due time is fired a little late
NOTE_CHARS_MAX = 1_000
JOB_BYTES_MAX = 32 * 1024  # some are enqueued in one transaction; larger things belong elsewhere
REMEMBERED = 16_384


def check_schedule(schedule: Schedule) -> None:
    """Check all of a schedule.

    Raises:
        Misuse: it can be none; names the field and what is allowed.
    """
    check_types("schedule", schedule)
    check_name("schedule", schedule.name)
    check_name("queue", schedule.queue)
    rank(schedule.priority)
    check_rule(schedule.rule)
    _within("catch_up_ms", schedule.catch_up_ms, CATCH_UP_MS_MIN, 10 * YEAR_MS)
    _within("jitter_ms", schedule.jitter_ms, 0, YEAR_MS)
    _within("expires_ms", schedule.expires_ms, 0, 10 * YEAR_MS)
    for field in ("note", "edited_by"):
        _within(f"characters of {field}", len(getattr(schedule, field)), 0, NOTE_CHARS_MAX)
    _check_job(schedule)


def check_rule(rule: Rule) -> None:
    """Check when a schedule is due.

    Raises:
        Misuse: it is never, or what it says has no meaning.
    """
    match rule:
        case Cron():
            check_line(rule.line)
            find_zone(rule.zone)
        case Every():
            _within("interval_ms", rule.interval_ms, INTERVAL_MS_MIN, 10 * YEAR_MS)
            _within("anchor_unix_ms", rule.anchor_unix_ms, 0, UNIX_MS_MAX)
        case Once():
            _within("at_unix_ms", rule.at_unix_ms, 1, UNIX_MS_MAX)


@lru_cache(maxsize=REMEMBERED)
def decode_schedule(value: bytes) -> Schedule | None:
    """Return the schedule a value stands for, or None where it is none that could be."""
    schedule = decode(value, Schedule)
    if schedule is None:
        return None
    try:
        check_schedule(schedule)
    except CoordError:
        return None
    return schedule


def _check_job(schedule: Schedule) -> None:
    job = schedule.job
    check_name("job", job.name)
    check_job(job)
    for field, why in (
        ("unique", "the overlap policy keeps its jobs apart"),
        ("unique_until_unix_ms", "the overlap policy keeps its jobs apart"),
        ("due_unix_ms", "the rule says when it is due"),
        ("expires_unix_ms", "give expires_ms of the schedule"),
        ("tries", "it was not tried yet"),
        ("snoozes", "it was not tried yet"),
        ("history", "it was not tried yet"),
    ):
        if getattr(job, field):
            raise error_from(ErrorCode.INVALID_OPTION, f"job.{field} of a schedule: {why}")
    size_bytes = len(encode_job(job))
    if size_bytes > JOB_BYTES_MAX:
        detail = f"job.args of a schedule: {size_bytes} bytes; {JOB_BYTES_MAX} are allowed"
        raise error_from(ErrorCode.VALUE_TOO_LARGE, detail)


def _within(field: str, number: int, lowest: int, highest: int) -> None:
    if not lowest <= number <= highest:
        detail = f"{field} {number}: {lowest} to {highest} are allowed"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
