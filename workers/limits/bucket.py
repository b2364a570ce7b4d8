"""A token bucket: what is left of a rate.

It fills by `rate` tokens per `period_ms`, up to `burst_max`; letting a job pass takes one. Counted
in whole numbers, a token being `period_ms` drops and a millisecond bringing `rate` of them, so that
nothing is lost by rounding. In any time T at most burst_max + T * rate / period_ms jobs pass.
"""

import msgspec

from recipes.decoding import UNREADABLE
from workers.limits.rule import Rule


class Bucket(msgspec.Struct, frozen=True):
    """Drops at a time, in unix milliseconds."""

    drops: int
    at_unix_ms: int


def full(rule: Rule, now_unix_ms: int) -> Bucket:
    """Return the bucket of a rule that nothing was taken from yet."""
    return Bucket(rule.burst_max * rule.period_ms, now_unix_ms)


def filled(rule: Rule, bucket: Bucket, now_unix_ms: int) -> Bucket:
    """Return the bucket as it is now.

    A clock that stands before the bucket's brings nothing, and is the clock from then on: the
    steward before had another one, or it was set.
    """
    passed_ms = max(0, now_unix_ms - bucket.at_unix_ms)
    drops = min(bucket.drops + passed_ms * rule.rate, rule.burst_max * rule.period_ms)
    return Bucket(drops, now_unix_ms)


def tokens(rule: Rule, bucket: Bucket) -> int:
    """Return how many jobs may pass now."""
    return bucket.drops // rule.period_ms


def taken(rule: Rule, bucket: Bucket, count: int) -> Bucket:
    """Return the bucket after `count` jobs passed."""
    assert 0 <= count <= tokens(rule, bucket)
    return msgspec.structs.replace(bucket, drops=bucket.drops - count * rule.period_ms)


def next_token_unix_ms(rule: Rule, bucket: Bucket) -> int:
    """Return when a bucket that has no token left will have one."""
    lacking = rule.period_ms - bucket.drops
    return bucket.at_unix_ms + -(-lacking // rule.rate)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Bucket)


def encode_bucket(bucket: Bucket) -> bytes:
    """Return a bucket as it is kept."""
    return _encoder.encode(bucket)


def decode_bucket(value: bytes) -> Bucket | None:
    """Return the bucket a value stands for; None where it is none."""
    try:
        return _decoder.decode(value)
    except UNREADABLE:
        return None
