"""Lock: one holder, in order of arrival, free when the holder is gone."""

import asyncio
from collections.abc import Iterable

import pytest

from coord import ops
from coord.requests import Compare, TxnOp, TxnReply
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from recipes.errors import NotHeld, SessionLost
from recipes.line import Line
from recipes.lock import Lock


@in_loop
async def test_a_second_session_waits_until_the_first_lets_go() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        first, second = Lock(client, "l", s1), Lock(client, "l", s2)
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await settle()
        assert not waiting.done()
        await first.release()
        await waiting
        await second.release()
    assert (await client.get("l/", prefix=True)).count == 0


@in_loop
async def test_the_lock_is_handed_on_in_order_of_arrival_with_growing_tokens() -> None:
    client = LocalCluster().client()
    sessions = [await client.session() for _ in range(4)]
    tokens = []
    order = []

    async def work(place: int) -> None:
        async with Lock(client, "l", sessions[place]) as lock:
            order.append(place)
            tokens.append(lock.token)
            await settle()

    tasks = []
    for place in (2, 0, 3, 1):
        tasks.append(asyncio.create_task(work(place)))
        await settle(3)
    await asyncio.gather(*tasks)
    assert order == [2, 0, 3, 1]
    assert tokens == sorted(tokens)
    assert len(set(tokens)) == 4


@in_loop
async def test_a_holder_that_dies_frees_the_lock_and_can_write_no_more_under_it() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with client.session(ttl_ms=1000) as s1, client.session() as s2:
        first, second = Lock(client, "l", s1), Lock(client, "l", s2)
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await settle()
        s1.stall()
        cluster.advance(1100)
        await waiting
        write = [ops.put("effect")]
        assert not (await client.txn([first.guard()], write)).succeeded
        assert (await client.txn([second.guard()], write)).succeeded
        with pytest.raises(NotHeld):
            await first.release()
        assert (await client.txn([second.guard()], write)).succeeded


@in_loop
async def test_the_same_lock_acquired_twice_is_free_after_two_releases() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        first, second = Lock(client, "l", s1), Lock(client, "l", s2)
        async with first:
            async with first:
                assert not await second.try_acquire()
            assert not await second.try_acquire()
        assert await second.try_acquire()


@in_loop
async def test_trying_takes_a_free_lock_and_joins_no_line_for_another() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        first, second = Lock(client, "l", s1), Lock(client, "l", s2)
        assert await first.try_acquire()
        assert not await second.try_acquire()
        assert (await client.get("l/", prefix=True)).count == 1
        await first.release()
        assert await second.try_acquire()


@in_loop
async def test_locks_of_other_names_do_not_stand_in_each_others_way() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        assert await Lock(client, "l", session).try_acquire()
        assert await Lock(client, "l2", session).try_acquire()


@in_loop
async def test_a_lock_that_is_not_held_can_neither_be_released_nor_guard() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        lock = Lock(client, "l", session)
        with pytest.raises(NotHeld):
            await lock.release()
        with pytest.raises(NotHeld):
            lock.guard()


@in_loop
async def test_a_waiter_that_gives_up_leaves_no_place_behind() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        first, second = Lock(client, "l", s1), Lock(client, "l", s2)
        await first.acquire()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await second.acquire()
        assert (await client.get("l/", prefix=True)).count == 1
        await first.release()
        assert await second.try_acquire()


class SlowClient(LocalClient):
    """Transactions are carried out at once and answered when let through."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.through = asyncio.Event()

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        reply = await super().txn(compare, success, failure)
        await self.through.wait()
        return reply


@in_loop
async def test_cancelled_before_the_answer_came_the_place_is_given_up_all_the_same() -> None:
    client = SlowClient(LocalCluster())
    async with client.session() as session:
        entering = asyncio.create_task(Line(client, "l/").enter(session, b""))
        await settle()
        assert (await client.get("l/", prefix=True)).count == 1
        entering.cancel()
        await settle()
        client.through.set()
        await asyncio.gather(entering, return_exceptions=True)
        assert entering.cancelled()
        assert (await client.get("l/", prefix=True)).count == 0


@in_loop
async def test_the_end_of_the_session_is_told_to_whoever_holds_or_waits() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with client.session() as s1, client.session() as s2:
        first, second = Lock(client, "l", s1), Lock(client, "l", s2)
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await settle()
        for session in (s2, s1):
            await client.revoke(session.lease)
        cluster.notice_lost_sessions()
        with pytest.raises(SessionLost):
            await waiting
        with pytest.raises(SessionLost):
            await first.acquire()
        with pytest.raises(NotHeld):
            await first.release()


@in_loop
async def test_what_went_wrong_inside_is_not_hidden_by_the_loss_of_the_lock() -> None:
    client = LocalCluster().client()

    async def fail_inside(session: LocalSession) -> None:
        async with Lock(client, "l", session):
            await client.delete("l/", prefix=True)
            raise LookupError

    async with client.session() as session:
        with pytest.raises(LookupError):
            await fail_inside(session)
