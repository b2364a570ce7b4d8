"""What is no job, no gate, no limit and no schedule is refused where it is given."""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from coord.errors import Misuse
from workers.app.options import JobOptions, Unique
from workers.gates.conditions import QueueSize, Time
from workers.gates.gate import Gate, check_gate
from workers.limits.rule import Rule, check_rule
from workers.model.checks import JOB_LIMITS_MAX, TIME_MS_MAX, UNIX_MS_MAX, check_job
from workers.model.job import Backoff, Job, decode_job, encode_job
from workers.pipelines.checks import check as check_pipeline
from workers.pipelines.spec import Call, Pipeline, Stage
from workers.schedules.checks import check_schedule
from workers.schedules.values import Every, Once, Schedule

BAD_JOBS: tuple[dict[str, Any], ...] = (
    {"result_ttl_ms": -5},
    {"result_ttl_ms": TIME_MS_MAX + 1},
    {"result_ttl_ms": 1.5},
    {"hard_limit_ms": -1},
    {"soft_limit_ms": True},
    {"attempts_max": 0},
    {"attempts_max": 2.5},
    {"tags": (5,)},
    {"tags": "text"},
    {"backoff": 5},
    {"backoff": Backoff(jitter=math.nan)},
    {"backoff": Backoff(base_ms=0.5)},  # type: ignore[arg-type]
    {"backoff": Backoff(factor=math.inf)},
    {"limits": tuple(f"l{number}" for number in range(JOB_LIMITS_MAX + 1))},
)


@pytest.mark.parametrize("changes", BAD_JOBS, ids=str)
def test_a_job_that_nobody_could_read_or_end_is_refused_however_it_is_given(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(Misuse):
        check_job(msgspec.structs.replace(Job("f"), **changes))
    with pytest.raises(Misuse):
        check_schedule(Schedule("s", Job("f", **changes), Every(1_000)))
    stages = (Stage("s", (Call("f", **changes),)),)
    with pytest.raises(Misuse):
        check_pipeline(Pipeline("p", stages))
    if changes != {"tags": "text"}:  # one tag, as an option
        with pytest.raises(Misuse):
            JobOptions(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"unique": "a/b"}, {"due_unix_ms": UNIX_MS_MAX + 1}, {"args": {1: 2}}, {"name": 5}],
    ids=str,
)
def test_a_job_made_by_hand_is_checked_as_well(changes: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        check_job(msgspec.structs.replace(Job("f"), **changes))


def test_the_greatest_there_is_can_be_kept() -> None:
    job = Job("f", {"x": 1}, ("t",), result_ttl_ms=TIME_MS_MAX, due_unix_ms=UNIX_MS_MAX)
    check_job(job)
    assert decode_job(encode_job(job)) == job


@pytest.mark.parametrize(
    "make",
    [
        lambda: Unique(window_ms=-5),
        lambda: Unique(window_ms=1.5),  # type: ignore[arg-type]
        lambda: Unique(scope="world"),  # type: ignore[arg-type]
        lambda: Unique(policy="bogus"),
        lambda: Unique(key=5),  # type: ignore[arg-type]
        lambda: JobOptions(unique="args"),  # type: ignore[arg-type]
        lambda: JobOptions(at="2027"),  # type: ignore[arg-type]
        lambda: JobOptions(queue=5),  # type: ignore[arg-type]
        lambda: JobOptions(group=None),  # type: ignore[arg-type]
        lambda: JobOptions(priority="5"),  # type: ignore[arg-type]
        lambda: JobOptions(priority=2.5),  # type: ignore[arg-type]
        lambda: JobOptions(delay_ms=math.nan),  # type: ignore[arg-type]
    ],
)
def test_options_of_the_wrong_kind_are_misuse(make: Callable[[], object]) -> None:
    with pytest.raises(Misuse):
        make()


@pytest.mark.parametrize(
    "gate",
    [
        Gate("g", Time(1_800_000_000_000.5), queue="mail"),  # type: ignore[arg-type]
        Gate("g", Time(UNIX_MS_MAX + 1)),
        Gate("g", QueueSize("q", 1.5)),  # type: ignore[arg-type]
        Gate("g", QueueSize("q", 1, "bogus")),  # type: ignore[arg-type]
        Gate("g", QueueSize("q", 1), rearm="always"),  # type: ignore[arg-type]
    ],
)
def test_a_gate_that_could_not_be_read_again_is_refused(gate: Gate) -> None:
    with pytest.raises(Misuse):
        check_gate(gate)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(rate=0.5),  # type: ignore[arg-type]
        Rule(concurrency=1.5),  # type: ignore[arg-type]
        Rule(concurrency=True),
        Rule(rate=1, period_ms=1.5),  # type: ignore[arg-type]
    ],
)
def test_a_limit_that_would_limit_nothing_is_refused(rule: Rule) -> None:
    with pytest.raises(Misuse, match="a whole number"):
        check_rule(rule)


@pytest.mark.parametrize(
    "changes",
    [
        {"rule": Every(1000.5)},  # type: ignore[arg-type]
        {"rule": Once(1_800_000_000_000.5)},  # type: ignore[arg-type]
        {"jitter_ms": 0.5},
        {"overlap": "bogus"},
        {"paused": "yes"},
        {"priority": 2.5},
    ],
    ids=str,
)
def test_a_schedule_that_could_not_be_read_again_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        check_schedule(msgspec.structs.replace(Schedule("s", Job("f"), Every(1_000)), **changes))


@pytest.mark.parametrize(
    ("stage", "keep_ms"),
    [
        ({}, 1000.5),
        ({"on_failure": "ignore"}, 1000),
        ({"on_failure": "retry", "retries": 1.5}, 1000),
        ({"after": "s"}, 1000),
        ({"id_arg": 5}, 1000),
    ],
)
def test_a_pipeline_that_could_not_be_read_again_is_refused(
    stage: dict[str, Any], keep_ms: Any
) -> None:
    with pytest.raises(Misuse):
        check_pipeline(Pipeline("p", (Stage("s", (Call("f"),), **stage),), keep_ms))
