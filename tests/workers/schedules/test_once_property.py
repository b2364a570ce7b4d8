"""Whatever happens to stewards, clocks and schedules, each due time is decided exactly once.

The books must balance: the due times of every rule, from the edit that put it in force until the
edit that ended it, are those that were fired, skipped, missed, or wait for the job before them.
"""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from coord.testing.local import settle
from workers.errors import DuplicateJob
from workers.model.ids import JobId
from workers.model.job import Job
from workers.schedules.due import dues
from workers.schedules.errors import NothingToUndo, UnknownSchedule
from workers.schedules.values import CatchUp, Cron, Every, Overlap, Rule, Schedule
from workers.schedules.zones import parse_time
from workers.testing.faulty_client import Fault
from workers.testing.schedule_world import ScheduleWorld
from workers.testing.skewed_timer import SkewedTimer

RULES: tuple[Rule, ...] = (
    Every(7_000), Every(20_000), Every(60_000, 3_000), Cron("* * * * *"), Cron("*/2 * * * *"),
    Cron("*/15 * * * * *"),
)  # fmt: skip

_rules = st.sampled_from(RULES)
_actions = st.one_of(
    st.tuples(st.just("advance"), st.integers(1, 90_000)),
    st.tuples(st.just("advance"), st.integers(1, 600_000)),
    st.tuples(st.just("rule"), _rules),
    st.tuples(st.just("overlap"), st.sampled_from(Overlap)),
    st.tuples(st.just("catch_up"), st.sampled_from(CatchUp)),
    st.tuples(st.just("catch_up_ms"), st.sampled_from([1_000, 60_000, 3_600_000])),
    st.tuples(st.just("jitter_ms"), st.sampled_from([0, 5_000, 100_000])),
    st.tuples(st.sampled_from(["pause", "resume", "remove", "undo", "run", "complete"])),
    st.tuples(st.just("steward"), st.sampled_from([0, 0, -30_000, 45_000])),
    st.tuples(st.just("faulty"), st.integers(1, 3), st.sampled_from(Fault)),
    st.tuples(st.just("kill")),
    st.tuples(st.just("clock"), st.integers(-60_000, 60_000)),
)


@define
class _Books:
    """What was in force since when, as the store tells right after each edit."""

    world: ScheduleWorld
    settled: list[tuple[int, Schedule | None]] = field(factory=list)
    by_hand: set[JobId] = field(factory=set)

    async def note(self) -> None:
        """Note what is in force now; nobody else runs between an edit and this."""
        world = self.world
        listed = await world.schedules.get("s")
        if listed is not None:
            self.settled.append((listed.state.settled_unix_ms, listed.schedule))
        else:
            self.settled.append((await _kept_settled(world), None))

    async def check(self) -> None:
        """Check that they balance, up to what is settled now."""
        await self.note()
        expected: list[int] = []
        for (since, schedule), (until, _) in pairwise(self.settled):
            if schedule is not None and not schedule.paused:
                expected += dues(schedule.rule, since, until)
        jobs = await self.world.every_due("s")
        fired = [parse_time(due) for job, due in jobs.items() if job not in self.by_hand]
        assert len(set(expected)) == len(expected)
        assert len(set(fired)) == len(fired), "fired twice"
        assert set(fired) <= set(expected), "fired what was not due"
        state = (await self.world.schedules.find("s")).state
        buffered = 1 if state.buffered_unix_ms else 0
        assert state.firings == len(jobs)
        assert len(fired) + state.skipped + state.missed + buffered == len(expected)


async def _kept_settled(world: ScheduleWorld) -> int:
    kept = (await world.client.get(world.places.state("s"))).kvs[0]
    settled: int = msgspec.json.decode(kept.value)["settled_unix_ms"]
    return settled


async def _edit(world: ScheduleWorld, books: _Books, **changes: object) -> None:
    listed = await world.schedules.get("s")
    if listed is not None:
        await world.schedules.set(msgspec.structs.replace(listed.schedule, **changes))
        await books.note()


@define
class _Play:
    """One run of actions."""

    world: ScheduleWorld
    books: _Books
    clock: SkewedTimer

    async def act(self, action: tuple[Any, ...]) -> None:
        """Do one thing, and let everybody react."""
        what, *values = action
        if what in {"rule", "overlap", "catch_up", "catch_up_ms", "jitter_ms"}:
            await _edit(self.world, self.books, **{what: values[0]})
        elif what in {"pause", "resume", "remove", "undo"}:
            await self._switch(getattr(self.world.schedules, what))
        else:
            await getattr(self, f"_{what}")(*values)
        await settle()

    async def _advance(self, by_ms: int) -> None:
        await self.world.advance(by_ms)

    async def _complete(self) -> None:
        if await self.world.waiting():
            await self.world.complete()

    async def _steward(self, ahead_ms: int) -> None:
        await self.world.steward(timer=SkewedTimer(self.world.timer, ahead_ms))

    async def _faulty(self, number: int, fault: Fault) -> None:
        client = self.world.faulty_client()
        client.faults[number] = fault
        await self.world.steward(client, timer=self.clock)

    async def _clock(self, ahead_ms: int) -> None:
        self.clock.ahead_ms = ahead_ms

    async def _kill(self) -> None:
        await self.world.kill_all()

    async def _switch(self, change: Callable[[str], Any]) -> None:
        try:
            await change("s")
        except (UnknownSchedule, NothingToUndo):
            return
        await self.books.note()

    async def _run(self) -> None:
        try:
            self.books.by_hand.add(await self.world.schedules.run("s"))
        except (UnknownSchedule, DuplicateJob):
            return


async def _play(rule: Rule, overlap: Overlap, actions: list[tuple[Any, ...]]) -> None:
    world = ScheduleWorld()
    play = _Play(world, _Books(world), SkewedTimer(world.timer))
    await world.schedules.set(Schedule("s", Job("f"), rule, overlap=overlap))
    await play.books.note()
    await world.steward()
    for action in actions:
        await play.act(action)
    if await world.schedules.get("s") is None:
        await world.schedules.set(Schedule("s", Job("f"), rule, overlap=overlap))
        await play.books.note()
    await world.kill_all()
    await world.steward()
    await world.advance(200_000, 50_000)
    await settle(200)
    try:
        await play.books.check()
    finally:
        await world.close()


@given(_rules, st.sampled_from(Overlap), st.lists(_actions, max_size=25))
def test_the_books_of_due_times_balance_whatever_happens(
    rule: Rule, overlap: Overlap, actions: list[tuple[Any, ...]]
) -> None:
    asyncio.run(_play(rule, overlap, actions))
