"""What a limit allows: so many jobs at once, so many per time, or both.

A limit is a name that jobs are put under; its rule can be set and changed at any time, and a limit
without one lets everything pass. The limit of a whole queue Q is named "queue.Q".
"""

import msgspec

from coord.errors import ErrorCode, Misuse, error_from
from recipes.decoding import UNREADABLE
from workers.model.checks import check_whole

NUMBER_MAX = 1_000_000_000
BURST_MS = 50  # of the rate may come at once unless a rule says otherwise: the steward's own pace
QUEUE = "queue."


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A limit's rule.

    Attributes:
        concurrency: jobs ready or running at once; 0 for any number.
        rate: jobs let pass per `period_ms`; 0 for any number.
        period_ms: the time `rate` is for.
        burst: jobs let pass at once after a quiet time; 0 for what the rate gives in 50 ms, and
            1 at least.
    """

    concurrency: int = 0
    rate: int = 0
    period_ms: int = 1_000
    burst: int = 0

    @property
    def burst_max(self) -> int:
        """How many may pass at once after a quiet time."""
        return self.burst or max(1, self.rate * BURST_MS // self.period_ms)

    def __str__(self) -> str:
        parts = []
        if self.concurrency:
            parts.append(f"{self.concurrency} at once")
        if self.rate:
            parts.append(f"{self.rate} per {self.period_ms} ms")
        return ", ".join(parts) or "any number"


def check_rule(rule: Rule) -> Rule:
    """Return a rule that can be one.

    Raises:
        Misuse: a number is out of bounds, or it limits nothing.
    """
    for name in ("concurrency", "rate", "burst"):
        check_whole(name, getattr(rule, name), 0, NUMBER_MAX)
    check_whole("period_ms", rule.period_ms, 1, NUMBER_MAX)
    if not rule.concurrency and not rule.rate:
        raise error_from(
            ErrorCode.INVALID_OPTION, "a limit needs a concurrency or a rate; to stop, pause"
        )
    return rule


def queue_of(limit: str) -> str | None:
    """Return the queue a limit is the whole one of; None where it is none of a queue."""
    return limit.removeprefix(QUEUE) if limit.startswith(QUEUE) else None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Rule)


def encode_rule(rule: Rule) -> bytes:
    """Return a rule as it is kept."""
    return _encoder.encode(rule)


def decode_rule(value: bytes) -> Rule | None:
    """Return the rule a value stands for; None where it is none, which limits nothing."""
    try:
        return check_rule(_decoder.decode(value))
    except (*UNREADABLE, Misuse):
        return None
