"""Cluster time counts on from a stamp and never goes back between two."""

from hypothesis import given
from hypothesis import strategies as st

from coord.node.cluster_time import ClusterTime


def test_it_counts_on_from_the_stamp_at_the_pace_of_the_local_clock() -> None:
    time = ClusterTime()
    time.restart(5_000, now_ms=100.0)
    assert time.reckon_ms(100.0) == 5_000
    assert time.reckon_ms(350.9) == 5_250


def test_a_new_leader_does_not_count_the_time_without_one() -> None:
    time = ClusterTime()
    time.restart(5_000, now_ms=100.0)
    time.restart(5_000, now_ms=90_000.0)
    assert time.reckon_ms(90_010.0) == 5_010


@given(st.lists(st.floats(0, 1e9), min_size=2))
def test_it_never_goes_back_while_the_local_clock_does_not(moments: list[float]) -> None:
    time = ClusterTime()
    time.restart(7, now_ms=0.0)
    reckoned = [time.reckon_ms(moment) for moment in sorted(moments)]
    assert reckoned == sorted(reckoned)
