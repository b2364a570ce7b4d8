"""Leases that endings are kept under."""

import pytest

from coord.limits import LEASE_TTL_MS_MAX
from coord.requests import LeaseTimeToLive, LeaseTimeToLiveReply
from coord.testing.local import LocalCluster, in_loop
from workers.result_leases import ENDINGS_MAX, ResultLeases, ttl_class
from workers.testing.hand_timer import HandTimer


@in_loop
async def test_endings_of_one_time_to_live_share_a_lease_for_a_tenth_of_it() -> None:
    cluster, timer = LocalCluster(), HandTimer()
    leases = ResultLeases(cluster.client(), timer)
    first = await leases.lease_for(60_000)
    timer.advance(5_999)
    assert await leases.lease_for(60_000) == first
    timer.advance(1_000)
    second = await leases.lease_for(60_000)
    assert second != first
    left = cluster.store.read(LeaseTimeToLive(second))
    assert isinstance(left, LeaseTimeToLiveReply)
    assert left.granted_ms >= 66_000


@in_loop
async def test_a_lease_bears_only_so_many_endings() -> None:
    cluster = LocalCluster()
    leases = ResultLeases(cluster.client(), HandTimer())
    first = await leases.lease_for(60_000, ENDINGS_MAX)
    assert await leases.lease_for(60_000) != first


@in_loop
async def test_leases_are_made_anew_once_forgotten() -> None:
    cluster = LocalCluster()
    leases = ResultLeases(cluster.client(), HandTimer())
    first = await leases.lease_for(60_000)
    leases.forget()
    assert await leases.lease_for(60_000) != first


@pytest.mark.parametrize("ttl_ms", [1, 7, 8, 9, 100, 999, 1_000, 60_001, 86_400_000, 2**40 + 1])
def test_a_class_is_no_shorter_and_at_most_an_eighth_longer(ttl_ms: int) -> None:
    assert ttl_ms <= ttl_class(ttl_ms) <= ttl_ms * 9 / 8


def test_there_are_few_classes() -> None:
    assert len({ttl_class(ttl_ms) for ttl_ms in range(1_000, 64_000)}) <= 6 * 8 + 1


@pytest.mark.parametrize("ttl_ms", [-5, 0, LEASE_TTL_MS_MAX, 10**15])
@in_loop
async def test_a_time_no_lease_can_live_for_counts_as_the_nearest(ttl_ms: int) -> None:
    # Jobs kept by an older version may say so; whoever ends them must go on.
    cluster = LocalCluster()
    lease = await ResultLeases(cluster.client(), HandTimer()).lease_for(ttl_ms)
    left = cluster.store.read(LeaseTimeToLive(lease))
    assert isinstance(left, LeaseTimeToLiveReply)
    assert 0 < left.granted_ms <= LEASE_TTL_MS_MAX
