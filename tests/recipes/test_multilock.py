"""Multi-lock: all or none, and never in a circle."""

import asyncio

import pytest

from coord import ops
from coord.errors import Misuse
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.errors import NotHolder, SessionLost, StillHeld
from recipes.lock import Lock
from recipes.multilock import MultiLock


@in_loop
async def test_all_are_held_together_and_released_together() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        async with await MultiLock(client, ["b", "a", "b"]).acquire(s1) as held:
            assert [hold.key[:2] for hold in held.holds] == [b"a/", b"b/"]
            assert await Lock(client, "a").try_acquire(s2) is None
            assert await Lock(client, "b").try_acquire(s2) is None
        assert await MultiLock(client, ["a", "b"]).try_acquire(s2) is not None


@in_loop
async def test_trying_takes_all_or_leaves_nothing() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        await Lock(client, "b").acquire(s1)
        assert await MultiLock(client, ["a", "b", "c"]).try_acquire(s2) is None
        for name in ("a/", "c/"):
            assert (await client.get(name, prefix=True)).count == 0


@in_loop
async def test_a_wait_that_ends_early_leaves_nothing_held() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with client.session() as s1, client.session() as s2:
        await Lock(client, "b").acquire(s1)
        with pytest.raises(StillHeld):
            await MultiLock(client, ["a", "b"]).acquire(s2, timeout_ms=5)
        assert (await client.get("a/", prefix=True)).count == 0
        waiting = asyncio.create_task(MultiLock(client, ["a", "b"]).acquire(s2))
        await settle()
        assert (await client.get("a/", prefix=True)).count == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (await client.get("a/", prefix=True)).count == 0
        waiting = asyncio.create_task(MultiLock(client, ["a", "b"]).acquire(s2))
        await settle()
        await client.revoke(s2.lease)
        cluster.notice_lost_sessions()
        with pytest.raises(SessionLost):
            await waiting


@in_loop
async def test_whatever_order_names_are_given_in_nobody_waits_in_a_circle() -> None:
    client = LocalCluster().client()
    done = []

    async def work(names: list[str]) -> None:
        async with client.session() as session:
            for _ in range(5):
                async with await MultiLock(client, names).acquire(session):
                    await asyncio.sleep(0)
                done.append(names)

    await asyncio.gather(work(["a", "b", "c"]), work(["c", "b", "a"]), work(["b", "c"]))
    assert len(done) == 15


@in_loop
async def test_a_write_under_all_guards_is_refused_once_one_hold_has_ended() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        held = await MultiLock(client, ["a", "b"]).acquire(session)
        write = [ops.put("effect")]
        assert (await client.txn(held.guards(), write)).succeeded
        await client.delete(held.holds[0].key)
        assert not (await client.txn(held.guards(), write)).succeeded
        with pytest.raises(NotHolder):
            await held.release()
        assert (await client.get("b/", prefix=True)).count == 0


@pytest.mark.parametrize("names", [[], [""], ["a", "b/"]])
def test_no_names_and_bad_names_are_misuse(names: list[str]) -> None:
    with pytest.raises(Misuse):
        MultiLock(LocalCluster().client(), names)
