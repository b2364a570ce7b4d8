"""Hand-over: the holder meant is asked, nobody else, and nothing is taken."""

import asyncio
from typing import Any

import pytest

from coord.errors import Misuse
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.errors import SessionLost, StillHeld
from recipes.hand_over import HandOver, Request
from recipes.lock import Lock


@in_loop
async def test_a_holder_that_is_asked_yields_and_the_asker_takes_over() -> None:
    client = LocalCluster().client()
    lock, hand_over = Lock(client, "l"), HandOver(client, "l")
    async with client.session() as s1, client.session() as s2:
        hold = await lock.acquire(s1)
        asked = asyncio.create_task(hand_over.asked(hold.token))
        await settle()
        assert not asked.done()
        taking = asyncio.create_task(hand_over.take_over(lock, s2, "maintenance"))
        assert await asked == Request(s2.lease, "maintenance")
        await settle()
        assert not taking.done()
        await hold.release()
        assert (await taking).token > hold.token
        assert (await client.get("l~asked/", prefix=True)).count == 0


@in_loop
async def test_a_later_holder_is_not_bothered_by_what_was_asked_of_an_earlier_one() -> None:
    client = LocalCluster().client()
    lock, hand_over = Lock(client, "l"), HandOver(client, "l")
    async with client.session() as s1, client.session() as s2, client.session() as s3:
        first = await lock.acquire(s1)
        await hand_over.ask(s3, first.token)
        await first.release()
        second = await lock.acquire(s2)
        asked = asyncio.create_task(hand_over.asked(second.token))
        await settle()
        assert not asked.done()
        await client.put("l~asked/noise", "no request")
        await hand_over.ask(s3, second.token, "please")
        assert (await asked).message == "please"


@in_loop
async def test_a_request_goes_with_its_askers_session_or_when_it_is_withdrawn() -> None:
    client = LocalCluster().client()
    hand_over = HandOver(client, "l")
    async with client.session() as session:
        await hand_over.ask(session, 7)
        await hand_over.withdraw(session)
        assert (await client.get("l~asked/", prefix=True)).count == 0
        await hand_over.ask(session, 7)
    assert (await client.get("l~asked/", prefix=True)).count == 0
    with pytest.raises(SessionLost):
        await hand_over.ask(session, 7)


@in_loop
async def test_a_holder_that_does_not_yield_keeps_it_and_the_request_is_withdrawn() -> None:
    client = LocalCluster().client()
    lock, hand_over = Lock(client, "l"), HandOver(client, "l")
    async with client.session() as s1, client.session() as s2:
        hold = await lock.acquire(s1)
        with pytest.raises(StillHeld):
            await hand_over.take_over(lock, s2, timeout_ms=5)
        assert (await client.get("l~asked/", prefix=True)).count == 0
        await hold.release()
        taken = await hand_over.take_over(lock, s2, timeout_ms=500)
        assert taken.token > hold.token


def test_a_hand_over_without_a_name_is_misuse() -> None:
    with pytest.raises(Misuse):
        HandOver(LocalCluster().client(), "")


@pytest.mark.parametrize("request_", [("12",), (1.5,), (True,), (1, 2), (1, "\ud800")])
@in_loop
async def test_a_request_nobody_could_read_is_refused_and_asks_nobody(
    request_: tuple[Any, ...],
) -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        with pytest.raises(Misuse):
            await HandOver(client, "l").ask(session, *request_)
    assert (await client.get("l~asked/", prefix=True)).revision == 1


@pytest.mark.parametrize("value", [b'{"token":1,"message":"\xff"}', b'{"token":' * 100_000])
@in_loop
async def test_a_request_that_cannot_be_read_is_passed_over(value: bytes) -> None:
    client = LocalCluster().client()
    hand_over = HandOver(client, "l")
    await client.put("l~asked/noise", value)
    async with client.session() as session:
        await hand_over.ask(session, 1, "please")
        assert (await hand_over.asked(1)).message == "please"
