"""When rules are due: tables of daylight changes, and a plain twin that looks at every minute."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from coord.errors import Misuse
from workers.model.job import Job
from workers.schedules.due import (
    COUNT_MAX,
    check_line,
    count_dues,
    dues,
    fire_unix_ms,
    next_due,
)
from workers.schedules.values import Cron, Every, Once, Rule, Schedule
from workers.schedules.zones import iso, parse_time

FAR = 2**63
FIRST_S = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
YEARS_S = 3 * 366 * 86_400

BERLIN = "Europe/Berlin"  # forward on 29 March 2026 at 2:00, back on 25 October at 3:00
NEW_YORK = "America/New_York"  # forward on 8 March 2026 at 2:00, back on 1 November at 2:00
LORD_HOWE = "Australia/Lord_Howe"  # by half an hour: back on 5 April 2:00, forward 4 October 2:00
CAIRO = "Africa/Cairo"  # forward on 24 April 2026 at midnight


def _next(line: str, zone: str, after: str, count: int) -> list[str]:
    found = dues(Cron(line, zone), parse_time(after, zone), FAR)
    return [iso(due, zone)[5:] for due in islice(found, count)]


@pytest.mark.parametrize(
    ("line", "zone", "after", "expected"),
    [
        # A time of the day that is passed over: once, when the clock is put forward.
        ("30 2 * * *", BERLIN, "03-28T03:00", ["03-29T03:00:00+02:00", "03-30T02:30:00+02:00"]),
        ("30 2 * * *", NEW_YORK, "03-07T03:00", ["03-08T03:00:00-04:00", "03-09T02:30:00-04:00"]),
        ("15 2 * * *", LORD_HOWE, "10-03T03:00", ["10-04T02:30:00+11:00", "10-05T02:15:00+11:00"]),
        ("0 0 * * *", CAIRO, "04-23T12:00", ["04-24T01:00:00+03:00", "04-25T00:00:00+03:00"]),
        # Several such, and one that is due then anyway: still once.
        ("0,20,40 2 * * *", BERLIN, "03-29T01:00", [
            "03-29T03:00:00+02:00", "03-30T02:00:00+02:00",
        ]),
        ("30 2,3 * * *", BERLIN, "03-29T01:00", ["03-29T03:00:00+02:00", "03-29T03:30:00+02:00"]),
        ("0 2,3 * * *", BERLIN, "03-29T01:00", ["03-29T03:00:00+02:00", "03-30T02:00:00+02:00"]),
        # A time of the day that is shown twice: the first time.
        ("30 2 * * *", BERLIN, "10-24T03:00", ["10-25T02:30:00+02:00", "10-26T02:30:00+01:00"]),
        ("30 1 * * *", NEW_YORK, "10-31T02:00", ["11-01T01:30:00-04:00", "11-02T01:30:00-05:00"]),
        ("45 1 * * *", LORD_HOWE, "04-04T02:00", ["04-05T01:45:00+11:00", "04-06T01:45:00+10:30"]),
        # Steps follow the clock on the wall, through both hours and over the missing one.
        ("*/30 * * * *", BERLIN, "10-25T01:30", [
            "10-25T02:00:00+02:00", "10-25T02:30:00+02:00", "10-25T02:00:00+01:00",
            "10-25T02:30:00+01:00", "10-25T03:00:00+01:00",
        ]),
        ("*/30 * * * *", BERLIN, "03-29T01:00", ["03-29T01:30:00+01:00", "03-29T03:00:00+02:00"]),
        ("0 * * * *", NEW_YORK, "11-01T00:30", [
            "11-01T01:00:00-04:00", "11-01T01:00:00-05:00", "11-01T02:00:00-05:00",
        ]),
        ("*/20 2 * * *", BERLIN, "03-28T02:30", ["03-28T02:40:00+01:00", "03-30T02:00:00+02:00"]),
        ("*/30 1-5 * * *", LORD_HOWE, "04-05T00:59", [
            "04-05T01:00:00+11:00", "04-05T01:30:00+11:00", "04-05T01:30:00+10:30",
            "04-05T02:00:00+10:30",
        ]),
        # The library alone comes out half an hour late here, and misses 5:00 and 5:15.
        ("*/15 5 * * *", LORD_HOWE, "04-05T01:40", [
            "04-05T05:00:00+10:30", "04-05T05:15:00+10:30",
        ]),
    ],
)  # fmt: skip
def test_daylight_changes_are_as_debians_cron_has_them(
    line: str, zone: str, after: str, expected: list[str]
) -> None:
    assert _next(line, zone, "2026-" + after, len(expected)) == expected


@pytest.mark.parametrize(
    ("line", "after", "expected"),
    [
        ("0 9 * * MON-FRI", "2026-11-20T10:00", ["11-23T09:00:00Z", "11-24T09:00:00Z"]),
        ("0 0 L * *", "2026-02-01", ["02-28T00:00:00Z", "03-31T00:00:00Z"]),
        ("0 0 * * MON#1", "2026-11-03", ["12-07T00:00:00Z", "01-04T00:00:00Z"]),
        ("*/20 * * * * *", "2026-11-22T10:00:01", ["11-22T10:00:20Z", "11-22T10:00:40Z"]),
        ("@daily", "2026-11-22T10:00", ["11-23T00:00:00Z", "11-24T00:00:00Z"]),
        ("0 12 13 * FRI", "2026-11-01", ["11-06T12:00:00Z", "11-13T12:00:00Z"]),
    ],
)
def test_cron_lines_say_what_people_expect(line: str, after: str, expected: list[str]) -> None:
    assert _next(line, "UTC", after, 2) == expected


def test_an_interval_counts_from_its_anchor_and_never_before_it() -> None:
    rule = Every(60_000, anchor_unix_ms=10_000)
    assert list(dues(rule, 0, 200_000)) == [10_000, 70_000, 130_000, 190_000]
    assert next_due(rule, 70_000) == 130_000
    assert next_due(rule, 69_999) == 70_000
    assert next_due(Every(1_000, anchor_unix_ms=5_000), 10) == 5_000


def test_a_one_off_is_due_once() -> None:
    assert next_due(Once(500), 499) == 500
    assert next_due(Once(500), 500) is None


def test_a_line_that_ends_with_the_calendar_is_never_due_after_that() -> None:
    assert next_due(Cron("0 0 1 1 *"), parse_time("9999-06-01")) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("61 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 0 * *", "bad day-of-month"),
        ("* * * 13 *", "bad month"),
        ("* * * * 8", "bad day-of-week"),
        ("60 * * * * *", "bad second"),
        ("-5 * * * *", "bad minute"),
        ("*/0 * * * *", "bad minute"),
        ("5-1 * * * *", "bad minute"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("* * * *", "wrong number of fields"),
        ("", "wrong number of fields"),
        ("@never", "no such name"),
        ("*" * 300, "more than 200 characters"),
        ("* * * * 5L/2", "bad day-of-week"),
        ("* * L/x * *", "bad day-of-month"),
        ("* * L-3 * *", "bad day-of-month"),
    ],
)
def test_a_bad_line_is_refused_by_field_with_what_is_allowed(line: str, said: str) -> None:
    with pytest.raises(Misuse, match=said) as raised:
        check_line(line)
    assert "minute (0-59)" in str(raised.value)


@given(st.text(alphabet="0123456789*/-,#LWSUNMOJA@ ", max_size=40))
def test_any_text_is_a_line_that_can_be_computed_or_is_refused_as_misuse(line: str) -> None:
    try:
        check_line(line)
    except Misuse:
        return
    next_due(Cron(line), 0)


# --- against a plain twin -----------------------------------------------------------------------

_minutes = st.sampled_from(["*", "*/7", "*/30", "0", "30", "15,45", "10-20/5"])
_hours = st.sampled_from(["*", "*/5", "0", "1", "2", "1-3", "2,23"])
_days = st.sampled_from(["* * *", "* * SUN", "1-7 * *", "* 3,10 *", "L * *"])
_lines = st.builds(lambda *fields: " ".join(fields), _minutes, _hours, _days)
_zones = st.sampled_from(
    [BERLIN, NEW_YORK, LORD_HOWE, CAIRO, "Asia/Kolkata", "Pacific/Apia", "UTC"]
)
_instants = st.integers(FIRST_S, FIRST_S + YEARS_S)


def _changes(zone: str) -> list[int]:
    """Return the hours around which the zone's clock is set."""
    at = ZoneInfo(zone)
    hours = range(FIRST_S, FIRST_S + YEARS_S, 3600)
    offsets = [datetime.fromtimestamp(hour, at).utcoffset() for hour in hours]
    return [hour for hour, (a, b) in zip(hours, pairwise(offsets), strict=False) if a != b] or [
        FIRST_S
    ]


