"""What is to be looked at, and when; and loops that end together."""

import asyncio

import pytest

from coord.testing.local import in_loop, settle
from workers.steward.attention import Attention
from workers.steward.together import together
from workers.testing.hand_timer import HandTimer


@in_loop
async def test_names_are_taken_once_however_often_they_were_called() -> None:
    attention = Attention(HandTimer())
    attention.call(["a", "b", "a"])
    attention.call(["a"])
    assert await attention.next(1) == ["a"]
    assert await attention.next(5) == ["b"]


@in_loop
async def test_a_name_comes_up_at_its_time_or_sooner_when_called() -> None:
    timer = HandTimer(0)
    attention = Attention(timer)
    attention.call_at({"a": 10, "b": 20})
    waiting = asyncio.create_task(attention.next(5))
    await settle()
    assert not waiting.done()
    timer.advance(10)
    assert await waiting == ["a"]
    waiting = asyncio.create_task(attention.next(5))
    await settle()
    attention.call(["b"])
    assert await waiting == ["b"]
    waiting = asyncio.create_task(attention.next(5))
    timer.advance(50)
    await settle()
    assert not waiting.done()  # what was looked at needs no second look at its time
    waiting.cancel()


@in_loop
async def test_a_sooner_time_told_while_waiting_is_waited_for() -> None:
    timer = HandTimer(0)
    attention = Attention(timer)
    attention.call_at({"a": 100})
    waiting = asyncio.create_task(attention.next(5))
    await settle()
    attention.call_at({"b": 10})
    timer.advance(10)
    assert await waiting == ["b"]


@in_loop
async def test_when_one_loop_fails_the_others_end_and_its_error_is_raised() -> None:
    ended = asyncio.Event()

    async def goes_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await together(goes_on(), fails())
    assert ended.is_set()
