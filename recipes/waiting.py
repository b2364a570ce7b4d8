"""Waiting: for something as long as a session lasts, and for a key to go.

Both wake by watch, never by asking again and again.
"""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from coord.errors import ErrorCode, Misuse, Refused
from coord.model import EventKind
from recipes.errors import SessionLost, StillHeld
from recipes.port import KeptLease, KeyStore, next_batch, only

T = TypeVar("T")


async def while_kept(session: KeptLease, awaited: Coroutine[Any, Any, T]) -> T:
    """Await `awaited` for as long as the session lasts.

    Returns:
        What `awaited` returned, even when the session ended in the same moment.

    Raises:
        SessionLost: the session ended first; `awaited` was cancelled.
    """
    work = asyncio.ensure_future(awaited)
    lost = asyncio.ensure_future(session.lost.wait())
    try:
        await asyncio.wait((work, lost), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise SessionLost
    finally:
        lost.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        elif not work.cancelled():
            work.exception()  # cancelled in the moment it failed, nobody asked for it


async def first_of(*awaited: Coroutine[Any, Any, object]) -> None:
    """Return when the first of several is done, and cancel the others; raise what it raised."""
    tasks = [asyncio.ensure_future(each) for each in awaited]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_gone(
    client: KeyStore, key: bytes, create_revision: int, seen_revision: int
) -> None:
    """Return once a key has been deleted, even if it was made again since.

    Args:
        client: whom to ask.
        key: the key.
        create_revision: which incarnation of the key is meant.
        seen_revision: a revision at which it was there.
    """
    while True:
        try:
            async with client.watch(key, start_revision=seen_revision + 1) as watch:
                while True:
                    batch = await next_batch(watch)
                    if any(event.kind is EventKind.DELETE for event in batch.events):
                        return
        except Refused as error:
            if error.code is not ErrorCode.COMPACTED:
                raise
        reply = await client.get(key)
        found = only(reply)
        if found is None or found.create_revision != create_revision:
            return
        seen_revision = reply.revision


async def within(timeout_ms: float | None, taking: Awaitable[T | None]) -> T:
    """Await a patient take for at most `timeout_ms` milliseconds (None: for ever).

    Raises:
        StillHeld: the time passed; `taking` was cancelled and has cleaned up.
    """
    try:
        async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
            taken = await taking
    except TimeoutError:
        raise StillHeld from None
    assert taken is not None
    return taken


def check_timeout(timeout_ms: float | None) -> None:
    """Raise Misuse for a time that is not positive."""
    if timeout_ms is not None and not timeout_ms > 0:
        raise Misuse(f"timeout_ms {timeout_ms}; more than 0", ErrorCode.INVALID_OPTION)
