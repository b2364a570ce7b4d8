"""Programs that want what others hold: a lock, a part of a read-write lock, a permit, an office.

Each enters with a session, waits in one of several ways, writes under guard while it holds, and
goes on writing when it was told that it holds no more: those writes are the ones to be refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import attrs

from coord.errors import CoordError
from recipes.election import Election
from recipes.errors import StillHeld
from recipes.hold import Hold
from recipes.lock import Lock
from recipes.port import KeptLease
from recipes.rwlock import RWLock
from recipes.semaphore import Semaphore
from recipes.testing.actor import Actor, Held

PERMITS = 2


@attrs.frozen
class Wanted:
    """One thing to be held: how to wait for it, to try for it, and to let it go."""

    name: str
    wait: Callable[[KeptLease, float | None], Awaitable[Any]]
    attempt: Callable[[KeptLease], Awaitable[Any]]
    let_go: Callable[[Any], Awaitable[None]]


async def _release(hold: Hold) -> None:
    await hold.release()


def lock(actor: Actor) -> Wanted:
    """Build the wish for the lock."""
    made = Lock(actor.client, "lock", actor.name)
    return Wanted("lock", made.acquire, made.try_acquire, _release)


def reader(actor: Actor) -> Wanted:
    """Build the wish to read."""
    made = RWLock(actor.client, "rw")
    return Wanted("rw", made.read, made.try_read, _release)


def writer(actor: Actor) -> Wanted:
    """Build the wish to write."""
    made = RWLock(actor.client, "rw")
    return Wanted("rw", made.write, made.try_write, _release)


def permit(actor: Actor) -> Wanted:
    """Build the wish for a permit."""
    made = Semaphore(actor.client, "sem", PERMITS)
    return Wanted("sem", made.acquire, made.try_acquire, _release)


def office(actor: Actor) -> Wanted:
    """Build the wish to lead."""
    made = Election(actor.client, "office/")

    async def campaign(session: KeptLease, timeout_ms: float | None) -> Held:
        try:
            async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1_000.0):
                return await made.campaign(session, actor.name)
        except TimeoutError:
            raise StillHeld from None

    async def attempt(session: KeptLease) -> Held:
        return await campaign(session, None)

    async def resign(leadership: Any) -> None:
        await leadership.resign()

    return Wanted("office", campaign, attempt, resign)


def contender(want: Callable[[Actor], Wanted]) -> Callable[[Actor], Awaitable[None]]:
    """Return the program that wants this again and again."""

    async def contend(actor: Actor) -> None:
        wanted = want(actor)
        while not actor.is_over():
            try:
                async with actor.client.session(actor.ttl_ms) as session:
                    for _ in range(actor.luck.randint(1, 4)):
                        if actor.is_over() or not await _round(actor, wanted, session):
                            break
            except CoordError as error:
                actor.failed(error)
                await actor.think()

    return contend


async def _round(actor: Actor, wanted: Wanted, session: KeptLease) -> bool:
    """Hold it once; False when it is left to the session's end to let it go."""
    await actor.think()
    held = await _take(actor, wanted, session)
    if held is None:
        return True
    tenure = actor.begins(wanted.name, held)
    try:
        for _ in range(actor.luck.randint(0, 3)):
            await actor.think()
            await actor.write(tenure, held.guard())
        actor.ends(tenure)
        lets_go = actor.luck.random() < 0.9
        if lets_go:
            await wanted.let_go(held)
        return lets_go
    except CoordError:
        actor.ends(tenure)
        await actor.write(tenure, held.guard())
        raise
    finally:
        actor.ends(tenure)


async def _take(actor: Actor, wanted: Wanted, session: KeptLease) -> Held | None:
    """Wait in one of the ways there are; None when that led to nothing."""
    luck = actor.luck
    way = luck.random()
    held: Held | None
    if way < 0.6:
        held = await wanted.wait(session, None)
    elif way < 0.75:
        try:
            held = await wanted.wait(session, luck.choice((5.0, 50.0, 500.0)))
        except StillHeld:
            actor.count("waits given up")
            return None
    elif way < 0.9:
        held = await wanted.attempt(session)
        actor.journal.counts["tries in vain"] += held is None
    else:
        waiting = asyncio.ensure_future(wanted.wait(session, None))
        await asyncio.wait((waiting,), timeout=luck.choice((0.0, 0.001, 0.02, 0.3)))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if waiting.cancelled():
            actor.count("waits cancelled")
            return None
        held = waiting.result()
    return held


async def observe(actor: Actor) -> None:
    """Follow who leads until all is over."""
    over = asyncio.ensure_future(actor.until(actor.is_over))
    while not over.done():
        seen: list[int] = []
        actor.journal.observed.append(seen)
        observing = asyncio.ensure_future(_observe(actor, seen))
        try:
            await asyncio.wait((observing, over), return_when=asyncio.FIRST_COMPLETED)
            if observing.done():
                observing.result()
        except CoordError as error:
            actor.failed(error)
            await actor.think()
        finally:
            observing.cancel()
            await asyncio.gather(observing, return_exceptions=True)


async def _observe(actor: Actor, seen: list[int]) -> None:
    async with aclosing(Election(actor.client, "office/").observe()) as leaders:
        async for leader in leaders:
            seen.append(leader.token)