CHANGES = {zone: _changes(zone) for zone in (BERLIN, NEW_YORK, LORD_HOWE, CAIRO)}


def _plain_twin(line: str, zone: str, after_s: int, until_s: int) -> list[int]:
    """Look at every minute; what a line of times names between two minutes was passed over."""
    at = ZoneInfo(zone)
    steps = any(field.startswith("*") for field in line.split()[:2])
    found: list[int] = []
    seen: set[datetime] = set()
    start = (after_s - 4 * 3600) // 60 * 60
    previous = datetime.fromtimestamp(start, at).replace(tzinfo=None)
    for now_s in range(start + 60, until_s + 1, 60):
        wall = datetime.fromtimestamp(now_s, at).replace(tzinfo=None)
        if steps:
            due = _names(line, wall)
        else:
            skipped = [
                previous + timedelta(minutes=n) for n in range(1, _minutes_of(wall - previous))
            ]
            due = any(_names(line, each) for each in (*skipped, wall) if each not in seen)
            seen.add(wall)
        if due and now_s > after_s:
            found.append(now_s)
        previous = wall
    return found


def _minutes_of(span: timedelta) -> int:
    return int(span.total_seconds()) // 60


def _names(line: str, wall: datetime) -> bool:
    return next(CronSim(line, wall - timedelta(seconds=1))) == wall


