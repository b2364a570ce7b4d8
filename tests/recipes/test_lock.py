"""Lock: one holder, in order of arrival, free when the holder is gone; nothing left behind."""

import asyncio
from collections.abc import Iterable

import pytest

from coord import ops
from coord.errors import ErrorCode, Misuse, Unavailable
from coord.requests import Compare, TxnOp, TxnReply
from coord.testing.counting import CountingClient
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from recipes.errors import NotHolder, SessionLost, StillHeld
from recipes.hold import Hold
from recipes.lock import Lock
from recipes.semaphore import Semaphore


async def queued(lock: Lock, session: LocalSession) -> asyncio.Task[Hold]:
    """Let a session stand in line, and see it stand there."""
    waiting = asyncio.create_task(lock.acquire(session))
    await settle(10)
    return waiting


async def keys_of(client: LocalClient, name: str = "l") -> int:
    return (await client.get(f"{name}/", prefix=True)).count


@in_loop
async def test_a_second_session_waits_until_the_first_lets_go() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        hold = await Lock(client, "l").acquire(s1)
        waiting = await queued(Lock(client, "l"), s2)
        assert not waiting.done()
        await hold.release()
        await (await waiting).release()
    assert await keys_of(client) == 0


@in_loop
async def test_the_lock_is_handed_on_in_order_of_arrival_with_growing_tokens() -> None:
    client = LocalCluster().client()
    sessions = [await client.session() for _ in range(4)]
    lock = Lock(client, "l")
    tokens, order = [], []

    async def work(place: int) -> None:
        async with await lock.acquire(sessions[place]) as hold:
            order.append(place)
            tokens.append(hold.token)
            await settle()

    tasks = []
    for place in (2, 0, 3, 1):
        tasks.append(asyncio.create_task(work(place)))
        await settle(10)
    await asyncio.gather(*tasks)
    assert order == [2, 0, 3, 1]
    assert tokens == sorted(set(tokens))


@in_loop
async def test_a_holder_that_dies_frees_the_lock_and_can_write_no_more_under_it() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with client.session(ttl_ms=1000) as s1, client.session() as s2:
        old = await Lock(client, "l").acquire(s1)
        waiting = await queued(Lock(client, "l"), s2)
        s1.stall()
        cluster.advance(1100)
        new = await waiting
        write = [ops.put("effect")]
        assert not (await client.txn([old.guard()], write)).succeeded
        assert (await client.txn([new.guard()], write)).succeeded
        s1.wake()
        with pytest.raises(SessionLost):
            await old.release()
        assert (await client.txn([new.guard()], write)).succeeded


@in_loop
async def test_the_same_session_may_take_it_again_and_frees_it_with_its_last_release() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        lock, other = Lock(client, "l"), Lock(client, "l")
        outer = await lock.acquire(s1)
        inner = await lock.acquire(s1)
        assert inner.token == outer.token
        await inner.release()
        assert await other.try_acquire(s2) is None
        await outer.release()
        assert await other.try_acquire(s2) is not None


@in_loop
async def test_entered_anew_after_it_was_taken_away_it_is_free_after_the_last_release() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        lock = Lock(client, "l")
        outer = await lock.acquire(session)
        await client.delete(outer.key)
        inner = await lock.acquire(session)
        assert inner.token > outer.token
        await inner.release()
        with pytest.raises(NotHolder):
            await outer.release()
        assert await keys_of(client) == 0


@in_loop
async def test_a_release_that_could_not_reach_the_cluster_can_be_repeated() -> None:
    client = SlowClient(LocalCluster())
    client.through.set()
    async with client.session() as session:
        hold = await Lock(client, "l").acquire(session)
        client.unavailable = 1
        with pytest.raises(Unavailable):
            await hold.release()
        assert await keys_of(client) == 1
        await hold.release()
        assert await keys_of(client) == 0


@in_loop
async def test_trying_takes_a_free_lock_and_leaves_nothing_at_another() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        hold = await Lock(client, "l").try_acquire(s1)
        assert hold is not None
        assert await Lock(client, "l").try_acquire(s2) is None
        assert await keys_of(client) == 1
        await hold.release()
        assert await Lock(client, "l").try_acquire(s2) is not None


@in_loop
async def test_waiting_no_longer_than_asked_leaves_no_place_in_line() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        await Lock(client, "l").acquire(s1)
        with pytest.raises(StillHeld):
            await Lock(client, "l").acquire(s2, timeout_ms=5)
        assert await keys_of(client) == 1


@in_loop
async def test_a_waiter_that_is_cancelled_leaves_no_key_and_promotes_nobody() -> None:
    client = LocalCluster().client()
    lock = Lock(client, "l")
    sessions = [await client.session() for _ in range(3)]
    await lock.acquire(sessions[0])
    second, third = await queued(lock, sessions[1]), await queued(lock, sessions[2])
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    await settle()
    assert second.cancelled()
    assert not third.done()
    assert await keys_of(client) == 2
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)


@in_loop
async def test_one_of_two_waiting_tasks_of_a_session_leaves_and_the_other_keeps_the_place() -> None:
    client = LocalCluster().client()
    lock = Lock(client, "l")
    async with client.session() as s1, client.session() as s2:
        hold = await Lock(client, "l").acquire(s1)
        leaving, staying = await queued(lock, s2), await queued(lock, s2)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await hold.release()
        assert (await staying).token > hold.token


