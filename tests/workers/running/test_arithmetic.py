"""The small sums a worker does: waits, shares, paces, tails, results."""

import pytest

from workers.model.job import Backoff
from workers.running.backoff import wait_ms
from workers.running.capture import Tail
from workers.running.pace import AHEAD_IN_CHILD_MAX, AHEAD_IN_WORKER_MAX, Pace
from workers.running.results import BadResult, encode_result
from workers.running.shares import shares


@pytest.mark.parametrize(
    ("attempt", "drawn", "expected_ms"),
    [(1, 0.0, 1000), (2, 0.0, 2000), (3, 1.0, 3200), (8, 0.0, 60_000), (5000, 0.5, 54_000)],
)
def test_waits_grow_up_to_a_bound_less_a_share_by_lot(
    attempt: int, drawn: float, expected_ms: int
) -> None:
    backoff = Backoff(base_ms=1000, factor=2.0, max_ms=60_000, jitter=0.2)
    assert wait_ms(backoff, attempt, lambda: drawn) == expected_ms


@pytest.mark.parametrize("jitter", [-1.0, 5.0])
def test_no_jitter_makes_a_wait_negative_or_longer(jitter: float) -> None:
    backoff = Backoff(base_ms=1000, jitter=jitter)
    assert 0 <= wait_ms(backoff, 1, lambda: 1.0) <= 1000


def test_room_goes_to_the_first_queue_or_to_all_alike_in_turns() -> None:
    assert shares(5, 3, 1, fair=False) == [5, 0, 0]
    assert shares(7, 3, 0, fair=True) == [3, 2, 2]
    turns = [shares(1, 3, turn, fair=True) for turn in range(3)]
    assert [sum(column) for column in zip(*turns, strict=True)] == [1, 1, 1]
    assert shares(4, 0, 1, fair=True) == []


def test_short_jobs_are_fetched_ahead_and_long_ones_never() -> None:
    pace = Pace()
    assert (pace.depth("f"), pace.ahead(4)) == (1, 0)
    for _ in range(100):
        pace.note("short", 20)
    assert (pace.depth("short"), pace.ahead(4)) == (AHEAD_IN_CHILD_MAX, AHEAD_IN_WORKER_MAX)
    pace.note("short", 1_000_000)
    assert (pace.depth("short"), pace.ahead(4)) == (1, 0)
    assert pace.depth("other") == 1


def test_a_tail_keeps_the_end_and_says_that_there_was_more() -> None:
    tail = Tail(chars_max=10)
    for _ in range(100):
        tail.add("abc")
    tail.add("end")
    assert tail.text() == "…" + ("abc" * 10)[-7:] + "end"
    tail.clear()
    tail.add("x" * 11)
    assert tail.text() == "…" + "x" * 10
    tail.clear()
    tail.add("short")
    assert tail.text() == "short"


@pytest.mark.parametrize(
    ("value", "as_json", "as_msgpack"),
    [
        (None, b"null", b""),
        ({"a": [1, 2.5, "x"]}, b'{"a":[1,2.5,"x"]}', b""),
        (b"\x01", b"null", b"\xc4\x01\x01"),
        ({1: 2}, b"null", b"\x81\x01\x02"),
    ],
)
def test_results_are_json_or_what_brings_them_back_as_they_were(
    value: object, as_json: bytes, as_msgpack: bytes
) -> None:
    assert encode_result(value) == (as_json, as_msgpack)


def test_what_cannot_be_said_is_refused_and_named() -> None:
    with pytest.raises(BadResult, match="cannot be kept"):
        encode_result(object())
    with pytest.raises(BadResult, match="are allowed"):
        encode_result("x" * 2_000_000)
