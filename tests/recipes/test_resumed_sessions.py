"""A session taken up again by another process of the same program: what was held is held."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from coord import aio
from coord.client.blocking import Client as BlockingClient
from coord.client.client import Client
from coord.client.settings import Settings
from coord.errors import ErrorCode, Misuse, Refused
from coord.testing.instant_node import InstantDialer, InstantNode
from recipes.consumer import Consumer
from recipes.election import Election
from recipes.errors import SessionLost
from recipes.lock import Lock
from recipes.queue import Queue

NODE = "tcp://node:1"


def settings_of(node: InstantNode) -> Settings:
    return Settings(
        endpoints=(NODE,),
        timeout_ms=5000.0,
        make_dialer=lambda: InstantDialer({NODE: node}),
        draw=random.Random(7).randint,
    )


def with_node(test: Callable[[InstantNode], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(test(InstantNode(lambda: loop.time() * 1000.0)), 20)

        asyncio.run(main())

    return run


@with_node
async def test_locks_offices_and_items_are_still_held_with_their_old_tokens(
    node: InstantNode,
) -> None:
    async with Client(settings_of(node)) as before:
        session = await before.session(ttl_ms=60_000)
        lease = session.lease
        hold = await Lock(before, "l").acquire(session)
        office = await Election(before, "o/").campaign(session, "me")
        queue = Queue(before, "q/")
        await queue.put("a")
        (item,) = await Consumer(queue, session, "w").take()
        session.suspend()
    async with Client(settings_of(node)) as after, after.session() as other:
        assert await Lock(after, "l").try_acquire(other) is None
        async with after.session(lease=lease, resume=True) as session:
            assert session.ttl_ms == 60_000
            again = await Lock(after, "l").acquire(session)
            assert again.token == hold.token
            assert (await Election(after, "o/").campaign(session, "me")).token == office.token
            consumer = Consumer(Queue(after, "q/"), session, "w")
            assert await consumer.recover() == (item,)
            await consumer.complete(item)
            await again.release()
        assert await Lock(after, "l").try_acquire(other) is not None


@with_node
async def test_a_session_that_was_not_suspended_ends_with_its_client(node: InstantNode) -> None:
    async with Client(settings_of(node)) as before:
        session = await before.session(ttl_ms=60_000)
    async with Client(settings_of(node)) as after:
        with pytest.raises(Refused) as refused:
            await after.session(lease=session.lease, resume=True)
        assert refused.value.code is ErrorCode.LEASE_NOT_FOUND


@with_node
async def test_a_resumed_session_is_kept_alive_and_told_its_loss(node: InstantNode) -> None:
    async with Client(settings_of(node)) as client:
        first = await client.session(ttl_ms=150)
        first.suspend()
        session = await client.session(lease=first.lease, resume=True)
        await client.revoke(session.lease)
        await asyncio.wait_for(session.lost.wait(), 5)
        assert not first.lost.is_set()
        with pytest.raises(SessionLost):
            await Lock(client, "l").acquire(session)


@with_node
async def test_resuming_without_a_lease_is_misuse(node: InstantNode) -> None:
    async with Client(settings_of(node)) as client:
        with pytest.raises(Misuse):
            client.session(resume=True)


def test_programs_made_of_threads_resume_sessions_too() -> None:
    node = InstantNode(lambda: time.monotonic() * 1000.0)
    with BlockingClient(lambda: aio.Client(settings_of(node))) as client:
        session = client.session(ttl_ms=60_000)
        client.put("k", lease=session.lease)
        session.suspend()
        session.close()
        assert client.get("k").count == 1
        with client.session(lease=session.lease, resume=True) as again:
            assert again.lease == session.lease
        assert client.get("k").count == 0
