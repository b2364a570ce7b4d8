"""What can be a limit's rule."""

import pytest

from coord.errors import Misuse
from workers.limits.rule import Rule, check_rule, decode_rule, encode_rule, queue_of


@pytest.mark.parametrize(
    "rule",
    [
        Rule(),
        Rule(concurrency=-1),
        Rule(rate=-1),
        Rule(rate=1, period_ms=0),
        Rule(rate=1, burst=-1),
        Rule(concurrency=2_000_000_000),
        Rule(burst=5),
    ],
)
def test_a_rule_that_limits_nothing_or_is_out_of_bounds_is_refused(rule: Rule) -> None:
    with pytest.raises(Misuse):
        check_rule(rule)
    assert decode_rule(encode_rule(rule)) is None


@pytest.mark.parametrize("rule", [Rule(concurrency=3), Rule(rate=5, period_ms=60_000, burst=2)])
def test_a_rule_is_read_back_as_it_was_written(rule: Rule) -> None:
    assert decode_rule(encode_rule(check_rule(rule))) == rule


def test_what_is_no_rule_limits_nothing() -> None:
    assert decode_rule(b"3") is None


def test_a_rule_says_what_it_allows() -> None:
    assert str(Rule(concurrency=3, rate=5)) == "3 at once, 5 per 1000 ms"


def test_a_queues_own_limit_is_told_by_its_name() -> None:
    assert queue_of("queue.mail") == "mail"
    assert queue_of("mail") is None