class SlowClient(LocalClient):
    """Transactions are carried out at once and answered when let through."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.through = asyncio.Event()
        self.unavailable = 0

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        if self.unavailable:
            self.unavailable -= 1
            raise Unavailable("nobody there", ErrorCode.NO_LEADER)
        reply = await super().txn(compare, success, failure)
        await self.through.wait()
        return reply


@in_loop
async def test_cancelled_before_the_answer_came_it_leaves_no_key_all_the_same() -> None:
    client = SlowClient(LocalCluster())
    async with client.session() as session:
        entering = await queued(Lock(client, "l"), session)
        assert await keys_of(client) == 1
        entering.cancel()
        await settle()
        client.through.set()
        await asyncio.gather(entering, return_exceptions=True)
        assert entering.cancelled()
        assert await keys_of(client) == 0


@in_loop
async def test_a_place_that_cannot_be_given_up_now_is_given_up_later() -> None:
    client = SlowClient(LocalCluster())
    client.through.set()
    async with client.session() as s1, client.session() as s2:
        await Lock(client, "l").acquire(s1)
        waiting = await queued(Lock(client, "l"), s2)
        client.unavailable = 2
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert client.unavailable == 0
        assert await keys_of(client) == 1


@in_loop
async def test_the_end_of_the_session_is_told_to_whoever_holds_or_waits() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    lock = Lock(client, "l")
    async with client.session() as s1, client.session() as s2:
        hold = await lock.acquire(s1)
        waiting = await queued(lock, s2)
        for session in (s2, s1):
            await client.revoke(session.lease)
        cluster.notice_lost_sessions()
        with pytest.raises(SessionLost):
            await waiting
        with pytest.raises(SessionLost):
            await hold.release()
        with pytest.raises(SessionLost):
            await lock.acquire(s1)
        await hold.ended()


@in_loop
async def test_a_waiter_whose_place_was_taken_from_it_does_not_believe_it_is_next() -> None:
    client = LocalCluster().client()
    lock = Lock(client, "l")
    async with client.session() as s1, client.session() as s2:
        hold = await lock.acquire(s1)
        waiting = await queued(lock, s2)
        await client.delete(f"l/{s2.lease:016x}")
        await hold.release()
        with pytest.raises(SessionLost):
            await waiting


@in_loop
async def test_only_the_holder_lets_go_and_only_once() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        hold = await Lock(client, "l").acquire(s1)
        await client.delete(hold.key)
        successor = await Lock(client, "l").acquire(s2)
        with pytest.raises(NotHolder):
            await hold.release()
        await successor.release()
        with pytest.raises(NotHolder):
            await successor.release()


@in_loop
async def test_lost_answers_are_looked_up_and_neither_double_nor_strand_the_lock() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        for lose in (client.lose_answers, client.lose_requests):
            lose(2)
            hold = await Lock(client, "l").acquire(session)
            lose(2)
            await hold.release()
            assert await keys_of(client) == 0


@in_loop
async def test_what_went_wrong_inside_is_not_hidden_by_the_loss_of_the_lock() -> None:
    client = LocalCluster().client()

    async def work(session: LocalSession, error: Exception | None) -> None:
        async with await Lock(client, "l").acquire(session) as hold:
            await client.delete(hold.key)
            if error is not None:
                raise error

    async with client.session() as session:
        with pytest.raises(LookupError):
            await work(session, LookupError())
        with pytest.raises(NotHolder):
            await work(session, None)


@in_loop
async def test_a_lock_called_below_another_does_not_stand_in_its_way() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        await Lock(client, "l/ab").acquire(s1)
        assert await Lock(client, "l").try_acquire(s1) is not None
        assert await Lock(client, "l").try_acquire(s2) is None
        assert len(await Lock(client, "l").contenders()) == 1


@in_loop
async def test_a_semaphores_limit_under_the_same_name_does_not_stand_in_a_locks_way() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        await Semaphore(client, "l", 1).acquire(session)
        assert await Lock(client, "l").try_acquire(session) is not None


@in_loop
async def test_who_stands_in_line_is_shown_in_order_with_what_they_say() -> None:
    client = LocalCluster().client()
    async with client.session() as s1, client.session() as s2:
        hold = await Lock(client, "l", "later lease, first").acquire(s2)
        waiting = await queued(Lock(client, "l", "second"), s1)
        line = await Lock(client, "l").contenders()
        assert [each.value for each in line] == [b"later lease, first", b"second"]
        assert (line[0].token, line[0].lease) == (hold.token, s2.lease)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize("name", ["", b"", "ends/with/", "x" * 5000, 7])
def test_bad_names_are_misuse(name: str) -> None:
    with pytest.raises(Misuse):
        Lock(LocalCluster().client(), name)


@pytest.mark.parametrize("timeout_ms", [0, -1, float("nan")])
@in_loop
async def test_a_time_that_is_not_positive_is_misuse(timeout_ms: float) -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        with pytest.raises(Misuse):
            await Lock(client, "l").acquire(session, timeout_ms=timeout_ms)


@in_loop
async def test_a_free_lock_costs_one_round_trip_and_so_does_its_release() -> None:
    client = CountingClient(LocalCluster())
    async with client.session() as session:
        hold = await Lock(client, "l").acquire(session)
        assert client.take_counts() == (1, 0, 0)
        await hold.release()
        assert client.take_counts() == (1, 0, 0)


@pytest.mark.parametrize("waiters", [1, 10, 100, 1000])
@in_loop
async def test_a_release_costs_the_same_and_wakes_one_however_many_wait(waiters: int) -> None:
    client = CountingClient(LocalCluster())
    hold = await Lock(client, "l").acquire(await client.session())
    sessions = [await client.session() for _ in range(waiters)]
    waiting = [asyncio.create_task(Lock(client, "l").acquire(each)) for each in sessions]
    await settle()
    client.take_counts()
    await hold.release()
    await settle()
    assert client.take_counts() == (2, 0, 1)  # the release, and the next one's look ahead
    assert [task.done() for task in waiting].count(True) == 1
    assert waiting[0].done()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
