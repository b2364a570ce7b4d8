"""Of all candidates one does the chores, for as long as its session lasts."""

import asyncio
from collections.abc import Callable

from attrs import define, field

from coord.client import ops
from coord.errors import ErrorCode, error_from
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from workers.model.places import Places
from workers.steward.chore import Chore, Term
from workers.steward.steward import PAUSE_MS_MIN, Steward
from workers.testing.hand_timer import HandTimer

PLACES = Places()


@define
class _Diary:
    """A chore that notes when it ran, and does as told."""

    name: str = "diary"
    runs: list[Term] = field(factory=list)
    running: int = 0
    do: Callable[[], None] = field(default=lambda: None)

    async def run(self, term: Term) -> None:
        self.runs.append(term)
        self.running += 1
        try:
            self.do()
            await asyncio.Event().wait()
        finally:
            self.running -= 1


@define
class _Candidate:
    client: LocalClient
    session: LocalSession
    task: asyncio.Task[None]

    @classmethod
    async def start(cls, cluster: LocalCluster, timer: HandTimer, *chores: Chore) -> "_Candidate":
        client = cluster.client()
        session = await client.session(1_000)
        steward = Steward(client, session, PLACES, timer, chores, "w")
        return cls(client, session, asyncio.create_task(steward.run()))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await settle()


async def _allowed(term: Term) -> bool:
    reply = await term.client.txn([term.guard()], [ops.put("proof")])
    return reply.succeeded


@in_loop
async def test_one_of_two_does_the_chores_and_the_other_when_the_first_stops() -> None:
    cluster, timer = LocalCluster(), HandTimer()
    first, second = _Diary(), _Diary()
    one = await _Candidate.start(cluster, timer, first)
    await settle()
    two = await _Candidate.start(cluster, timer, second)
    await settle()
    assert (first.running, second.running) == (1, 0)
    await one.stop()
    assert (first.running, second.running) == (0, 1)
    assert first.runs[0].lost.is_set()
    assert not await _allowed(first.runs[0])
    assert await _allowed(second.runs[0])
    await two.stop()
    assert (await two.client.get(PLACES.steward, prefix=True)).count == 0


@in_loop
async def test_a_frozen_steward_is_followed_and_its_transactions_are_refused() -> None:
    cluster, timer = LocalCluster(), HandTimer()
    first, second = _Diary(), _Diary()
    one = await _Candidate.start(cluster, timer, first)
    await settle()
    two = await _Candidate.start(cluster, timer, second)
    await settle()
    one.session.stall()
    cluster.advance(1_000)
    await settle()
    assert second.running == 1
    assert not await _allowed(first.runs[0])
    one.session.wake()
    await settle()
    assert one.task.done()
    assert first.running == 0
    await two.stop()


@in_loop
async def test_who_lost_the_office_but_not_its_session_stands_again() -> None:
    cluster, timer, diary = LocalCluster(), HandTimer(), _Diary()
    one = await _Candidate.start(cluster, timer, diary)
    await settle()
    await cluster.client().delete(PLACES.steward, prefix=True)
    await settle()
    assert len(diary.runs) == 2
    assert diary.running == 1
    assert not await _allowed(diary.runs[0])
    assert await _allowed(diary.runs[1])
    await one.stop()


@in_loop
async def test_a_chore_that_fails_is_run_again_and_the_others_do_not_notice() -> None:
    cluster, timer = LocalCluster(), HandTimer()
    errors: list[Exception] = [ValueError("a bug"), error_from(ErrorCode.NO_LEADER)]

    def fail() -> None:
        if errors:
            raise errors.pop()

    shaky, steady = _Diary(do=fail), _Diary()
    one = await _Candidate.start(cluster, timer, shaky, steady)
    await settle()
    assert (shaky.running, len(shaky.runs)) == (0, 1)
    timer.advance(PAUSE_MS_MIN)
    await settle()
    assert (shaky.running, len(shaky.runs)) == (0, 2)
    timer.advance(PAUSE_MS_MIN)
    await settle()
    assert len(shaky.runs) == 2  # the second pause is longer
    timer.advance(PAUSE_MS_MIN)
    await settle()
    assert shaky.running == steady.running == 1
    assert len(steady.runs) == 1
    await one.stop()


@in_loop
async def test_an_election_that_cannot_be_held_is_tried_again() -> None:
    cluster, timer, diary = LocalCluster(), HandTimer(), _Diary()
    client = cluster.client()
    session = await client.session(1_000)
    client.lose_requests()
    steward = Steward(client, session, PLACES, timer, [diary])
    task = asyncio.create_task(steward.run())
    await settle()
    assert not diary.runs
    timer.advance(PAUSE_MS_MIN)
    await settle()
    assert diary.running == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
