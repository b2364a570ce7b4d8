"""Counter and atomic value: every change counts once, from what it was computed from."""

import asyncio

import pytest

from coord import ops
from coord.errors import MaybeDone, Misuse
from coord.testing.counting import CountingClient
from coord.testing.local import LocalCluster, in_loop
from recipes.counter import AtomicValue, Counter, Versioned
from recipes.errors import Contended, NotANumber


@in_loop
async def test_a_counter_starts_at_nought_and_adds_up() -> None:
    client = LocalCluster().client()
    counter = Counter(client, "c")
    assert await counter.get() == 0
    assert [await counter.add(), await counter.add(5), await counter.add(-10)] == [1, 6, -4]
    assert (await client.get("c")).kvs[0].value == b"-4"


@in_loop
async def test_many_counters_of_one_key_lose_and_double_nothing() -> None:
    cluster = LocalCluster()

    async def count() -> list[int]:
        counter = Counter(cluster.client(), "c")
        sums = []
        for _ in range(10):
            sums.append(await counter.add())
            await asyncio.sleep(0)
        return sums

    sums = await asyncio.gather(*(count() for _ in range(10)))
    assert sorted(each for own in sums for each in own) == list(range(1, 101))


@in_loop
async def test_a_lone_counter_pays_one_round_trip_and_each_interference_one_more() -> None:
    client = CountingClient(LocalCluster())
    counter = Counter(client, "c")
    await counter.add()
    assert client.take_counts() == (2, 0, 0)
    await counter.add()
    assert client.take_counts() == (1, 0, 0)
    await Counter(client, "c").add()
    client.take_counts()
    assert await counter.add() == 4
    assert client.take_counts() == (2, 0, 0)


@in_loop
async def test_an_answer_that_was_lost_is_told_and_not_counted_twice_by_itself() -> None:
    client = LocalCluster().client()
    counter = Counter(client, "c")
    await counter.add()
    client.lose_answers()
    with pytest.raises(MaybeDone):
        await counter.add()
    assert await counter.get() == 2
    assert await counter.add() == 3


@in_loop
async def test_what_is_no_number_is_refused_and_left_as_it_is() -> None:
    client = LocalCluster().client()
    await client.put("c", "twelve")
    with pytest.raises(NotANumber):
        await Counter(client, "c").add()
    with pytest.raises(Misuse):
        await Counter(client, "d").add(1.5)  # type: ignore[arg-type]
    assert (await client.get("c")).kvs[0].value == b"twelve"


@in_loop
async def test_a_value_is_replaced_only_as_it_was_seen() -> None:
    client = LocalCluster().client()
    value = AtomicValue(client, "v")
    nothing = await value.get()
    assert nothing == Versioned(None, 0)
    first = await value.replace(nothing, "1")
    assert first is not None
    assert await value.replace(nothing, "other") is None
    second = await value.replace(first, "2")
    await client.delete("v")
    assert second is not None
    assert await value.replace(second, "3") is None
    assert await value.get() == nothing


@in_loop
async def test_who_is_never_first_is_told_in_the_end() -> None:
    client = LocalCluster().client()
    value = AtomicValue(client, "v")

    def interfered(seen: bytes | None) -> bytes:
        client.cluster.write(ops.put("v", "faster"))
        return b"late"

    with pytest.raises(Contended):
        await value.update(interfered)


def test_a_counter_without_a_key_is_misuse() -> None:
    with pytest.raises(Misuse):
        Counter(LocalCluster().client(), "")
