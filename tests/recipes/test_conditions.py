"""Conditions as values: what is refused, what the whole comes to, what is told of it."""

import msgspec
import pytest

from coord.errors import Misuse
from recipes.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Met,
    Opened,
    Present,
    Signal,
    Size,
    Time,
    check_condition,
    leaves,
    reached,
    verdict,
)
from recipes.errors import NeverOpens

A, B, C = Signal("a"), Size("b/", 3), Time(at_unix_ms=5)
NESTED = AllOf((A, AnyOf((B, C))))


def nested(depth: int) -> Condition:
    condition: Condition = A
    for _ in range(depth):
        condition = AllOf((condition,))
    return condition


@pytest.mark.parametrize(
    "condition",
    [
        Size("a/", 0), Size("a/", -1), Size("a/", 10**9), Size("", 1), Size("x" * 5000, 1),
        AnyOf(()), AllOf(()), AllOf((A, AnyOf(()))), nested(9), AllOf((A,) * 65),
        Time(), Time(at_unix_ms=-5), Time(1, 1), Time(after_ms=-1), Time(at_unix_ms=5, after_ms=-1),
        Signal(""), Opened(""), Present("", "a"), Present("q/", ""), Present("q/", "a/b"),
        AllOf((Present("q/", "a"),) * 5), Signal("\udc80"),
    ],
)  # fmt: skip
def test_what_could_never_be_met_is_refused_before_anything_is_asked(condition: Condition) -> None:
    with pytest.raises(NeverOpens) as refused:
        check_condition(condition)
    assert isinstance(refused.value, Misuse)
    assert str(refused.value)


@pytest.mark.parametrize("condition", [A, B, C, NESTED, Present("q/", "a"), Opened("g"), nested(7)])
def test_what_can_be_met_is_accepted_and_survives_the_store(condition: Condition) -> None:
    check_condition(condition)
    packed = msgspec.json.encode(condition)
    assert msgspec.json.decode(packed, type=Condition) == condition


def test_something_that_is_no_condition_is_refused() -> None:
    with pytest.raises(NeverOpens, match="str is no condition"):
        check_condition("size")  # type: ignore[arg-type]


def test_the_whole_is_met_when_its_last_needed_part_was() -> None:
    at = {number: Met(revision, 1) for number, revision in enumerate((5, 9, 7))}
    assert leaves(NESTED) == (A, B, C)
    assert reached(NESTED, {}) is None
    assert reached(NESTED, {0: at[0]}) is None
    assert reached(NESTED, {1: at[1]}) is None
    assert reached(NESTED, {0: at[0], 1: at[1]}) == at[1]
    assert reached(NESTED, at) == at[2]


def test_the_order_in_which_parts_are_met_makes_no_difference() -> None:
    met = {0: Met(9, 1), 1: Met(5, 3)}
    assert reached(AllOf((A, B)), met) == Met(9, 1)
    assert reached(AllOf((B, A)), {0: met[1], 1: met[0]}) == Met(9, 1)
    assert reached(AnyOf((A, B)), met) == Met(5, 3)


def test_a_verdict_tells_of_every_part_how_far_it_is_and_thanks_to_whom() -> None:
    told = verdict(NESTED, {0: Met(5, 1, "ann")}, {0: 1, 1: 2, 2: 4}, 1000)
    assert (told.value, told.target, told.met, told.since_unix_ms) == (1, 2, None, 1000)
    signal, either = told.of
    assert (signal.value, signal.target, signal.met) == (1, 1, Met(5, 1, "ann"))
    size, time = either.of
    assert (size.value, size.target, size.met) == (2, 3, None)
    assert (time.value, time.target) == (4, 5)
    assert str(told) == (
        "1 of all 2 (1 of 1: signal a by ann; 0 of any 1 (2 of 3 under b/; 4 of 5))"
    )
