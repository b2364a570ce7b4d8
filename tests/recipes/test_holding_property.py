"""Locks under any order of steps, stalls, ends of sessions and lost messages, judged by the log.

Whatever happens: in the order of the log holders are disjoint, tokens grow from holder to holder,
guarded writes are accepted from the holder alone, and in the end nothing is left behind.
"""

import asyncio
import contextlib
import random
from typing import Literal

import pytest

from coord import ops
from coord.errors import CoordError
from coord.model import EventKind
from coord.testing.local import LocalCluster, LocalSession, in_loop, settle
from recipes import hold
from recipes.errors import NotHolder, SessionLost
from recipes.hold import Hold
from recipes.lock import Lock
from recipes.rwlock import RWLock
from recipes.semaphore import Semaphore

PROCESSES = 4
TTL_MS = 900

WEIGHTS = {
    "take": 12, "cancel": 2, "release": 12, "write": 12, "stall": 1, "wake": 6, "renew": 12,
    "lose answer": 2, "lose request": 2,
}  # fmt: skip
STEPS = 300
SEEDS = 15
Kind = Literal["lock", "read or write", "semaphore"]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever gives a place up not pause between tries: time is moved by hand here."""
    monkeypatch.setattr(hold, "RETRY_S", 0)


class _Crowd:
    """Some processes that want the same thing, each with a client and a session of its own."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.cluster = LocalCluster()
        self.clients = [self.cluster.client() for _ in range(PROCESSES)]
        self.sessions: list[LocalSession] = []
        self.tasks: list[asyncio.Task[Hold] | None] = [None] * PROCESSES
        self.holds: list[Hold | None] = [None] * PROCESSES
        self.accepted: list[tuple[int, int]] = []  # revision and token of each guarded write
        self.locks = [Lock(client, "l") for client in self.clients]
        self.rwlocks = [RWLock(client, "l") for client in self.clients]
        self.semaphores = [Semaphore(client, "l", 2) for client in self.clients]

    async def start(self) -> None:
        for _ in range(PROCESSES):
            self.sessions.append(await self.cluster.client().session(TTL_MS))

    async def step(self, action: str, who: int) -> None:
        task, held, session = self.tasks[who], self.holds[who], self.sessions[who]
        match action:
            case "take" if task is None and held is None:
                self.tasks[who] = asyncio.create_task(self._take(who))
            case "cancel" if task is not None:
                task.cancel()
            case "release" if held is not None:
                self.holds[who] = None
                await held.release()
            case "write" if held is not None:
                write = [ops.put("effect", str(held.token))]
                reply = await self.cluster.client().txn([held.guard()], write)
                if reply.succeeded:
                    self.accepted.append((reply.revision, held.token))
            case "stall":
                session.stall()
            case "wake":
                session.wake()
            case "renew" if session.lost.is_set():
                self.sessions[who] = await self.cluster.client().session(TTL_MS)
            case "lose answer":
                self.clients[who].lose_answers()
            case "lose request":
                self.clients[who].lose_requests()
            case _:
                pass

    async def collect(self) -> None:
        """Note who has got it; a process that is stalled notices nothing."""
        await settle()
        for who, task in enumerate(self.tasks):
            if task is None or not task.done() or self.sessions[who].stalled:
                continue
            self.tasks[who] = None
            if not task.cancelled():
                with contextlib.suppress(CoordError):
                    self.holds[who] = task.result()

    async def end(self) -> None:
        for session in self.sessions:
            session.wake()
        for task in self.tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in self.tasks if task), return_exceptions=True)
        await self.collect()
        for held in self.holds:
            if held is not None:
                with contextlib.suppress(NotHolder, SessionLost):
                    await held.release()
        await settle()

    async def _take(self, who: int) -> Hold:
        session = self.sessions[who]
        if self.kind == "lock":
            return await self.locks[who].acquire(session)
        if self.kind == "semaphore":
            return await self.semaphores[who].acquire(session)
        if who % 2:
            return await self.rwlocks[who].read(session)
        return await self.rwlocks[who].write(session)

    def holders_at(self) -> dict[int, set[int]]:
        """Return which tokens were present at each revision, read from the store's history."""
        store = self.cluster.store
        present: dict[bytes, int] = {}
        found: dict[int, set[int]] = {}
        for events in store.events(2, store.revision) if store.revision > 1 else ():
            for event in events:
                if not event.kv.key.startswith(b"l/") or event.kv.key == b"l/limit":
                    continue
                if event.kind is EventKind.PUT:
                    present[event.kv.key] = event.kv.create_revision
                else:
                    present.pop(event.kv.key)
            found[events[0].kv.mod_revision] = set(present.values())
        return found


async def _lived(kind: Kind, seed: int) -> _Crowd:
    luck = random.Random(seed)
    crowd = _Crowd(kind)
    await crowd.start()
    for _ in range(STEPS):
        (action,) = luck.choices(list(WEIGHTS), list(WEIGHTS.values()))
        with contextlib.suppress(NotHolder, SessionLost):
            await crowd.step(action, luck.randrange(PROCESSES))
        crowd.cluster.advance(luck.choice((0, 0, 0, 300, 1000)))
        await crowd.collect()
    await crowd.end()
    assert len({token for _, token in crowd.accepted}) > 3  # else it showed nothing
    return crowd


async def _left(crowd: _Crowd) -> int:
    found = await crowd.cluster.client().get("l/", prefix=True)
    return sum(kv.key != b"l/limit" for kv in found.kvs)


@pytest.mark.parametrize("seed", range(SEEDS))
@in_loop
async def test_guarded_writes_come_from_the_first_in_line_and_tokens_grow(seed: int) -> None:
    crowd = await _lived("lock", seed)
    holders = crowd.holders_at()
    for revision, token in crowd.accepted:
        assert token == min(holders[revision])
    tokens = [token for _, token in crowd.accepted]
    assert tokens == sorted(tokens)
    assert await _left(crowd) == 0


@pytest.mark.parametrize("seed", range(SEEDS))
@in_loop
async def test_guarded_writes_come_from_the_first_permits_in_line(seed: int) -> None:
    crowd = await _lived("semaphore", seed)
    holders = crowd.holders_at()
    for revision, token in crowd.accepted:
        assert token in sorted(holders[revision])[:2]
    assert await _left(crowd) == 0


@pytest.mark.parametrize("seed", range(SEEDS))
@in_loop
async def test_guarded_writes_come_from_readers_together_or_one_writer(seed: int) -> None:
    crowd = await _lived("read or write", seed)
    store = crowd.cluster.store
    writers = {
        event.kv.create_revision
        for events in (store.events(2, store.revision) if store.revision > 1 else ())
        for event in events
        if event.kind is EventKind.PUT and event.kv.key.startswith(b"l/write/")
    }
    holders = crowd.holders_at()
    for revision, token in crowd.accepted:
        earlier = {each for each in holders[revision] if each < token}
        assert not earlier if token in writers else not earlier & writers
    assert await _left(crowd) == 0
