"""The chore of schedules: every due time is fired once, by whoever is in office.

What there is, is followed by watch, so an edit acts as soon as it is told. What is decided is
decided from a fresh read, and written with a condition on all of it: a step that comes too late,
or twice, changes nothing. All there is to know stands in the store; a successor reads it there.

Times are judged by the clock of the process that runs this. When it is set back nothing is fired
twice; when it is set forth too far, what is fired early is not fired again.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from coord.errors import Misuse, Refused
from coord.model import Event, EventKind
from recipes.mirror import Mirror
from workers.result_leases import ResultLeases
from workers.schedules.agenda import Agenda
from workers.schedules.cancelling import cancel_standing
from workers.schedules.checks import decode_schedule
from workers.schedules.firing import Known, take
from workers.schedules.places import SchedulePlaces
from workers.schedules.plan import Plan, plan, wake_unix_ms
from workers.schedules.reading import SCHEDULES_MAX, read_schedules
from workers.schedules.values import Overlap, Schedule, State
from workers.steps.move import Move
from workers.steward.chore import Term
from workers.steward.moving import make_moves
from workers.steward.together import together
from workers.timer import Timer

AGAIN_MS = 100  # after a step that was refused, most often since somebody edits
AT_ONCE = 4  # reads and their steps on their way
YIELD_EVERY = 16  # schedules decided before others of this process get a turn

log = structlog.get_logger("schedules")


class ScheduleChore:
    """See the module."""

    name = "schedules"

    def __init__(self, timer: Timer) -> None:
        self._timer = timer

    async def run(self, term: Term) -> None:
        """Fire what is due until cancelled."""
        await _Desk(term, self._timer).run()


class _Desk:
    """The chore during one term."""

    def __init__(self, term: Term, timer: Timer) -> None:
        self._term = term
        self._timer = timer
        self._places = SchedulePlaces(term.places)
        self._leases = ResultLeases(term.client, timer)
        self._agenda = Agenda()
        self._waiting: set[str] = set()
        """Schedules that want to know when their job has ended."""
        self._queues: dict[str, str] = {}
        self._told = asyncio.Event()

    async def run(self) -> None:
        client, places = self._term.client, self._places
        async with (
            Mirror(client, places.specs) as specs,
            Mirror(client, places.backfills) as backfills,
            Mirror(client, places.standings) as standings,
        ):
            for kv in specs.keys.values():
                self._take_spec(kv.key, kv.value)
            await together(
                self._follow_specs(specs),
                self._follow_backfills(backfills),
                self._follow_standings(standings),
                self._work(),
            )

    async def _follow_specs(self, specs: Mirror) -> None:
        while True:
            for event in await specs.change():
                self._take_spec(event.kv.key, _value(event))

    async def _follow_backfills(self, backfills: Mirror) -> None:
        while True:
            for event in await backfills.change():
                if event.kind is EventKind.PUT:
                    self._look_now(event.kv.key.removeprefix(self._places.backfills).decode())

    async def _follow_standings(self, standings: Mirror) -> None:
        while True:
            for event in await standings.change():
                if event.kind is EventKind.DELETE:
                    rest = event.kv.key.removeprefix(self._places.standings)
                    name = rest.rpartition(b"/")[0].decode(errors="replace")
                    if name in self._waiting:
                        self._look_now(name)

    def _take_spec(self, key: bytes, value: bytes | None) -> None:
        name = key.removeprefix(self._places.specs).decode(errors="replace")
        schedule = None if value is None else decode_schedule(value)
        self._waiting.discard(name)
        if schedule is None:
            self._agenda.drop(name)
            self._queues.pop(name, None)
            if value is not None:
                log.error("what stands here is no schedule", name=name)
            return
        self._queues[name] = schedule.queue
        if schedule.overlap in (Overlap.QUEUE, Overlap.CANCEL_OLD):
            self._waiting.add(name)
        self._look_now(name)

    def _look_now(self, name: str) -> None:
        if name in self._queues:
            self._agenda.put(name, self._timer.now_unix_ms())
            self._told.set()

    async def _work(self) -> None:
        while True:
            self._told.clear()
            now = self._timer.now_unix_ms()
            parts = [self._agenda.take(now, SCHEDULES_MAX) for _ in range(AT_ONCE)]
            parts = [part for part in parts if part]
            if parts:
                await asyncio.gather(*(self._tend(part) for part in parts))
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        """Wait until the soonest time on the agenda, or until there is news."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._told.wait())]
        soonest = self._agenda.soonest_unix_ms
        if soonest is not None:
            waits.append(asyncio.ensure_future(self._timer.until(soonest)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _tend(self, names: Sequence[str]) -> None:
        """Look at schedules, take one step of each where there is one, and note when next."""
        queues = [self._queues[name] for name in names if name in self._queues]
        names = [name for name in names if name in self._queues]
        found = await read_schedules(self._term.client, self._places, names, queues)
        taken: list[tuple[Known, Plan]] = []
        moves: list[Move] = []
        for at, (name, queue) in enumerate(zip(names, queues, strict=True)):
            if at % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)
            known = found.get(name)
            if known is None:
                continue
            if known.schedule.queue != queue:  # edited since; whether that is limited was not read
                self._queues[name] = known.schedule.queue
                self._look_now(name)
            elif (step := await self._step(known)) is None:
                assert known.state is not None
                self._note(known.schedule, known.state)
            else:
                taken.append((known, step[0]))
                moves.append(step[1])
        for (known, made), done in zip(taken, await self._make(moves), strict=True):
            self._after(known, made, done=done)

    async def _step(self, known: Known) -> tuple[Plan, Move] | None:
        """Return the step of a schedule there is to take now, if any."""
        now = self._timer.now_unix_ms()
        state = known.state or State(settled_unix_ms=now)
        standing = None if known.schedule.overlap is Overlap.ALLOW else known.standing
        made = plan(known.schedule, state, standing, known.backfill, now)
        if made is None:
            if known.state is not None:
                return None
            made = Plan(state)
        try:
            move = take(self._places, known, made, now)
        except Misuse as error:
            log.error("cannot be enqueued", schedule=known.schedule.name, error=str(error))
            missed = made.state.missed + len(made.fires)
            made = Plan(msgspec.structs.replace(made.state, missed=missed))
            move = take(self._places, known, made, now)
        if made.cancel:
            assert standing is not None
            move = await cancel_standing(self._term, self._timer, self._leases, standing, move)
        return made, move

    async def _make(self, moves: Sequence[Move]) -> list[bool]:
        try:
            return await make_moves(self._term, moves)
        except Refused as error:
            if type(error) is not Refused:
                raise
            log.warning("steps refused", error=str(error))
            self._leases.forget()  # of an ending that was to be kept: its lease is gone
            return [False] * len(moves)

    def _after(self, known: Known, made: Plan, *, done: bool) -> None:
        name = known.schedule.name
        if not done:
            self._look_at(name, self._timer.now_unix_ms() + AGAIN_MS)
        elif known.backfill is not None:
            self._look_now(name)
        else:
            for fire in made.fires:
                late_ms = self._timer.now_unix_ms() - fire.due_unix_ms
                log.debug("fired", schedule=name, due_unix_ms=fire.due_unix_ms, late_ms=late_ms)
            self._note(known.schedule, made.state)

    def _note(self, schedule: Schedule, state: State) -> None:
        wake = wake_unix_ms(schedule, state)
        if wake is not None:
            self._look_at(schedule.name, wake)

    def _look_at(self, name: str, unix_ms: int) -> None:
        """Look at a schedule again at a time, unless it went or is to be looked at anyhow."""
        if name in self._queues and not self._agenda.has(name):
            self._agenda.put(name, unix_ms)


def _value(event: Event) -> bytes | None:
    return event.kv.value if event.kind is EventKind.PUT else None
