"""The balancer: even turns over the living, none for the dead."""

from collections import Counter

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import Unavailable
from coord.testing.local import LocalCluster, in_loop
from recipes.balancer import Balancer, Policy
from recipes.registry import Instance, Registry

A, B, C = (Instance(f"10.0.0.{number}:80", number) for number in (1, 2, 3))


@attrs.define
class Fixed:
    """A list of instances and a clock, both moved by hand."""

    living: tuple[Instance, ...]
    time_s: float = 0.0


def _picks(balancer: Balancer, count: int) -> Counter[str]:
    return Counter(balancer.pick().address for _ in range(count))


@given(st.integers(1, 8), st.integers(0, 100))
def test_turns_are_even_however_many_picks(instances: int, picks: int) -> None:
    living = tuple(Instance(f"h:{number}") for number in range(1, instances + 1))
    counts = _picks(Balancer(Fixed(living)), picks)
    fewest = min(counts[each.address] for each in living)
    assert max(counts.values(), default=0) - fewest <= 1


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_weighted_turns_are_as_many_as_the_weights_in_every_full_round(weights: list[int]) -> None:
    living = tuple(Instance(f"h:{i}", weight) for i, weight in enumerate(weights, 1))
    balancer = Balancer(Fixed(living), Policy.WEIGHTED)
    for _ in range(2):
        counts = _picks(balancer, sum(weights))
        assert [counts[each.address] for each in living] == weights


def test_weighted_turns_are_mixed() -> None:
    balancer = Balancer(Fixed((A, Instance("h:5", 5))), Policy.WEIGHTED)
    picked = [balancer.pick().address for _ in range(6)]
    assert picked.index(A.address) not in (0, 5)


def test_the_least_busy_for_its_weight_is_picked() -> None:
    balancer = Balancer(Fixed((A, B)), Policy.LEAST_BUSY)
    with balancer.calling() as first, balancer.calling() as second, balancer.calling() as third:
        assert sorted(each.address for each in (first, second, third)) == [
            A.address, B.address, B.address,
        ]  # fmt: skip
        assert (balancer.busy(A), balancer.busy(B)) == (1, 2)
    assert (balancer.busy(A), balancer.busy(B)) == (0, 0)


def test_a_failed_instance_is_set_aside_until_its_pause_is_over() -> None:
    fixed = Fixed((A, B, C))
    balancer = Balancer(fixed, pause_s=5.0, now_s=lambda: fixed.time_s)
    failing = balancer.pick()
    balancer.failed(failing)
    assert balancer.paused == (failing.address,)
    assert failing.address not in _picks(balancer, 10)
    fixed.time_s = 5.0
    assert balancer.pick() == failing


def test_a_failed_instance_that_registers_anew_is_picked_again() -> None:
    fixed = Fixed((A, B))
    balancer = Balancer(fixed, now_s=lambda: 0.0)
    balancer.failed(A)
    assert balancer.pick() == B
    fixed.living = (B,)
    balancer.pick()
    fixed.living = (A, B)
    assert balancer.pick() == A


def test_when_all_have_failed_one_of_them_is_better_than_nobody() -> None:
    balancer = Balancer(Fixed((A,)), now_s=lambda: 0.0)
    balancer.failed(A)
    assert balancer.pick() == A


@pytest.mark.parametrize("error", [ConnectionRefusedError, TimeoutError, Unavailable])
def test_a_call_that_could_not_be_made_counts_as_failure(error: type[Exception]) -> None:
    balancer = Balancer(Fixed((A, B)), now_s=lambda: 0.0)
    with pytest.raises(error), balancer.calling():
        raise error
    assert balancer.paused == (A.address,)


def test_an_error_of_the_callers_own_is_not_the_instances_failure() -> None:
    balancer = Balancer(Fixed((A, B)))
    with pytest.raises(ValueError, match="mine"), balancer.calling():
        raise ValueError("mine")
    assert balancer.paused == ()


def test_without_instances_it_says_so() -> None:
    with pytest.raises(Unavailable, match="no instance"):
        Balancer(Fixed(())).pick()


@in_loop
async def test_an_instance_that_stopped_or_died_is_skipped_without_a_failed_call() -> None:
    cluster = LocalCluster()
    registry = Registry(cluster.client())
    stopping = registry.register("s", B)
    async with (
        registry.register("s", A, ttl_ms=1000),
        registry.register("s", C),
        registry.follow("s") as instances,
    ):
        dying = cluster.sessions[0]
        await stopping.__aenter__()
        await instances.until(lambda: len(instances.living) == 3)
        balancer = Balancer(instances)
        assert len(_picks(balancer, 3)) == 3
        await stopping.__aexit__(None, None, None)
        await instances.until(lambda: len(instances.living) == 2)
        assert B.address not in _picks(balancer, 10)
        dying.stall()
        cluster.advance(1000)
        await instances.until(lambda: len(instances.living) == 1)
        assert set(_picks(balancer, 10)) == {C.address}
