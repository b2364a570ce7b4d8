"""All steps of jobs in any order: several clients, workers and stewards, stale ones included.

Every revision is judged by a plain twin (`workers.testing.ledger`): one place, only moves of the
table, one ending, index entries exactly where the job stands, limits and unique keys kept.
Afterwards everybody behaves, and whatever was enqueued has ended, with nothing left of it.
"""

import asyncio
import contextlib
import random
from collections.abc import Iterable

import pytest

from coord.client import ops
from coord.errors import CoordError
from coord.model import KeyValue
from coord.requests import Compare, DeleteRange
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from coord.testing.violation import Violation
from workers.errors import DuplicateJob, NotReplayable, UnknownJob
from workers.limits.deciding import Candidate
from workers.limits.rule import Rule
from workers.limits.store import LimitStore
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.job import Attempt, Job
from workers.model.places import Places
from workers.model.states import ENDED, State
from workers.result_leases import ResultLeases
from workers.steps import cancel, held
from workers.steps.hand import handed, slot_key
from workers.steps.held import end_held, put_back, retry, snooze
from workers.steps.move import Move
from workers.steward import admission
from workers.steward.admission import AdmissionChore
from workers.steward.due import DueChore
from workers.steward.steward import Steward
from workers.store.jobs import JobStore
from workers.testing.hand_timer import HandTimer
from workers.testing.job_world import read_held
from workers.testing.ledger import Gone, Ledger

PLACES = Places()
QUEUES = ("q", "r")
LIMITS = ("disk", "api", "queue.q")
TTL_MS = 900
STEPS = 250
SEEDS = 30
WEIGHTS = {
    "enqueue": 20, "claim": 20, "offer": 12, "hear": 12, "end": 14, "bury": 2, "retry": 6,
    "snooze": 3, "put back": 2, "give back": 2, "cancel": 4, "replay": 3, "limit": 3,
    "no limit": 2, "stall": 3, "wake": 5, "die": 2, "lose": 4,
}  # fmt: skip


class _Worker:
    """Claims under a session of its own, remembers what it claimed, and never forgets it."""

    def __init__(self, name: str, client: LocalClient, session: LocalSession) -> None:
        self.name = name
        self.client = client
        self.session = session
        self.claimed: list[KeyValue] = []

    async def claim(self, queue: str) -> None:
        at = PLACES.queue(queue)
        held = at.held_by(self.name)
        reply = await self.client.claim(at.ready, held, self.session.lease, 2)
        self.claimed += reply.kvs

    async def offer(self, queue: str) -> None:
        """Lay out slots, whether or not they are free."""
        at = PLACES.queue(queue)
        for number in (b"0000", b"0001"):
            await self.client.put(slot_key(at, self.name, number), lease=self.session.lease)

    async def hear(self, queue: str) -> None:
        """Learn what was handed over."""
        at = PLACES.queue(queue)
        notes = await self.client.get(at.handed_to(self.name), prefix=True)
        self.claimed += [handed(at, self.name, note)[1] for note in notes.kvs]


class _Steward:
    def __init__(self, client: LocalClient, session: LocalSession, timer: HandTimer) -> None:
        self.client = client
        self.session = session
        chores = (DueChore(timer), AdmissionChore(timer))
        self.task = asyncio.create_task(Steward(client, session, PLACES, timer, chores).run())


