"""A rate as a bucket: against a plain count of what any stretch of time saw."""

import random

import pytest

from workers.limits.bucket import (
    Bucket,
    decode_bucket,
    encode_bucket,
    filled,
    full,
    next_token_unix_ms,
    taken,
    tokens,
)
from workers.limits.rule import Rule


@pytest.mark.parametrize("seed", range(20))
def test_no_stretch_of_time_sees_more_than_the_burst_and_its_share_of_the_rate(seed: int) -> None:
    luck = random.Random(seed)
    rule = Rule(rate=luck.randrange(1, 50), period_ms=luck.choice((10, 997, 60_000)), burst=3)
    bucket, now = full(rule, 0), 0
    passed: list[int] = []
    for _ in range(200):
        now += luck.randrange(0, 3 * rule.period_ms // rule.rate + 2)
        bucket = filled(rule, bucket, now)
        count = luck.randint(0, tokens(rule, bucket))
        bucket = taken(rule, bucket, count)
        passed += [now] * count
    for first in range(0, len(passed), 7):
        for last in range(first, len(passed), 11):
            allowed = rule.burst_max + (passed[last] - passed[first]) * rule.rate / rule.period_ms
            assert last - first + 1 <= allowed


def test_the_next_token_is_there_at_its_time_and_not_a_millisecond_before() -> None:
    rule = Rule(rate=3, period_ms=1_000)
    empty = taken(rule, full(rule, 0), 1)
    at = next_token_unix_ms(rule, empty)
    assert at == 334
    assert tokens(rule, filled(rule, empty, at - 1)) == 0
    assert tokens(rule, filled(rule, empty, at)) == 1


def test_a_clock_that_stands_before_the_buckets_brings_nothing_and_is_the_clock_from_then_on() -> (
    None
):
    rule = Rule(rate=1, period_ms=100)
    ahead = Bucket(0, 1_000_000)
    back = filled(rule, ahead, 500)
    assert back == Bucket(0, 500)
    assert next_token_unix_ms(rule, back) == 600


def test_a_rate_never_takes_longer_to_use_than_its_pace_for_want_of_room() -> None:
    assert Rule(rate=10_000).burst_max == 500
    assert Rule(rate=1, period_ms=60_000).burst_max == 1
    assert Rule(rate=10, burst=7).burst_max == 7


def test_a_bucket_is_read_back_as_it_was_written_and_anything_else_is_none() -> None:
    assert decode_bucket(encode_bucket(Bucket(5, 7))) == Bucket(5, 7)
    assert decode_bucket(b"5") is None
