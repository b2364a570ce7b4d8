"""Schedules as a part of simulated worlds: stewards, consoles and workers on a faulty cluster.

Stewards are killed, stopped past their lease and continued; their clocks run apart; nodes crash and
networks part. The books, kept from the log alone, must balance: see `check_schedules`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from coord.client import ops
from coord.errors import CoordError
from recipes.testing.actor import Actor
from recipes.testing.cast import Part
from recipes.waiting import first_of
from workers.errors import DuplicateJob
from workers.model.job import Job
from workers.model.places import Places
from workers.schedules.chore import ScheduleChore
from workers.schedules.errors import (
    NothingToUndo,
    ScheduleChanged,
    StillFilling,
    UnknownSchedule,
)
from workers.schedules.places import SchedulePlaces
from workers.schedules.store import ScheduleStore
from workers.schedules.values import CatchUp, Cron, Every, Overlap, Rule, Schedule
from workers.steward.steward import Steward
from workers.testing.schedule_books import check_books
from workers.timer import LOOK_S

SPACE = b"scheduling/"
START_UNIX_MS = 1_700_000_000_000
NAMES = ("s1", "s2")
JOB = Job("f", result_ttl_ms=1_000)
RULES: tuple[Rule, ...] = (
    Every(100), Every(300), Every(1_000, 500), Cron("* * * * * *"), Cron("*/2 * * * * *"),
)  # fmt: skip
_REFUSALS = (UnknownSchedule, NothingToUndo, DuplicateJob, ScheduleChanged, StillFilling)


class LoopTimer:
    """The clock of a simulated process, as a Timer."""

    def now_unix_ms(self) -> int:
        """Return the time now."""
        return START_UNIX_MS + int(asyncio.get_running_loop().time() * 1000)

    async def until(self, unix_ms: int) -> None:
        """Return once the clock shows `unix_ms`."""
        while (left_ms := unix_ms - self.now_unix_ms()) > 0:  # noqa: ASYNC110 - it is the clock
            await asyncio.sleep(min(left_ms / 1000, LOOK_S))


async def steward(actor: Actor) -> None:
    """Stand for the office and fire what is due, until the consoles are done."""
    over = asyncio.ensure_future(actor.until(lambda: _is_over(actor)))
    timer = LoopTimer()
    while not over.done():
        try:
            async with actor.client.session(actor.ttl_ms) as session:
                chores = [ScheduleChore(timer)]
                places = Places(SPACE)
                candidate = Steward(actor.client, session, places, timer, chores, actor.name)
                await first_of(candidate.run(), asyncio.wait((over,)))
        except CoordError as error:
            actor.failed(error)
            await actor.think()


async def console(actor: Actor) -> None:
    """Make, edit, pause, remove, undo, run and backfill schedules at random."""
    store = ScheduleStore(actor.client, Places(SPACE), LoopTimer())
    with actor.at_work("console"):
        while not actor.is_over():
            name = actor.luck.choice(NAMES)
            try:
                await _act(actor, store, name)
            except _REFUSALS as refusal:
                actor.count(f"schedules: told {type(refusal).__name__}")
            except CoordError as error:
                actor.failed(error)
            await actor.think(10.0)


async def worker(actor: Actor) -> None:
    """End jobs, the first in line first, as far as schedules can tell."""
    at = Places(SPACE).queue("default")
    while not _is_over(actor):
        await actor.think(5.0)
        try:
            found = (await actor.client.get(at.ready, prefix=True, limit=1)).kvs
            for kv in found:
                name = b"default:" + kv.key.rpartition(b"/")[2]
                places = SchedulePlaces(Places(SPACE))
                unique = [ops.delete(places.standing(each) + name) for each in NAMES]
                await actor.client.txn([ops.exists(kv.key)], [ops.delete(kv.key), *unique])
        except CoordError as error:
            actor.failed(error)


async def _act(actor: Actor, store: ScheduleStore, name: str) -> None:
    luck = actor.luck
    listed = await store.get(name)
    way = luck.random()
    if listed is None and way < 0.8:
        await store.set(_drawn(actor, name), by=actor.name)
    elif listed is not None and way < 0.4:
        changed = msgspec.structs.replace(listed.schedule, **_changes(actor))
        revision = luck.choice((None, listed.revision))
        await store.set(changed, by=actor.name, revision=revision)
    elif way < 0.9:
        acts: list[Callable[[str], Awaitable[object]]] = [
            store.pause, store.resume, store.resume, store.undo, store.remove, store.run,
        ]  # fmt: skip
        await luck.choice(acts)(name)
    else:
        until = store.timer.now_unix_ms()
        await store.backfill(name, until - luck.randrange(1, 3_000), until)
        actor.count("schedules: backfills asked for")


def _drawn(actor: Actor, name: str) -> Schedule:
    luck = actor.luck
    schedule = Schedule(name, JOB, luck.choice(RULES), overlap=luck.choice(list(Overlap)))
    return msgspec.structs.replace(schedule, **_changes(actor))


def _changes(actor: Actor) -> Mapping[str, object]:
    luck = actor.luck
    every: Mapping[str, tuple[object, ...]] = {
        "rule": RULES,
        "overlap": tuple(Overlap),
        "catch_up": tuple(CatchUp),
        "catch_up_ms": (1_000, 3_600_000),
        "jitter_ms": (0, 70),
        "priority": (4, 5),
    }
    return {field: luck.choice(every[field]) for field in luck.sample(sorted(every), 2)}


def _is_over(actor: Actor) -> bool:
    return actor.is_over() and not actor.journal.at_work["console"]


SCHEDULES = Part(
    "schedules",
    (("steward", steward, 1, 1), ("console", console, 0, 1), ("worker", worker, 0, 1)),
    lambda told: check_books(told.events, SPACE),
)