class _World:
    def __init__(self, seed: int) -> None:
        self.luck = random.Random(seed)
        self.cluster = LocalCluster()
        self.timer = HandTimer()
        self.stores = [JobStore(self.cluster.client(), PLACES, self.timer) for _ in range(2)]
        self.leases = ResultLeases(self.cluster.client(), self.timer)
        self.limits = LimitStore(self.cluster.client(), PLACES, self.timer)
        self.ledger = Ledger(PLACES)
        self.judged = 1
        self.enqueued: list[JobId] = []
        self.workers: list[_Worker] = []
        self.stewards: list[_Steward] = []

    async def start(self) -> None:
        for number in range(3):
            client = self.cluster.client()
            worker = _Worker(f"w{number}", client, await client.session(TTL_MS))
            self.workers.append(worker)
        for _ in range(3):
            await self.new_steward()

    async def new_steward(self) -> None:
        client = self.cluster.client()
        session = await client.session(TTL_MS)
        self.stewards.append(_Steward(client, session, self.timer))

    def judge(self) -> None:
        store = self.cluster.store
        if store.revision > self.judged:
            for events in store.events(self.judged + 1, store.revision):
                self.ledger.feed(events)
                self.check_times()
            self.judged = store.revision

    def check_times(self) -> None:
        now = self.timer.now_unix_ms()
        for job_id, entry in self.ledger.jobs.items():
            early = entry.state in (State.READY, State.HELD) and entry.job.due_unix_ms > now
            assert not early, f"{job_id} was not due"

    async def act(self, action: str) -> None:
        luck, worker = self.luck, self.luck.choice(self.workers)
        steward, store = luck.choice(self.stewards), luck.choice(self.stores)
        match action:
            case "enqueue":
                self.enqueued.append(await store.enqueue(luck.choice(QUEUES), self.new_job()))
            case "claim" | "offer" | "hear":
                await getattr(worker, action)(luck.choice(QUEUES))
            case "end" | "bury" | "retry" | "snooze" | "put back" | "give back":
                if worker.claimed:
                    await self.settle_claim(worker, luck.choice(worker.claimed), action)
            case "cancel" if self.enqueued:
                await store.cancel(luck.choice(self.enqueued))
            case "replay" if self.enqueued:
                await store.replay(luck.choice(self.enqueued))
            case "limit" | "no limit":
                await self.change_limit(luck.choice(LIMITS), remove=action == "no limit")
            case "stall":
                luck.choice((worker, steward)).session.stall()
            case "wake":
                worker.session.wake()
                steward.session.wake()
            case "die":
                await self.replace(worker, steward)
            case "lose":
                client = luck.choice((worker, steward)).client
                luck.choice((client.lose_answers, client.lose_requests))()

    async def change_limit(self, limit: str, *, remove: bool) -> None:
        if remove:
            await self.limits.remove(limit)
            return
        rate = self.luck.choice((0, 0, 20))
        await self.limits.set(limit, Rule(concurrency=self.luck.randint(1, 3), rate=rate))

    def new_job(self) -> Job:
        luck, now = self.luck, self.timer.now_unix_ms()
        draw = luck.choice
        return Job(
            "f",
            due_unix_ms=draw((0, 0, now + 50, now + 400)),
            expires_unix_ms=draw((0, 0, 0, now + 50, now + 600)),
            limits=draw(((), (), ("disk",), ("disk", "api"))),
            unique=draw(("", "", "", "a", "b")),
            unique_until_unix_ms=draw((0, now + 50, now + 300)),
            group=draw(("", "", "g")),
            result_ttl_ms=draw((0, 500, 60_000)),
        )

    async def settle_claim(self, worker: _Worker, held: KeyValue, action: str) -> None:
        """Let a worker act on a claim, which may long be another's."""
        job_id, name, job = read_held(PLACES, held)
        token, attempt = held.create_revision, job.tries + held.claims
        if action == "give back":
            await worker.client.give_back(held.key, token)
            return
        now, due = self.timer.now_unix_ms(), self.timer.now_unix_ms() + self.luck.randint(0, 300)
        tried = Attempt(attempt, "failed", name)
        state = State.DONE if action == "end" else State.DEAD
        ending = Ending(state, job.name, token, attempt, name, ended_unix_ms=now)
        move: Move
        match action:
            case "end" | "bury":
                kept = job.result_ttl_ms if state is State.DONE else 0
                lease = await self.leases.lease_for(kept) if kept else 0
                move = end_held(PLACES, job_id, job, name, ending, lease)
            case "retry":
                move = retry(PLACES, job_id, job, name, token, tried, due)
            case "snooze":
                move = snooze(PLACES, job_id, job, name, token, attempt, due)
            case _:
                move = put_back(PLACES, job_id, job, name, token, attempt)
        await worker.client.txn(move.compare, move.ops)

    async def replace(self, worker: _Worker, steward: _Steward) -> None:
        """End a worker's session and begin another; kill a steward, and have another candidate."""
        await worker.session.close()
        worker.session = await worker.client.session(TTL_MS)
        await self.kill(steward)
        await self.new_steward()

    async def kill(self, steward: _Steward) -> None:
        steward.task.cancel()
        await asyncio.gather(steward.task, return_exceptions=True)
        await steward.session.close()
        self.stewards.remove(steward)

    async def advance(self, by_ms: int) -> None:
        self.timer.advance(by_ms)
        self.cluster.advance(by_ms)
        await settle(self.luck.choice((1, 5, 30)))
        for worker in self.workers:
            if worker.session.lost.is_set():
                worker.session = await worker.client.session(TTL_MS)

    async def heal(self) -> None:
        """Let everybody behave until nothing is left to do."""
        for steward in list(self.stewards):
            await self.kill(steward)
        await self.new_steward()
        for limit in ("disk", "api"):
            await self.limits.remove(limit)
        for worker in self.workers:
            worker.session.wake()
            await worker.session.close()
            worker.client.lose_answers(0)
            worker.client.lose_requests(0)
            worker.session = await worker.client.session(TTL_MS)
            worker.claimed.clear()
        for _ in range(100):
            await self.advance(100)
            await settle()
            for worker in self.workers:
                for queue in QUEUES:
                    await worker.claim(queue)
                for claimed in worker.claimed:
                    await self.settle_claim(worker, claimed, "end")
                worker.claimed.clear()
            self.judge()

    async def end(self) -> None:
        for steward in list(self.stewards):
            await self.kill(steward)


