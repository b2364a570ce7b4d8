"""Software transactional memory: each isolation level refuses what it says, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.errors import MaybeDone, Misuse
from coord.requests import Compact
from coord.testing.counting import CountingClient
from coord.testing.local import LocalClient, LocalCluster, in_loop
from recipes.errors import Contended
from recipes.stm import Isolation, Transaction, transact

CHECKED = [each for each in Isolation if each is not Isolation.READ_COMMITTED]


def adding(client: LocalClient, key: str = "n") -> Callable[[Transaction], Awaitable[int]]:
    async def work(transaction: Transaction) -> int:
        number = int(await transaction.get(key) or b"0") + 1
        await asyncio.sleep(0)
        transaction.put(key, str(number))
        return number

    return work


async def value_of(client: LocalClient, key: str) -> bytes | None:
    found = await client.get(key)
    return found.kvs[0].value if found.kvs else None


@pytest.mark.parametrize("isolation", CHECKED)
@in_loop
async def test_no_update_is_lost_where_reads_are_checked(isolation: Isolation) -> None:
    client = LocalCluster().client()
    sums = await asyncio.gather(*(transact(client, adding(client), isolation) for _ in range(10)))
    assert sorted(sums) == list(range(1, 11))
    assert await value_of(client, "n") == b"10"


@in_loop
async def test_updates_may_be_lost_where_nothing_is_checked() -> None:
    client = LocalCluster().client()
    work = adding(client)
    await asyncio.gather(*(transact(client, work, Isolation.READ_COMMITTED) for _ in range(2)))
    assert await value_of(client, "n") == b"1"


async def seen_around_a_change(isolation: Isolation) -> tuple[list[bytes | None], int]:
    """Read a, let a and b be changed together, read b; return what each run saw, and the runs."""
    client = LocalCluster().client()
    await client.put("a", "1")
    await client.put("b", "1")
    runs: list[list[bytes | None]] = []

    async def work(transaction: Transaction) -> None:
        first = await transaction.get("a")
        if not runs:
            await client.put("a", "2")
            await client.put("b", "2")
        runs.append([first, await transaction.get("b"), await transaction.get("a")])
        transaction.put("c", "done")

    await transact(client, work, isolation)
    return runs[0], len(runs)


@pytest.mark.parametrize(
    ("isolation", "seen", "runs"),
    [
        (Isolation.SERIALIZABLE_SNAPSHOT, [b"1", b"1", b"1"], 2),
        (Isolation.SERIALIZABLE, [b"1", b"1", b"1"], 2),
        (Isolation.REPEATABLE_READS, [b"1", b"2", b"1"], 2),
        (Isolation.READ_COMMITTED, [b"1", b"2", b"1"], 1),
    ],
)
@in_loop
async def test_what_is_read_around_a_change_is_as_the_level_says(
    isolation: Isolation, seen: list[bytes | None], runs: int
) -> None:
    assert await seen_around_a_change(isolation) == (seen, runs)


@pytest.mark.parametrize(
    ("isolation", "runs"),
    [(Isolation.SERIALIZABLE_SNAPSHOT, 2), (Isolation.SERIALIZABLE, 1)],
)
@in_loop
async def test_only_a_snapshot_refuses_to_overwrite_unread_what_is_newer(
    isolation: Isolation, runs: int
) -> None:
    client = LocalCluster().client()
    count = 0

    async def work(transaction: Transaction) -> None:
        nonlocal count
        count += 1
        await transaction.get("read")
        if count == 1:
            await client.put("blind", "theirs")
        transaction.put("blind", "ours")

    await transact(client, work, isolation)
    assert count == runs
    assert await value_of(client, "blind") == b"ours"


@in_loop
async def test_it_reads_what_it_wrote_and_deleted_and_others_see_it_at_the_end_only() -> None:
    client = LocalCluster().client()
    await client.put("old", "1")

    async def work(transaction: Transaction) -> None:
        transaction.put("new", "2")
        transaction.delete("old")
        assert await transaction.get("new") == b"2"
        assert await transaction.get("old") is None
        assert await value_of(client, "new") is None
        assert await value_of(client, "old") == b"1"

    await transact(client, work)
    assert (await value_of(client, "new"), await value_of(client, "old")) == (b"2", None)


@in_loop
async def test_an_error_inside_writes_nothing() -> None:
    client = LocalCluster().client()

    async def work(transaction: Transaction) -> None:
        transaction.put("a", "1")
        raise LookupError

    with pytest.raises(LookupError):
        await transact(client, work)
    assert await value_of(client, "a") is None


@in_loop
async def test_a_transaction_is_of_no_use_once_it_is_over() -> None:
    client = LocalCluster().client()
    kept: list[Transaction] = []

    async def work(transaction: Transaction) -> None:
        kept.append(transaction)

    await transact(client, work)
    with pytest.raises(Misuse):
        await kept[0].get("a")
    with pytest.raises(Misuse):
        kept[0].put("a", "1")
    with pytest.raises(Misuse):
        await transact(client, work, tries_max=0)


@in_loop
async def test_who_is_interfered_with_each_time_is_told_in_the_end() -> None:
    client = LocalCluster().client()

    async def work(transaction: Transaction) -> None:
        await transaction.get("a")
        await client.put("a", "theirs")
        transaction.put("a", "ours")

    with pytest.raises(Contended):
        await transact(client, work, tries_max=3)
    assert await value_of(client, "a") == b"theirs"


@in_loop
async def test_a_commit_whose_answer_is_lost_is_not_repeated_by_itself() -> None:
    client = LocalCluster().client()

    async def work(transaction: Transaction) -> None:
        transaction.put("a", "1")
        client.lose_answers()

    with pytest.raises(MaybeDone):
        await transact(client, work)
    assert (await client.get("a")).kvs[0].version == 1


@in_loop
async def test_a_snapshot_overtaken_by_compaction_is_read_anew() -> None:
    client = LocalCluster().client()
    runs = 0

    async def work(transaction: Transaction) -> bytes | None:
        nonlocal runs
        runs += 1
        await transaction.get("a")
        if runs == 1:
            await client.put("b", "1")
            await client.put("b", "2")
            client.cluster.write(Compact(client.cluster.store.revision))
        return await transaction.get("b")

    assert await transact(client, work) == b"2"
    assert runs == 2


@in_loop
async def test_it_costs_a_round_trip_per_key_and_one_to_commit_and_a_rerun_only_that_one() -> None:
    client = CountingClient(LocalCluster())
    runs = 0

    async def work(transaction: Transaction) -> None:
        nonlocal runs
        runs += 1
        await transaction.get("a")
        await transaction.get("b")
        if runs == 1:
            await client.put("a", "theirs")
            client.requests -= 1
        transaction.put("c", "1")

    await transact(client, work)
    assert (runs, client.requests) == (2, 4)

    async def look(transaction: Transaction) -> None:
        await transaction.get("a")

    client.take_counts()
    await transact(client, look)
    assert client.take_counts() == (1, 0, 0)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from((Isolation.SERIALIZABLE_SNAPSHOT, Isolation.SERIALIZABLE)),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 5)), max_size=12),
)
@in_loop
async def test_money_moved_between_accounts_is_neither_made_nor_lost(
    isolation: Isolation, moves: list[tuple[int, int, int]]
) -> None:
    client = LocalCluster().client()
    for account in range(4):
        await client.put(f"account/{account}", "10")

    async def move(source: int, target: int, amount: int) -> None:
        async def work(transaction: Transaction) -> None:
            for account, by in ((source, -amount), (target, amount)):
                held = int(await transaction.get(f"account/{account}") or b"0")
                await asyncio.sleep(0)
                transaction.put(f"account/{account}", str(held + by))

        await transact(client, work, isolation)

    await asyncio.gather(*(move(*each) for each in moves))
    found = await client.get("account/", prefix=True)
    assert sum(int(kv.value) for kv in found.kvs) == 40
