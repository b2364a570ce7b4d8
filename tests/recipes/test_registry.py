"""Registry: who serves what, and where."""

from typing import Any

import pytest

from coord.errors import Misuse
from coord.requests import Compact
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.registry import Instance, Registry, check_address

A = Instance("10.0.0.1:80", 2, {"zone": "north"})
B = Instance("10.0.0.2:80")


@in_loop
async def test_registered_instances_are_looked_up_by_name_with_their_properties() -> None:
    client = LocalCluster().client()
    registry = Registry(client)
    async with (
        registry.register("search", B),
        registry.register("search", A),
        registry.register("searching", B),
    ):
        assert await registry.lookup("search") == (A, B)
        assert await registry.services() == {"search": (A, B), "searching": (B,)}
    assert await registry.lookup("search") == ()
    assert await registry.services() == {}


@in_loop
async def test_a_stopped_instance_is_off_the_list_at_once_and_its_lease_revoked() -> None:
    cluster = LocalCluster()
    registry = Registry(cluster.client())
    async with registry.follow("search") as instances:
        async with registry.register("search", A):
            assert await instances.change() == (A,)
        assert await instances.change() == ()
        assert cluster.store.lease_count == 0


@in_loop
async def test_a_crashed_instance_is_off_the_list_within_its_time_to_live_and_registers_again() -> (
    None
):
    cluster = LocalCluster()
    registry = Registry(cluster.client())
    async with (
        registry.register("search", A, ttl_ms=1000),
        registry.follow("search") as instances,
    ):
        session = cluster.sessions[0]
        session.stall()
        cluster.advance(900)
        assert await registry.lookup("search") == (A,)
        cluster.advance(100)
        await instances.until(lambda: instances.living == ())
        session.wake()
        await instances.until(lambda: instances.living == (A,))


@in_loop
async def test_an_instance_restarted_at_its_address_outlives_the_lease_of_its_former_life() -> None:
    cluster = LocalCluster()
    registry = Registry(cluster.client())
    crashed = registry.register("search", A, ttl_ms=1000)
    await crashed.__aenter__()
    cluster.sessions[0].stall()
    async with registry.register("search", A, ttl_ms=1000):
        cluster.advance(2000)
        assert await registry.lookup("search") == (A,)
        await crashed.__aexit__(None, None, None)
        assert await registry.lookup("search") == (A,)


@in_loop
async def test_a_live_list_is_right_again_after_compaction_overtook_it() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    registry = Registry(client)
    first = registry.register("search", A)
    await first.__aenter__()
    async with registry.follow("search") as instances, registry.register("search", B) as second:
        await instances.until(lambda: instances.living == (A, B))
        cluster.cut_watches()
        await first.__aexit__(None, None, None)
        await second.update(b"not an instance")
        cluster.write(Compact(cluster.store.revision))
        assert instances.living == (A, B)
        cluster.fail_cut_watches()
        await instances.until(lambda: instances.living == ())
        await settle()
        assert instances.error is None


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1:80", "search-7.local:65535", "[fd00::7]:80", "tcp://10.0.0.1:7412", "http://a:1"],
)
def test_an_address_others_can_connect_to_is_taken(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "", "80", "host", "host:", ":80", "host:0", "host:65536", "host:http", "host:-1",
        "host:8.0", "a b:80", "a/b:80", "fd00::7:80", "0.0.0.0:80", "[::]:80", "*:80",
        "tcp://:80", "host:٣",
    ],
)  # fmt: skip
def test_an_address_nobody_can_connect_to_is_refused_before_anything_is_sent(address: str) -> None:
    cluster = LocalCluster()
    with pytest.raises(Misuse, match="address"):
        Registry(cluster.client()).register("search", Instance(address))
    assert cluster.applied == []


@pytest.mark.parametrize(
    ("service", "weight"), [("", 1), ("a/b", 1), ("\ud800", 1), ("a", 0), ("a", 1001)]
)
def test_names_and_weights_that_can_never_work_are_refused(service: str, weight: int) -> None:
    registry = Registry(LocalCluster().client())
    with pytest.raises(Misuse):
        registry.register(service, Instance("10.0.0.1:80", weight))


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"zone": 1}}, {"weight": 1.5}, {"weight": True}, {"weight": "5"},
        {"address": b"h:80"}, {"address": "h:" + "1" * 5000}, {"address": "\ud800:80"},
    ],
)  # fmt: skip
def test_an_instance_no_lookup_would_see_is_refused_before_anything_is_sent(
    fields: dict[str, Any],
) -> None:
    cluster = LocalCluster()
    with pytest.raises(Misuse):
        Registry(cluster.client()).register("search", Instance(**{"address": "h:80", **fields}))
    assert cluster.applied == []
