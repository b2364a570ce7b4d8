"""Times as text, the farthest included: one of them must not take a whole listing along."""

import pytest

from workers.commands.job_text import when
from workers.schedules.zones import iso


def test_a_time_beyond_the_year_9999_is_told_as_a_number() -> None:
    assert when(10**17) == f"unix time {10**17} ms"
    assert iso(10**17) == f"unix time {10**17} ms"


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Niue"])
def test_the_end_of_the_year_9999_can_be_told_in_every_zone(zone: str) -> None:
    assert iso(253_402_300_799_000, zone)
