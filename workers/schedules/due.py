"""When a rule is due. Pure: no clock, no luck.

Daylight rules, as Debian's cron has them and its users know them:

- A line whose minute and hour are fixed names times of the day. Where the clock is put forward
  over one it is due once, at the instant of that; where it is put back over one, the first time.
- A line whose second, minute or hour begins with * names steps. It follows the wall as it is:
  what is passed over is not due, and what is shown twice is due twice.

The library reads the line and finds wall times; which instants those are is decided here.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from coord.errors import ErrorCode, error_from
from workers.schedules.values import Cron, Every, Once, Rule, Schedule
from workers.schedules.zones import (
    find_zone,
    first_set,
    first_shown,
    instant_of,
    offset_at,
    wall_at,
)

LINE_CHARS_MAX = 200
COUNT_MAX = 100  # due times of a cron line are counted one by one up to here
REMEMBERED = 32_768
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_WANTED = (
    "wanted are minute (0-59), hour (0-23), day-of-month (1-31, L, LW), month (1-12, JAN-DEC) and "
    "day-of-week (0-7, SUN-SAT, 5L, MON#1), with second (0-59) before them where there are six, "
    f"or one of {' '.join(_NAMED)}"
)


def next_due(rule: Rule, after_unix_ms: int) -> int | None:
    """Return the first due time after an instant, in unix milliseconds; None where there is none.

    Args:
        rule: a checked one.
        after_unix_ms: the due time is greater.
    """
    match rule:
        case Once():
            return rule.at_unix_ms if rule.at_unix_ms > after_unix_ms else None
        case Every():
            steps = (after_unix_ms - rule.anchor_unix_ms) // rule.interval_ms + 1
            return rule.anchor_unix_ms + max(0, steps) * rule.interval_ms
        case Cron():
            due_s = _next_shown(rule.line, rule.zone, after_unix_ms // 1000)
            return None if due_s is None else due_s * 1000


def dues(rule: Rule, after_unix_ms: int, until_unix_ms: int) -> Iterator[int]:
    """Yield the due times after one instant up to another, in order."""
    if until_unix_ms <= after_unix_ms:
        return
    due = next_due(rule, after_unix_ms)
    while due is not None and due <= until_unix_ms:
        yield due
        due = next_due(rule, due)


def count_dues(rule: Rule, after_unix_ms: int, until_unix_ms: int) -> int:
    """Return how many due times there are after one instant up to another.

    Of a cron line at most `COUNT_MAX`, which then stands for "so many at least".
    """
    if isinstance(rule, Every):
        first = next_due(rule, after_unix_ms)
        assert first is not None
        return max(0, (until_unix_ms - first) // rule.interval_ms + 1)
    return sum(1 for _ in islice(dues(rule, after_unix_ms, until_unix_ms), COUNT_MAX))


def fire_unix_ms(schedule: Schedule, due_unix_ms: int) -> int:
    """Return when a due time is fired: always the same, in its order, before the next one."""
    if not schedule.jitter_ms:
        return due_unix_ms
    following = next_due(schedule.rule, due_unix_ms)
    most_ms = schedule.jitter_ms
    if following is not None:
        most_ms = min(most_ms, following - due_unix_ms - 1)
    digest = blake2b(f"{schedule.name}/{due_unix_ms}".encode(), digest_size=8).digest()
    return due_unix_ms + int.from_bytes(digest) % (most_ms + 1)


def check_line(line: str) -> None:
    """Check a cron line.

    Raises:
        Misuse: it is none; names the field.
    """
    why = f"more than {LINE_CHARS_MAX} characters" if len(line) > LINE_CHARS_MAX else _wrong(line)
    if why:
        detail = f"cron line {line[:LINE_CHARS_MAX]!r}: {why}; {_WANTED}"
        raise error_from(ErrorCode.INVALID_OPTION, detail)


def _wrong(line: str) -> str:
    if line.startswith("@"):
        return "" if line in _NAMED else "no such name"
    try:
        CronSim(line, wall_at(0, 0))
    except CronSimError as error:
        return str(error).lower()
    except (AssertionError, ValueError, TypeError):  # of what it does not foresee
        return "not understood"
    return ""


@lru_cache(maxsize=REMEMBERED)
def _next_shown(line: str, zone: str, after_s: int) -> int | None:
    """Return the first due second of a cron line after an instant."""
    line = _NAMED.get(line, line)
    find = _next_step if _names_steps(line) else _next_time
    try:
        return find(line, find_zone(zone), after_s)
    except OverflowError:  # beyond the year 9999
        return None


def _names_steps(line: str) -> bool:
    """Tell whether a line names steps rather than times of the day."""
    fields = line.split()
    return any(field.startswith("*") for field in fields[: len(fields) - 3])


def _next_step(line: str, zone: ZoneInfo, after_s: int) -> int | None:
    offset = offset_at(zone, after_s)
    while True:
        wall = _next_wall(line, wall_at(after_s, offset))
        if wall is None:
            return None
        due = instant_of(wall, offset)
        put = first_set(zone, after_s + 1, due, offset)
        if put is None:
            return due
        # The clock is set before that: go on from there by what it shows then.
        after_s, offset = put - 1, offset_at(zone, put)


def _next_time(line: str, zone: ZoneInfo, after_s: int) -> int | None:
    wall: datetime | None = wall_at(after_s, offset_at(zone, after_s))
    while wall is not None:
        wall = _next_wall(line, wall)
        if wall is not None and (due := first_shown(zone, wall)) > after_s:
            return due
    return None


def _next_wall(line: str, wall: datetime) -> datetime | None:
    return next(CronSim(line, wall), None)
