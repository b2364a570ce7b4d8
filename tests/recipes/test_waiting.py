"""Waiting as long as a session lasts."""

import asyncio
import gc

import pytest

from coord.testing.local import LocalCluster, in_loop, settle
from recipes.errors import SessionLost
from recipes.waiting import until_gone, while_kept


@in_loop
async def test_what_was_awaited_counts_even_if_the_session_ends_in_the_same_moment() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        ready = asyncio.Event()

        async def work() -> str:
            await ready.wait()
            return "done"

        waiting = asyncio.create_task(while_kept(session, work()))
        await settle()
        ready.set()
        session.lost.set()
        assert await waiting == "done"


@in_loop
async def test_what_was_awaited_is_cancelled_when_the_session_ends() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        cancelled = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        waiting = asyncio.create_task(while_kept(session, work()))
        await settle()
        session.lost.set()
        with pytest.raises(SessionLost):
            await waiting
        assert cancelled.is_set()


@in_loop
async def test_an_error_of_what_was_awaited_is_passed_on() -> None:
    client = LocalCluster().client()
    async with client.session() as session:

        async def work() -> None:
            raise LookupError

        with pytest.raises(LookupError):
            await while_kept(session, work())


@in_loop
async def test_a_key_that_went_and_came_back_has_gone() -> None:
    client = LocalCluster().client()
    put = await client.put("key")
    await client.delete("key")
    await client.put("key")
    await until_gone(client, b"key", put.revision, put.revision)


@in_loop
async def test_a_key_that_is_only_rewritten_has_not_gone() -> None:
    client = LocalCluster().client()
    put = await client.put("key")
    waiting = asyncio.create_task(until_gone(client, b"key", put.revision, put.revision))
    await client.put("key", "again")
    await settle()
    assert not waiting.done()
    await client.delete("key")
    await waiting


@in_loop
async def test_cancelled_in_the_moment_it_failed_it_leaves_no_error_unheard() -> None:
    client = LocalCluster().client()
    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    async with client.session() as session:
        ready = asyncio.Event()

        async def work() -> None:
            await ready.wait()
            raise LookupError

        waiting = asyncio.create_task(while_kept(session, work()))
        await settle()
        ready.set()
        await settle(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await settle()
        gc.collect()
        assert unheard == []
