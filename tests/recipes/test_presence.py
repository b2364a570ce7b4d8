"""Presence: there while its holder lives, back when it was lost, gone when it stops."""

import asyncio

import pytest

from coord.errors import ErrorCode, Misuse, Unavailable
from coord.requests import PutReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.presence import Presence


@in_loop
async def test_the_key_is_there_on_entry_and_gone_with_its_lease_on_exit() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with Presence(client, "p/me", "here") as presence:
        (kv,) = (await client.get("p/me")).kvs
        assert (kv.value, kv.lease) == (b"here", presence.lease)
    assert (await client.get("p/me")).count == 0
    assert cluster.store.lease_count == 0
    assert presence.lease == 0


@in_loop
async def test_a_holder_that_falls_silent_is_gone_within_its_time_to_live_and_comes_back() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with Presence(client, "p/me", "here", ttl_ms=1000) as presence:
        cluster.sessions[0].stall()
        cluster.advance(1000)
        assert (await client.get("p/me")).count == 0
        cluster.sessions[0].wake()
        await settle()
        assert presence.appearances == 2
        (kv,) = (await client.get("p/me")).kvs
        assert (kv.value, kv.lease) == (b"here", presence.lease)


@in_loop
async def test_a_new_value_shows_at_once_and_after_a_loss() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with Presence(client, "p/me", "old") as presence:
        assert await presence.update("new")
        assert (await client.get("p/me")).kvs[0].value == b"new"
        await client.revoke(presence.lease)
        assert not await presence.update("newer")
        cluster.notice_lost_sessions()
        await settle()
        assert (await client.get("p/me")).kvs[0].value == b"newer"


@in_loop
async def test_a_put_whose_answer_was_lost_is_repeated() -> None:
    for exclusive in (False, True):
        client = LocalCluster().client()
        client.lose_answers()
        async with Presence(client, "p/me", exclusive=exclusive) as presence:
            assert presence.is_here
            assert (await client.get("p/me")).kvs[0].lease == presence.lease


@in_loop
async def test_an_exclusive_key_is_waited_for_and_never_taken_over() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    first = Presence(client, "p/me", "1", exclusive=True)
    await first.__aenter__()
    second = Presence(client, "p/me", "2", exclusive=True)
    waiting = asyncio.create_task(second.__aenter__())
    await settle()
    assert not waiting.done()
    assert (await client.get("p/me")).kvs[0].value == b"1"
    await first.__aexit__(None, None, None)
    await waiting
    assert (await client.get("p/me")).kvs[0].value == b"2"
    await second.__aexit__(None, None, None)


@in_loop
async def test_who_gives_up_waiting_leaves_no_lease_behind() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with Presence(client, "p/me", exclusive=True):
        waiting = asyncio.create_task(Presence(client, "p/me", exclusive=True).__aenter__())
        await settle()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert cluster.store.lease_count == 1


@in_loop
async def test_without_exclusive_the_last_to_come_has_the_key_and_keeps_it() -> None:
    client = LocalCluster().client()
    first = Presence(client, "p/me", "1")
    await first.__aenter__()
    async with Presence(client, "p/me", "2"):
        assert not await first.update("still me")
        await first.__aexit__(None, None, None)
        assert (await client.get("p/me")).kvs[0].value == b"2"


class Away(LocalClient):
    """Nobody answers puts."""

    async def put(self, *args: object, **options: object) -> PutReply:
        raise Unavailable("no leader", ErrorCode.NO_LEADER)


@in_loop
async def test_a_first_appearance_that_failed_is_told() -> None:
    cluster = LocalCluster()
    with pytest.raises(Unavailable):
        await Presence(Away(cluster), "p/me").__aenter__()
    assert cluster.store.lease_count == 0


@in_loop
async def test_a_value_that_can_be_none_is_refused_while_there_is_no_lease_too() -> None:
    client = LocalCluster().client()
    presence = Presence(client, "here", "first")
    with pytest.raises(Misuse):
        await presence.update(bytes(2 << 20))
    async with presence:
        assert (await client.get("here")).kvs[0].value == b"first"
