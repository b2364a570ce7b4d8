"""Read-write lock: readers together, writers alone, nobody overtaken, no herd."""

import asyncio
from functools import partial

import pytest

from coord import ops
from coord.errors import Misuse
from coord.testing.counting import CountingClient
from coord.testing.local import LocalCluster, LocalSession, in_loop, settle
from recipes.barrier import DoubleBarrier
from recipes.errors import SessionLost, StillHeld
from recipes.hold import Hold
from recipes.lock import Lock
from recipes.rwlock import RWLock
from recipes.semaphore import Semaphore


async def reading(lock: RWLock, session: LocalSession) -> asyncio.Task[Hold]:
    task = asyncio.create_task(lock.read(session))
    await settle(10)
    return task


async def writing(lock: RWLock, session: LocalSession) -> asyncio.Task[Hold]:
    task = asyncio.create_task(lock.write(session))
    await settle(10)
    return task


async def sessions(client: CountingClient, count: int) -> list[LocalSession]:
    return [await client.session() for _ in range(count)]


@in_loop
async def test_readers_hold_together_and_a_writer_waits_for_the_last_of_them() -> None:
    client = CountingClient(LocalCluster())
    s1, s2, s3 = await sessions(client, 3)
    lock = RWLock(client, "l")
    first, second = await lock.read(s1), await lock.read(s2)
    writer = await writing(lock, s3)
    await second.release()
    await settle()
    assert not writer.done()
    await first.release()
    assert (await writer).token > second.token


@in_loop
async def test_a_reader_does_not_overtake_a_writer_that_waits() -> None:
    client = CountingClient(LocalCluster())
    s1, s2, s3 = await sessions(client, 3)
    lock = RWLock(client, "l")
    first = await lock.read(s1)
    writer, late = await writing(lock, s2), await reading(lock, s3)
    assert not late.done()
    await first.release()
    await (await writer).release()
    await late


@in_loop
async def test_writers_exclude_each_other_in_order_of_arrival() -> None:
    client = CountingClient(LocalCluster())
    s1, s2, s3 = await sessions(client, 3)
    lock = RWLock(client, "l")
    first = await lock.write(s1)
    second, third = await writing(lock, s2), await writing(lock, s3)
    await first.release()
    await settle()
    assert (second.done(), third.done()) == (True, False)
    await (await second).release()
    await third


@in_loop
async def test_a_waiting_writer_that_leaves_lets_the_readers_behind_it_in() -> None:
    client = CountingClient(LocalCluster())
    s1, s2, s3 = await sessions(client, 3)
    lock = RWLock(client, "l")
    await lock.read(s1)
    writer, late = await writing(lock, s2), await reading(lock, s3)
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    await late
    assert (await client.get("l/write/", prefix=True)).count == 0


@in_loop
async def test_a_dead_writer_makes_room_and_its_guarded_writes_are_refused() -> None:
    cluster = LocalCluster()
    client = CountingClient(cluster)
    lock = RWLock(client, "l")
    async with client.session(ttl_ms=1000) as s1, client.session() as s2:
        old = await lock.write(s1)
        late = await reading(lock, s2)
        s1.stall()
        cluster.advance(1100)
        new = await late
        write = [ops.put("effect")]
        assert not (await client.txn([old.guard()], write)).succeeded
        assert (await client.txn([new.guard()], write)).succeeded


@in_loop
async def test_the_end_of_a_waiters_session_is_told() -> None:
    cluster = LocalCluster()
    client = CountingClient(cluster)
    lock = RWLock(client, "l")
    async with client.session() as s1, client.session() as s2:
        await lock.write(s1)
        late = await reading(lock, s2)
        await client.revoke(s2.lease)
        cluster.notice_lost_sessions()
        with pytest.raises(SessionLost):
            await late


@in_loop
async def test_trying_never_waits_and_leaves_nothing() -> None:
    client = CountingClient(LocalCluster())
    s1, s2 = await sessions(client, 2)
    lock = RWLock(client, "l")
    hold = await lock.try_write(s1)
    assert hold is not None
    assert await lock.try_read(s2) is None
    assert await lock.try_write(s2) is None
    with pytest.raises(StillHeld):
        await lock.read(s2, timeout_ms=5)
    assert (await client.get("l/", prefix=True)).count == 1
    await hold.release()
    assert await lock.try_read(s1) is not None
    assert await lock.try_read(s2) is not None
    assert await lock.try_write(await client.session()) is None


@in_loop
async def test_a_writer_may_read_though_another_writer_waits_and_stays_alone_until_both_end() -> (
    None
):
    client = CountingClient(LocalCluster())
    s1, s2 = await sessions(client, 2)
    lock = RWLock(client, "l")
    write = await lock.write(s1)
    other = await writing(RWLock(client, "l"), s2)
    read = await lock.read(s1)
    await write.release()
    await settle()
    assert not other.done()
    await read.release()
    await other


@in_loop
async def test_a_reader_that_asks_to_write_is_told_that_it_would_wait_for_itself() -> None:
    client = CountingClient(LocalCluster())
    (session,) = await sessions(client, 1)
    lock = RWLock(client, "l")
    read = await lock.read(session)
    with pytest.raises(Misuse):
        await lock.write(session)
    with pytest.raises(Misuse):
        await lock.try_write(session)
    await read.release()
    assert await lock.try_write(session) is not None


@pytest.mark.parametrize("waiters", [1, 10, 100])
@in_loop
async def test_a_writers_release_wakes_one_writer_however_many_wait(waiters: int) -> None:
    client = CountingClient(LocalCluster())
    lock = RWLock(client, "l")
    hold = await lock.write(await client.session())
    waiting = [await writing(lock, each) for each in await sessions(client, waiters)]
    client.take_counts()
    await hold.release()
    await settle()
    assert client.take_counts() == (2, 0, 1)
    assert [task.done() for task in waiting].count(True) == 1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("readers", [1, 10, 100])
@in_loop
async def test_readers_that_leave_wake_the_writer_at_most_once_each(readers: int) -> None:
    client = CountingClient(LocalCluster())
    lock = RWLock(client, "l")
    holds = [await lock.read(each) for each in await sessions(client, readers)]
    writer = await writing(lock, await client.session())
    client.take_counts()
    for hold in holds[:-1]:
        await hold.release()
    await settle()
    assert client.take_counts() == (readers - 1, 0, 0)  # it watches the last one alone
    await holds[-1].release()
    await writer
    assert client.take_counts() == (2, 0, 1)


@pytest.mark.parametrize("name", ["", "ends/"])
def test_a_bad_name_of_a_read_write_lock_is_misuse(name: str) -> None:
    with pytest.raises(Misuse):
        RWLock(LocalCluster().client(), name)


@in_loop
async def test_what_is_called_below_a_read_write_lock_does_not_stand_in_its_way() -> None:
    client = CountingClient(LocalCluster())
    s1, s2 = await sessions(client, 2)
    await Lock(client, "l/write/x").acquire(s1)
    await RWLock(client, "l/read/x").write(s1)
    lock = RWLock(client, "l")
    reading = await lock.try_read(s2)
    assert reading is not None
    await reading.release()
    assert await lock.try_write(s2) is not None


@pytest.mark.parametrize("name", ["l/read", b"l/write", "l/inside", "l/permits", "l/permits/x"])
def test_no_line_is_called_as_the_places_of_another(name: str) -> None:
    client = LocalCluster().client()
    for make in (Lock, RWLock, partial(Semaphore, limit=1), partial(DoubleBarrier, participants=2)):
        with pytest.raises(Misuse, match="may not end"):
            make(client, name)
