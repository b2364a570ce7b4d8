"""Decisions about schedules, without a store: every due time is settled once, in order."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.model.ids import JobId
from workers.model.job import Job
from workers.schedules.due import dues
from workers.schedules.plan import DUES_MAX, Fire, after_edit, plan, wake_unix_ms
from workers.schedules.values import (
    Backfill,
    CatchUp,
    Cause,
    Every,
    Overlap,
    Schedule,
    State,
)

SECONDLY = Schedule("s", Job("f"), Every(1_000), overlap=Overlap.ALLOW, catch_up_ms=10_000)
STANDING = JobId("q", "5" + "0" * 20)


def _with(**changes: Any) -> Schedule:
    return msgspec.structs.replace(SECONDLY, **changes)


def test_nothing_is_to_do_before_the_next_due_time() -> None:
    state = State(5_000)
    assert plan(SECONDLY, state, None, None, 5_999) is None
    assert wake_unix_ms(SECONDLY, state) == 6_000
    made = plan(SECONDLY, state, None, None, 6_000)
    assert made is not None
    assert (made.fires, made.state) == ((Fire(6_000, Cause.DUE),), State(6_000))


def test_a_paused_schedule_has_nothing_to_do_and_no_time() -> None:
    paused = _with(paused=True)
    assert plan(paused, State(0, buffered_unix_ms=5), None, None, 10**9) is None
    assert wake_unix_ms(paused, State(0)) is None


@pytest.mark.parametrize(
    ("overlap", "buffered", "expected"),
    [
        (Overlap.SKIP, 0, State(6_000, skipped=1)),
        (Overlap.QUEUE, 0, State(6_000, buffered_unix_ms=6_000)),
        (Overlap.QUEUE, 4_000, State(6_000, buffered_unix_ms=4_000, skipped=1)),
        (
            Overlap.CANCEL_OLD,
            0,
            State(6_000, buffered_unix_ms=6_000, asked_to_end=str(STANDING)),
        ),
        (
            Overlap.CANCEL_OLD,
            4_000,
            State(6_000, buffered_unix_ms=6_000, asked_to_end=str(STANDING), skipped=1),
        ),
    ],
)
def test_a_due_time_that_meets_the_job_before_it_gives_way_as_the_policy_says(
    overlap: Overlap, buffered: int, expected: State
) -> None:
    state = State(5_000, buffered_unix_ms=buffered)
    made = plan(_with(overlap=overlap), state, STANDING, None, 6_000)
    assert made is not None
    assert (made.fires, made.state) == ((), expected)
    assert made.cancel == (overlap is Overlap.CANCEL_OLD)


def test_a_job_is_asked_to_end_only_once() -> None:
    schedule = _with(overlap=Overlap.CANCEL_OLD)
    state = State(5_000, buffered_unix_ms=4_000, asked_to_end=str(STANDING))
    made = plan(schedule, state, STANDING, None, 6_000)
    assert made is not None
    assert not made.cancel
    assert plan(schedule, made.state, STANDING, None, 6_000) is None


def test_what_was_buffered_is_fired_before_anything_else() -> None:
    schedule = _with(overlap=Overlap.QUEUE)
    made = plan(schedule, State(5_000, buffered_unix_ms=4_000), None, None, 9_000)
    assert made is not None
    assert (made.fires, made.state) == ((Fire(4_000, Cause.BUFFERED),), State(5_000))


def test_a_backfill_goes_part_by_part_and_leaves_the_state_alone() -> None:
    backfill: Backfill | None = Backfill(0, 40_000)
    parts = []
    while backfill is not None:
        made = plan(SECONDLY, State(90_000), None, backfill, 91_000)
        assert made is not None
        assert made.state == State(90_000)
        parts.append(len(made.fires))
        backfill = made.backfill
    assert parts == [DUES_MAX, 40 - DUES_MAX, 0]


_policies = st.builds(
    _with,
    overlap=st.sampled_from(Overlap),
    catch_up=st.sampled_from(CatchUp),
    catch_up_ms=st.sampled_from([1_000, 10_000, 200_000]),
    jitter_ms=st.sampled_from([0, 300, 5_000]),
    rule=st.sampled_from([Every(700), Every(1_000), Every(60_000)]),
)


@given(_policies, st.booleans(), st.lists(st.integers(0, 150_000), min_size=1, max_size=6))
def test_step_by_step_every_due_time_is_accounted_for_once(
    schedule: Schedule, stands: bool, waits: list[int]
) -> None:
    state, now, fired = State(0), 0, list[int]()
    standing = STANDING if stands and schedule.overlap is not Overlap.ALLOW else None
    for wait in waits:
        now += wait
        for _ in range(1_000):
            made = plan(schedule, state, standing, None, now)
            if made is None:
                break
            assert made.state.settled_unix_ms >= state.settled_unix_ms
            fired += [fire.due_unix_ms for fire in made.fires]
            state = made.state
        else:
            pytest.fail("there is always something more to do")
        wake = wake_unix_ms(schedule, state)
        assert wake is not None
        assert wake > now
    settled = list(dues(schedule.rule, 0, state.settled_unix_ms))
    buffered = 1 if state.buffered_unix_ms else 0
    assert len(fired) == len(set(fired))
    assert set(fired) <= set(settled)
    assert len(fired) + state.skipped + state.missed + buffered == len(settled)


# --- edits --------------------------------------------------------------------------------------


def test_an_edit_of_the_rule_counts_what_was_due_before_it_as_missed() -> None:
    new = _with(rule=Every(5_000))
    assert after_edit(SECONDLY, State(5_000), new, 8_500) == State(8_500, missed=3)


def test_an_edit_of_anything_else_leaves_the_state_alone() -> None:
    state = State(5_000, firings=3)
    assert after_edit(SECONDLY, state, _with(priority=9), 8_500) == state


def test_a_pause_is_nobodys_miss() -> None:
    paused = _with(paused=True)
    state = after_edit(SECONDLY, State(5_000), paused, 5_500)
    assert state == State(5_500)
    assert after_edit(paused, state, SECONDLY, 99_000) == State(99_000)


def test_the_clock_of_an_editor_never_takes_back_what_is_settled() -> None:
    assert after_edit(SECONDLY, State(5_000), None, 1_000) == State(5_000)
    assert after_edit(None, State(5_000), SECONDLY, 1_000) == State(5_000)


@pytest.mark.parametrize("new", [None, _with(overlap=Overlap.SKIP)])
def test_what_is_buffered_is_skipped_where_nothing_may_wait_any_more(new: Schedule | None) -> None:
    old = _with(overlap=Overlap.QUEUE)
    state = State(5_000, buffered_unix_ms=4_000, asked_to_end="x")
    assert after_edit(old, state, new, 5_000) == State(5_000, skipped=1)
