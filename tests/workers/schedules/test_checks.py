"""What can be no schedule is refused by field, with what is allowed there."""

from typing import Any

import msgspec
import pytest

from coord.errors import Misuse
from workers.model.job import Attempt, Job
from workers.schedules.checks import JOB_BYTES_MAX, check_schedule, decode_schedule
from workers.schedules.codec import decode, encode
from workers.schedules.values import Cron, Every, Once, Schedule, State

GOOD = Schedule("s", Job("f"), Cron("* * * * *"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "a/b"}, "schedule 'a/b'"),
        ({"name": ""}, "schedule ''"),
        ({"queue": "a:b"}, "queue 'a:b'"),
        ({"priority": 10}, "priority 10: 0 to 9"),
        ({"job": Job("f", group="a/b")}, "group 'a/b': 1 to 100 letters"),
        ({"job": Job("f", group="pipeline.1.s")}, "are of pipelines"),
        ({"rule": Cron("61 * * * *")}, "bad minute; wanted are minute"),
        ({"rule": Cron("* * * * *", "Mars/Phobos")}, "zone 'Mars/Phobos': a name of the IANA"),
        ({"rule": Cron("* * * * *", "../etc/passwd")}, "zone"),
        ({"rule": Cron("* * * * *", "")}, "zone ''"),
        ({"rule": Cron("* * * * *", "Europe")}, "zone 'Europe'"),
        ({"rule": Every(0)}, "interval_ms 0: 100 to"),
        ({"rule": Every(-5)}, "interval_ms -5"),
        ({"rule": Every(1_000, -1)}, "anchor_unix_ms -1: 0 to"),
        ({"rule": Once(0)}, "at_unix_ms 0: 1 to"),
        ({"jitter_ms": -1}, "jitter_ms -1: 0 to"),
        ({"catch_up_ms": 0}, "catch_up_ms 0: 1000 to"),
        ({"expires_ms": -1}, "expires_ms -1: 0 to"),
        ({"note": "x" * 2_000}, "note 2000: 0 to 1000"),
        ({"job": Job("")}, "job ''"),
        ({"job": Job("f", unique="u")}, "job.unique of a schedule: the overlap policy"),
        ({"job": Job("f", due_unix_ms=5)}, "job.due_unix_ms of a schedule: the rule says"),
        ({"job": Job("f", expires_unix_ms=5)}, "give expires_ms"),
        ({"job": Job("f", history=(Attempt(1, "x"),))}, "job.history"),
        ({"job": Job("f", attempts_max=0)}, "job.attempts_max 0: a whole number from 1 to"),
        ({"job": Job("f", soft_limit_ms=-1)}, "job.soft_limit_ms -1"),
        ({"job": Job("f", limits=("a/b",))}, "limit 'a/b'"),
        ({"job": Job("f", {"x": object()})}, "cannot be kept"),
        ({"job": Job("f", {"x": "y" * JOB_BYTES_MAX})}, "job.args of a schedule"),
    ],
)
def test_what_can_be_no_schedule_is_refused_by_field(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Misuse, match=said):
        check_schedule(msgspec.structs.replace(GOOD, **changes))


def test_a_good_one_passes_and_comes_back_as_it_was() -> None:
    check_schedule(GOOD)
    assert decode_schedule(encode(GOOD)) == GOOD


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff\xff", b"[1]", b'{"name":"s"}'])
def test_what_is_no_schedule_is_none(value: bytes) -> None:
    assert decode_schedule(value) is None
    assert decode(value, State) is None or value == b""


def test_a_kept_schedule_that_could_not_be_set_is_none() -> None:
    bad = msgspec.structs.replace(GOOD, rule=Cron("61 * * * *"))
    assert decode_schedule(encode(bad)) is None