async def _lived(seed: int) -> _World:
    world = _World(seed)
    await world.start()
    refused = (DuplicateJob, UnknownJob, NotReplayable, CoordError)
    for _ in range(STEPS):
        (action,) = world.luck.choices(list(WEIGHTS), list(WEIGHTS.values()))
        with contextlib.suppress(*refused):
            await world.act(action)
        world.judge()
        await world.advance(world.luck.choice((0, 0, 0, 20, 100, 500)))
        world.judge()
    await world.heal()
    return world


async def _judged(seed: int) -> None:
    world = await _lived(seed)
    for job_id in world.enqueued:
        entry = world.ledger.jobs[job_id]
        assert entry.state in ENDED or entry.state is Gone.GONE, f"{job_id} is {entry.state}"
        if entry.job.result_ttl_ms:
            assert 1 <= len(entry.endings) <= 1 + entry.replays
    assert world.ledger.leftovers() == []
    assert len(world.enqueued) > 20
    await world.end()


@pytest.mark.parametrize("seed", range(SEEDS))
@in_loop
async def test_whatever_happens_every_job_ends_once_and_nothing_is_left_of_it(seed: int) -> None:
    await _judged(seed)


def _admit_all(candidates: Iterable[Candidate], lines: object) -> list[JobId]:
    return [candidate.job for candidate in candidates]


def _no_fence(key: bytes, relation: str, revision: int) -> Compare:
    return ops.version(key, "!=", 1 << 40)


def _nothing(*args: object) -> DeleteRange:
    return ops.delete("nothing")


PLANTED = {
    "limits are not looked at": (admission, "decide", _admit_all),
    "claims and offices are not fenced": (ops, "created", _no_fence),
    "an agenda entry stays behind": (cancel, "due_delete", _nothing),
    "an expiry stays behind": (held, "due_delete", _nothing),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_noticed(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*PLANTED[bug])

    def try_all() -> None:
        for seed in range(SEEDS):
            asyncio.run(_judged(seed))

    with pytest.raises(AssertionError):
        try_all()


@in_loop
async def test_the_twin_notices_what_no_step_would_do() -> None:
    world = _World(0)
    job_id = await world.stores[0].enqueue("q", Job("f", group="g"))
    world.judge()
    at, item = PLACES.queue("q"), job_id.item.encode()
    for key in (at.later + item, PLACES.waiting("disk") + str(job_id).encode()):
        spoilt = LocalCluster()
        spoilt.store = world.cluster.store
        await spoilt.client().put(key, b"{}")
        with pytest.raises(Violation):
            world.judge()
        await spoilt.client().delete(key)
        world.judged = spoilt.store.revision
