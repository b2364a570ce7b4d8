"""The table of job states."""

import pytest

from workers.jobs import STEPS, Job, State, Step, after, read_job


@pytest.mark.parametrize(
    ("state", "step", "expected"),
    [
        (State.READY, Step.CLAIM, State.HELD),
        (State.HELD, Step.COMPLETE, State.DONE),
        (State.HELD, Step.EXPIRE, State.READY),
        (State.HELD, Step.BURY, State.DEAD),
        (State.DEAD, Step.REVIVE, State.READY),
    ],
)
def test_a_step_leads_where_the_table_says(state: State, step: Step, expected: State) -> None:
    assert after(state, step) is expected


def test_what_is_done_stays_done() -> None:
    assert [after(State.DONE, step) for step in Step] == [None] * len(Step)


def test_only_a_held_job_can_be_completed() -> None:
    completing = [state for state in State if after(state, Step.COMPLETE) is not None]
    assert completing == [State.HELD]


def test_every_step_is_somewhere_in_the_table() -> None:
    assert {step for _, step in STEPS} == set(Step)


def test_a_job_survives_its_queue_item() -> None:
    job = Job("parse", {"files": ["a.py"], "batch": 3})
    assert read_job(job.encode()) == job


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"\xff", b'{"name": 1}'])
def test_what_is_no_job_is_told_apart(body: bytes) -> None:
    assert read_job(body) is None
