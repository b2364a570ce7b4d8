"""Jobs and endings as they are kept."""

import math

import pytest

from coord.errors import Misuse
from coord.limits import VALUE_BYTES_MAX
from workers.model.ending import Ending, decode_ending, encode_ending
from workers.model.job import HISTORY_MAX, Attempt, Job, decode_job, encode_job
from workers.model.states import State


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"n": 1, "text": "ü", "deep": [{"a": None}, 1.5, True]},
        {"data": b"\x00\xff"},
        {"deep": [{"data": b"x"}]},
        {"infinite": math.inf},
        {"numbers": {1: "one"}},
    ],
)
def test_a_job_is_read_back_as_it_was_kept(args: dict[str, object]) -> None:
    job = Job("f", args, limits=("a", "b"), history=(Attempt(1, "no"),))
    assert decode_job(encode_job(job)) == job


def test_a_job_without_bytes_is_kept_as_json_for_people_to_read() -> None:
    assert encode_job(Job("f", {"n": 1})) == b'{"name":"f","args":{"n":1}}'


@pytest.mark.parametrize("args", [{"f": print}, {"f": object()}, {"n": 1 << 70, "b": b""}])
def test_arguments_that_cannot_be_said_are_refused_by_the_jobs_name(
    args: dict[str, object],
) -> None:
    with pytest.raises(Misuse, match="send_mail"):
        encode_job(Job("send_mail", args))


def test_a_job_too_large_for_a_key_is_refused() -> None:
    with pytest.raises(Misuse, match="bytes"):
        encode_job(Job("f", {"text": "x" * VALUE_BYTES_MAX}))


@pytest.mark.parametrize("value", [b"", b"{", b"{}", b"[]", b"null", b"\xff", b'{"name": 3}'])
def test_what_is_no_job_is_none(value: bytes) -> None:
    assert decode_job(value) is None


def test_only_the_last_attempts_are_told_in_full_and_all_are_counted() -> None:
    job = Job("f")
    for number in range(1, HISTORY_MAX + 6):
        job = job.with_attempt(Attempt(number, "no"))
    assert job.tries == HISTORY_MAX + 5
    assert [attempt.number for attempt in job.history] == list(range(6, HISTORY_MAX + 6))


def test_an_ending_is_read_back_as_it_was_kept() -> None:
    ending = Ending(State.DEAD, "f", 7, 3, "w", result_msgpack=b"\x01", cause="no", tags=("a",))
    assert decode_ending(encode_ending(ending)) == ending
    assert decode_ending(b"{}") is None
