"""Membership: one holder of each name, in order of joining."""

import asyncio

import pytest

from coord.errors import Misuse
from coord.requests import Compact
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.membership import Group


@in_loop
async def test_members_are_listed_in_the_order_they_joined_with_what_they_say() -> None:
    client = LocalCluster().client()
    group = Group(client, "g/")
    async with group.join("b", "1") as b, group.join("a", "2"), group:
        assert [(m.name, m.value) for m in group.members] == [("b", b"1"), ("a", b"2")]
        assert await group.list() == group.members
        await b.update("3")
        assert [(m.name, m.value) for m in await group.change()] == [("b", b"3"), ("a", b"2")]


@in_loop
async def test_a_name_in_use_is_waited_for() -> None:
    group = Group(LocalCluster().client(), "g/")
    async with group.join("a"):
        second = group.join("a")
        waiting = asyncio.create_task(second.__aenter__())
        await settle()
        assert not waiting.done()
    await waiting
    assert [member.name for member in await group.list()] == ["a"]
    await second.__aexit__(None, None, None)
    assert await group.list() == ()


@in_loop
async def test_a_silent_member_is_out_within_its_time_to_live_and_joins_again_at_the_end() -> None:
    cluster = LocalCluster()
    group = Group(cluster.client(), "g/")
    async with group, group.join("a", ttl_ms=1000), group.join("b", ttl_ms=1000):
        await group.until(lambda: len(group.members) == 2)
        session = cluster.sessions[0]
        session.stall()
        cluster.advance(1000)
        await group.until(lambda: [m.name for m in group.members] == ["b"])
        session.wake()
        await group.until(lambda: [m.name for m in group.members] == ["b", "a"])


@in_loop
async def test_the_list_is_right_after_compaction_overtook_it() -> None:
    cluster = LocalCluster()
    group = Group(cluster.client(), "g/")
    async with group, group.join("a"):
        await group.until(lambda: len(group.members) == 1)
        cluster.cut_watches()
        async with group.join("b"):
            cluster.write(Compact(cluster.store.revision))
            cluster.fail_cut_watches()
            await group.until(lambda: [member.name for member in group.members] == ["a", "b"])


@pytest.mark.parametrize("name", ["", "a/b"])
def test_names_that_cannot_work_are_refused(name: str) -> None:
    with pytest.raises(Misuse):
        Group(LocalCluster().client(), "g/").join(name)
