"""Barriers: nobody passes a shut one; all enter together and leave together, the dead excepted."""

import asyncio

import pytest

from coord.errors import Misuse
from coord.testing.counting import CountingClient
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from recipes.barrier import Barrier, DoubleBarrier, Inside
from recipes.errors import BarrierFull, NotHolder, SessionLost, StillHeld


async def entering(barrier: DoubleBarrier, session: LocalSession) -> asyncio.Task[Inside]:
    task = asyncio.create_task(barrier.enter(session))
    await settle(20)
    return task


async def count_under(client: LocalClient, prefix: str) -> int:
    return (await client.get(prefix, prefix=True)).count


@in_loop
async def test_all_who_wait_pass_when_a_barrier_opens() -> None:
    client = LocalCluster().client()
    barrier = Barrier(client, "b")
    await barrier.wait()
    await barrier.shut()
    waiting = [asyncio.create_task(barrier.wait()) for _ in range(10)]
    await settle()
    assert not any(task.done() for task in waiting)
    await barrier.open()
    await barrier.shut()
    await asyncio.gather(*waiting)


@in_loop
async def test_a_barrier_shut_by_a_session_opens_when_that_ends() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with client.session(ttl_ms=1000) as session:
        barrier = Barrier(client, "b")
        await barrier.shut(session)
        waiting = asyncio.create_task(barrier.wait())
        await settle()
        session.stall()
        cluster.advance(1100)
        await waiting


@pytest.mark.parametrize("participants", [1, 2, 5])
@in_loop
async def test_nobody_enters_before_all_do_nor_leaves_before_all_do(participants: int) -> None:
    client = LocalCluster().client()
    barrier = DoubleBarrier(client, "b", participants)
    sessions = [await client.session() for _ in range(participants)]
    for _ in range(2):  # it can be entered again
        tasks: list[asyncio.Task[Inside]] = []
        for session in sessions:
            assert not any(task.done() for task in tasks)
            tasks.append(await entering(barrier, session))
        inside = await asyncio.gather(*tasks)
        assert len({each.together_since for each in inside}) == 1
        leaving: list[asyncio.Task[None]] = []
        for each in inside:
            assert not any(task.done() for task in leaving)
            leaving.append(asyncio.create_task(each.leave()))
            await settle(20)
        await asyncio.gather(*leaving)
        assert await count_under(client, "b/") == 0


@in_loop
async def test_who_comes_to_a_full_barrier_is_refused_and_leaves_nothing() -> None:
    client = LocalCluster().client()
    barrier = DoubleBarrier(client, "b", 2)
    s1, s2, s3 = [await client.session() for _ in range(3)]
    tasks = [await entering(barrier, each) for each in (s1, s2)]
    inside = await asyncio.gather(*tasks)
    with pytest.raises(BarrierFull):
        await barrier.enter(s3)
    leaving = asyncio.create_task(inside[0].leave())
    await settle()
    with pytest.raises(BarrierFull):  # one has left, but not the others
        await barrier.enter(s3)
    await inside[1].leave()
    await leaving
    assert await count_under(client, "b/") == 0


@in_loop
async def test_who_gives_up_waiting_has_not_entered() -> None:
    client = LocalCluster().client()
    barrier = DoubleBarrier(client, "b", 2)
    s1, s2, s3 = [await client.session() for _ in range(3)]
    with pytest.raises(StillHeld):
        await barrier.enter(s1, timeout_ms=5)
    waiting = await entering(barrier, s2)
    assert not waiting.done()
    await barrier.enter(s3)
    await waiting


@in_loop
async def test_a_participant_that_dies_inside_holds_nobody_back() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    barrier = DoubleBarrier(client, "b", 2)
    async with client.session(ttl_ms=1000) as s1, client.session() as s2:
        tasks = [await entering(barrier, each) for each in (s1, s2)]
        dying, living = await asyncio.gather(*tasks)
        leaving = asyncio.create_task(living.leave())
        await settle()
        assert not leaving.done()
        s1.stall()
        cluster.advance(1100)
        await leaving
        s1.wake()
        with pytest.raises(SessionLost):
            await dying.leave()


@in_loop
async def test_a_barrier_whose_participants_all_died_can_be_entered_again() -> None:
    client = LocalCluster().client()
    barrier = DoubleBarrier(client, "b", 2)
    for _ in range(2):
        s1, s2 = await client.session(), await client.session()
        tasks = [await entering(barrier, each) for each in (s1, s2)]
        await asyncio.gather(*tasks)
        for session in (s1, s2):
            await session.close()
        assert await count_under(client, "b/") == 1


@in_loop
async def test_the_end_of_a_session_is_told_to_who_waits_to_enter() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    barrier = DoubleBarrier(client, "b", 2)
    async with client.session() as session:
        waiting = await entering(barrier, session)
        await client.revoke(session.lease)
        cluster.notice_lost_sessions()
        with pytest.raises(SessionLost):
            await waiting


@in_loop
async def test_one_leaves_once() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        inside = await DoubleBarrier(client, "b", 1).enter(session)
        await inside.leave()
        with pytest.raises(NotHolder):
            await inside.leave()


@in_loop
async def test_lost_answers_leave_nobody_waiting() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        barrier = DoubleBarrier(client, "b", 1)
        for lose in (client.lose_answers, client.lose_requests):
            lose(2)
            inside = await barrier.enter(session)
            lose(2)
            await inside.leave()
            assert await count_under(client, "b/") == 0


@pytest.mark.parametrize(("name", "participants"), [("b", 0), ("b", -1), ("b", 1001), ("", 1)])
def test_a_bad_number_or_name_is_misuse(name: str, participants: int) -> None:
    with pytest.raises(Misuse):
        DoubleBarrier(LocalCluster().client(), name, participants)


@in_loop
async def test_an_open_barrier_costs_one_round_trip() -> None:
    client = CountingClient(LocalCluster())
    await Barrier(client, "b").wait()
    assert client.take_counts() == (1, 0, 0)


@in_loop
async def test_who_enters_a_barrier_called_below_another_is_not_inside_that() -> None:
    client = LocalCluster().client()
    s1, s2, s3 = [await client.session() for _ in range(3)]
    below = await entering(DoubleBarrier(client, "b/inside/x", 2), s1)
    barrier = DoubleBarrier(client, "b", 2)
    first = await entering(barrier, s2)
    assert not first.done()
    second = await entering(barrier, s3)
    for inside in (await first, await second):
        leaving = asyncio.create_task(inside.leave())
        await settle()
    await leaving
    below.cancel()
    await asyncio.gather(below, return_exceptions=True)
