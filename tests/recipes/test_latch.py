"""Leader latch: stands as long as it is open, leads when it is its turn, says so."""

import asyncio

import pytest

from coord import ops
from coord.errors import Misuse
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.election import Leadership
from recipes.latch import Latch


@in_loop
async def test_one_latch_leads_and_the_next_when_it_closes() -> None:
    client = LocalCluster().client()
    said: list[str] = []
    second = Latch(client, "o/", "2", on_leading=lambda _: said.append("2 leads"))
    async with Latch(
        client, "o/", "1",
        on_leading=lambda _: said.append("1 leads"), on_ended=lambda: said.append("1 ended"),
    ) as first:  # fmt: skip
        await first.wait()
        async with second:
            await settle()
            assert second.leadership is None
            await first.__aexit__(None, None, None)
            await second.wait()
            await first.__aenter__()
    assert said == ["1 leads", "1 ended", "2 leads"]
    assert (await client.get("o/", prefix=True)).count == 0


@in_loop
async def test_a_latch_whose_session_is_lost_stands_again_and_its_old_guard_is_refused() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    led: list[Leadership] = []
    ended: list[bool] = []
    async with Latch(
        client, "o/", ttl_ms=1000, on_leading=led.append, on_ended=lambda: ended.append(True)
    ) as latch:
        old = await latch.wait()
        await client.revoke(cluster.sessions[0].lease)
        cluster.notice_lost_sessions()
        assert latch.leadership is None
        new = await latch.wait()
        write = [ops.put("effect")]
        assert new.token > old.token
        assert not (await client.txn([old.guard()], write)).succeeded
        assert (await client.txn([new.guard()], write)).succeeded
    assert led == [old, new]
    assert len(ended) == 2
    assert latch.leadership is None


@in_loop
async def test_what_a_callback_raises_is_told_to_who_waits() -> None:
    def fail(_: Leadership) -> None:
        raise LookupError

    client = LocalCluster().client()
    latch = Latch(client, "o/", on_leading=fail)
    with pytest.raises(LookupError):
        async with latch:
            await latch.wait()
    assert (await client.get("o/", prefix=True)).count == 0


@in_loop
async def test_a_latch_that_is_not_open_leads_nothing_and_says_so() -> None:
    latch = Latch(LocalCluster().client(), "o/")
    with pytest.raises(Misuse):
        await latch.wait()
    async with latch:
        with pytest.raises(Misuse):
            await latch.__aenter__()
        waiting = asyncio.create_task(latch.wait())
        await waiting
    assert latch.leadership is None
    with pytest.raises(Misuse):
        await latch.wait()


def test_a_latch_without_a_prefix_is_misuse() -> None:
    with pytest.raises(Misuse):
        Latch(LocalCluster().client(), "")
