"""Which step follows an attempt."""

import pytest

from workers.jobs import Failed, Finished, Step
from workers.policy import RetryPolicy


def test_a_finished_attempt_completes_even_if_it_was_one_too_many() -> None:
    assert RetryPolicy(2).step(Finished(b"1"), 3) is Step.COMPLETE


@pytest.mark.parametrize(("attempt", "step"), [(1, Step.FAIL), (2, Step.FAIL), (3, Step.BURY)])
def test_a_failed_attempt_is_repeated_until_the_last_one_buries(attempt: int, step: Step) -> None:
    assert RetryPolicy(3).step(Failed("broken"), attempt) is step


def test_a_failure_that_cannot_fare_better_buries_at_once() -> None:
    assert RetryPolicy(3).step(Failed("no such job", again=False), 1) is Step.BURY
