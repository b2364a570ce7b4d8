"""The clock on a zone's wall."""

import pytest

from coord.errors import Misuse
from workers.schedules.zones import find_zone, first_set, iso, offset_at, parse_time


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-11-22T03:00", "UTC", "2026-11-22T03:00:00Z"),
        ("2026-11-22T03:00", "Europe/Berlin", "2026-11-22T02:00:00Z"),
        ("2026-11-22T03:00:00+05:30", "Europe/Berlin", "2026-11-21T21:30:00Z"),
        ("2026-11-22T03:00:00.250", "UTC", "2026-11-22T03:00:00.250Z"),
        ("2026-11-22", "America/New_York", "2026-11-22T05:00:00Z"),
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00Z"),  # the first of two
        ("2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:00:00Z"),  # not there: the next
    ],
)
def test_times_are_read_in_their_zone(text: str, zone: str, utc: str) -> None:
    assert iso(parse_time(text, zone)) == utc


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "25:00"])
def test_what_is_no_time_is_misuse(text: str) -> None:
    with pytest.raises(Misuse, match="2026-11-22T03:00"):
        parse_time(text)


def test_the_instant_a_clock_is_set_is_found_to_the_second() -> None:
    berlin = find_zone("Europe/Berlin")
    spring = parse_time("2026-03-29T01:00Z") // 1000
    assert first_set(berlin, spring - 10**6, spring + 10**6, 3600) == spring
    assert first_set(berlin, spring - 10**6, spring - 1, 3600) is None
    assert first_set(berlin, spring, spring, 3600) == spring
    assert (offset_at(berlin, spring - 1), offset_at(berlin, spring)) == (3600, 7200)
