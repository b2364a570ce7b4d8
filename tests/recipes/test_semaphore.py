"""Semaphore: never more than N, in order of arrival, permits back when holders die, no herd."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord import ops
from coord.errors import Misuse
from coord.testing.counting import CountingClient
from coord.testing.local import LocalCluster, LocalSession, in_loop, settle
from recipes.errors import LimitMismatch, NotHolder, SessionLost, StillHeld
from recipes.hold import Hold
from recipes.semaphore import Semaphore


async def queued(semaphore: Semaphore, session: LocalSession) -> asyncio.Task[Hold]:
    task = asyncio.create_task(semaphore.acquire(session))
    await settle(20)
    return task


@in_loop
async def test_as_many_as_the_limit_hold_and_the_next_waits_for_any_of_them() -> None:
    client = CountingClient(LocalCluster())
    semaphore = Semaphore(client, "s", 2)
    session = await client.session()
    first, second = await semaphore.acquire(session), await semaphore.acquire(session)
    third, fourth = await queued(semaphore, session), await queued(semaphore, session)
    assert not third.done()
    assert await semaphore.in_use() == 2
    await second.release()
    await settle()
    assert (third.done(), fourth.done()) == (True, False)
    await first.release()
    await settle()
    assert fourth.done()
    for task in (third, fourth):
        await (await task).release()
    assert await semaphore.in_use() == 0
    assert (await client.get("s/permits/", prefix=True)).count == 0


@in_loop
async def test_a_permit_comes_back_when_its_holder_dies_and_guards_refuse_the_dead() -> None:
    cluster = LocalCluster()
    client = CountingClient(cluster)
    semaphore = Semaphore(client, "s", 1)
    async with client.session(ttl_ms=1000) as s1, client.session() as s2:
        old = await semaphore.acquire(s1)
        waiting = await queued(semaphore, s2)
        s1.stall()
        cluster.advance(1100)
        new = await waiting
        write = [ops.put("effect")]
        assert not (await client.txn([old.guard()], write)).succeeded
        assert (await client.txn([new.guard()], write)).succeeded
        with pytest.raises(NotHolder):
            await old.release()


@in_loop
async def test_another_limit_is_refused() -> None:
    client = CountingClient(LocalCluster())
    async with client.session() as session:
        await Semaphore(client, "s", 2).acquire(session)
        with pytest.raises(LimitMismatch, match="the limit is 2, not 3"):
            await Semaphore(client, "s", 3).acquire(session)
        assert await Semaphore(client, "s", 2).try_acquire(session) is not None


@pytest.mark.parametrize(("name", "limit"), [("s", 0), ("s", -1), ("s", 10_001), ("", 1)])
def test_a_bad_limit_or_name_is_misuse(name: str, limit: int) -> None:
    with pytest.raises(Misuse):
        Semaphore(LocalCluster().client(), name, limit)


@in_loop
async def test_a_waiter_that_gives_up_leaves_nothing_and_holds_up_nobody() -> None:
    client = CountingClient(LocalCluster())
    semaphore = Semaphore(client, "s", 1)
    session = await client.session()
    hold = await semaphore.acquire(session)
    second, third = await queued(semaphore, session), await queued(semaphore, session)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    with pytest.raises(StillHeld):
        await semaphore.acquire(session, timeout_ms=5)
    assert await semaphore.try_acquire(session) is None
    assert (await client.get("s/permits/", prefix=True)).count == 2
    await hold.release()
    await third


@in_loop
async def test_the_end_of_a_waiters_session_is_told_to_it() -> None:
    cluster = LocalCluster()
    client = CountingClient(cluster)
    semaphore = Semaphore(client, "s", 1)
    async with client.session() as s1, client.session() as s2:
        await semaphore.acquire(s1)
        waiting = await queued(semaphore, s2)
        await client.revoke(s2.lease)
        cluster.notice_lost_sessions()
        with pytest.raises(SessionLost):
            await waiting


@in_loop
async def test_lost_answers_neither_double_nor_strand_a_permit() -> None:
    client = CountingClient(LocalCluster())
    semaphore = Semaphore(client, "s", 1)
    async with client.session() as session:
        for lose in (client.lose_answers, client.lose_requests):
            lose(2)
            hold = await semaphore.acquire(session)
            assert await semaphore.in_use() == 1
            await hold.release()


@pytest.mark.parametrize("waiters", [2, 10, 100, 1000])
@pytest.mark.parametrize("limit", [1, 3])
@in_loop
async def test_a_release_costs_the_same_and_wakes_two_however_many_wait(
    limit: int, waiters: int
) -> None:
    client = CountingClient(LocalCluster())
    semaphore = Semaphore(client, "s", limit)
    session = await client.session()
    holds = [await semaphore.acquire(session) for _ in range(limit)]
    waiting = [asyncio.create_task(semaphore.acquire(session)) for _ in range(waiters)]
    await settle()
    client.take_counts()
    await holds[0].release()
    await settle()
    # The release; the first looks and says that it holds; the second looks, and watches.
    assert client.take_counts() == (4, 1, 2)
    assert [task.done() for task in waiting].count(True) == 1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=40))
@in_loop
async def test_whoever_comes_and_goes_permits_are_never_too_many_nor_left_lying(
    limit: int, steps: list[tuple[int, bool]]
) -> None:
    client = CountingClient(LocalCluster())
    semaphore = Semaphore(client, "s", limit)
    session = await client.session()
    tasks: dict[int, asyncio.Task[Hold]] = {}
    for who, patient in steps:
        task = tasks.pop(who, None)
        if task is None:
            tasks[who] = asyncio.create_task(semaphore.acquire(session))
        elif task.done():
            await (await task).release()
        else:
            task.cancel()
        if patient:
            await settle(20)
    await settle()
    holding = sum(task.done() for task in tasks.values())
    assert holding == min(limit, len(tasks))
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