@given(_lines, st.sampled_from(sorted(CHANGES)), st.data())
def test_around_daylight_changes_dues_are_those_of_a_twin_that_looks_at_every_minute(
    line: str, zone: str, data: st.DataObject
) -> None:
    change = data.draw(st.sampled_from(CHANGES[zone]))
    after_s = change + data.draw(st.integers(-12, 12)) * 1800 + data.draw(st.integers(0, 59))
    until_s = after_s + 8 * 3600
    found = list(dues(Cron(line, zone), after_s * 1000, until_s * 1000))
    assert found == [due * 1000 for due in _plain_twin(line, zone, after_s, until_s)]


@given(_lines, _zones, _instants, st.integers(0, 40))
def test_whatever_instant_one_starts_from_the_due_times_are_the_same(
    line: str, zone: str, start_s: int, at: int
) -> None:
    rule = Cron(line, zone)
    found = list(islice(dues(rule, start_s * 1000, FAR), at + 2))
    assert found == sorted(set(found))
    between = (found[at] + found[at + 1]) // 2
    assert next_due(rule, between) == found[at + 1]
    assert next_due(rule, found[at + 1] - 1) == found[at + 1]


@given(
    st.one_of(
        st.builds(Every, st.integers(100, 10**7), st.integers(0, 10**13)),
        st.builds(Cron, _lines, _zones),
    ),
    st.integers(FIRST_S * 1000, (FIRST_S + YEARS_S) * 1000),
    st.integers(0, 86_400_000),
)
def test_counting_agrees_with_listing_up_to_where_it_stops(
    rule: Rule, after_ms: int, span_ms: int
) -> None:
    listed = list(islice(dues(rule, after_ms, after_ms + span_ms), 2000))
    assume(len(listed) < 2000)
    counted = count_dues(rule, after_ms, after_ms + span_ms)
    assert counted == (len(listed) if isinstance(rule, Every) else min(len(listed), COUNT_MAX))


# --- jitter -------------------------------------------------------------------------------------


@given(st.integers(0, 10**8), st.integers(100, 10**7), st.integers(0, 10**13))
def test_jitter_is_the_same_each_time_within_bounds_and_keeps_the_order(
    jitter_ms: int, interval_ms: int, after_ms: int
) -> None:
    schedule = Schedule("s", Job("f"), Every(interval_ms), jitter_ms=jitter_ms)
    times = list(islice(dues(schedule.rule, after_ms, FAR), 4))
    fires = [fire_unix_ms(schedule, due) for due in times]
    assert fires == [fire_unix_ms(schedule, due) for due in times]
    for due, fire, following in zip(times, fires, times[1:], strict=False):
        assert due <= fire <= due + jitter_ms
        assert fire < following


def test_jitter_spreads_schedules_of_one_time() -> None:
    fires = {
        fire_unix_ms(Schedule(f"s{n}", Job("f"), Cron("0 3 * * *"), jitter_ms=3_600_000), 0)
        for n in range(100)
    }
    assert len(fires) > 90
    assert max(fires) - min(fires) > 3_000_000
