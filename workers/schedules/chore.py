"""The chore of schedules: every due time is fired once, by whoever is in office.

What there is, is followed by watch, so an edit acts as soon as it is told. What is decided is
written on condition that all it was decided from is so still: a step that comes too late, or
twice, changes nothing. All there is to know stands in the store; a successor reads it there.

Times are judged by the clock of the process that runs this. When it is set back nothing is fired
twice; when it is set forth too far, what is fired early is not fired again.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from attrs import evolve

from coord.errors import Misuse, Refused
from workers.result_leases import ResultLeases
from workers.schedules.agenda import Agenda
from workers.schedules.cancelling import cancel_standing
from workers.schedules.codec import encode
from workers.schedules.firing import Known, take
from workers.schedules.places import SchedulePlaces
from workers.schedules.plan import Plan, plan, wake_unix_ms
from workers.schedules.reading import read_schedules
from workers.schedules.seen import Seen
from workers.schedules.values import Overlap, Schedule, State
from workers.steps.move import Move
from workers.steward.chore import Term
from workers.steward.moving import make_moves
from workers.steward.together import together
from workers.timer import Timer

AGAIN_MS = 100  # after a step that was refused, most often since somebody edits
PART = 64  # schedules decided in one go: a few milliseconds
AT_ONCE = 16  # parts on their way
AT_ONCE_SMALL = 2  # while there are few: what falls due meanwhile goes together

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
        self._told = asyncio.Event()
        self._seen = Seen(term.client, self._places, self._look_now)

    async def run(self) -> None:
        await together(self._seen.follow(), self._work())

    def _look_now(self, name: str) -> None:
        self._agenda.put(name, self._timer.now_unix_ms())
        self._told.set()

    async def _work(self) -> None:
        """Tend what is due, some at a time: while the steps of one part travel, decide the next."""
        under_way: set[asyncio.Future[None]] = set()
        try:
            while True:
                self._told.clear()
                names = self._agenda.take(self._timer.now_unix_ms(), PART)
                if names:
                    under_way.add(asyncio.ensure_future(self._tend(names)))
                    await asyncio.sleep(0)
                most = AT_ONCE if len(names) == PART else AT_ONCE_SMALL
                if not names or len(under_way) >= most:
                    under_way = await self._wait(under_way, for_room=bool(names))
        finally:
            for each in under_way:
                each.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _wait(
        self, under_way: set[asyncio.Future[None]], *, for_room: bool
    ) -> set[asyncio.Future[None]]:
        """Wait until something under way has ended, or else for news or a time on the agenda.

        Returns:
            What is still under way.
        """
        waits: list[asyncio.Future[Any]] = []
        if not for_room:
            waits.append(asyncio.ensure_future(self._told.wait()))
            if (soonest := self._agenda.soonest_unix_ms) is not None:
                waits.append(asyncio.ensure_future(self._timer.until(soonest)))
        try:
            await asyncio.wait([*waits, *under_way], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        for each in under_way:
            if each.done():
                each.result()
        return {each for each in under_way if not each.done()}

    async def _tend(self, names: Sequence[str]) -> None:
        """Look at schedules, take one step of each where there is one, and note when next."""
        taken: list[Known] = []
        moves: list[Move] = []
        for known in await self._knowing(names):
            step = await self._step(known)
            if step is None:
                assert known.state is not None
                self._seen.remember(known)
                self._note(known.schedule, known.state)
            else:
                taken.append(step[0])
                moves.append(step[1])
        for after, done in zip(taken, await self._make(moves), strict=True):
            self._after(after, done=done)

    async def _knowing(self, names: Sequence[str]) -> list[Known]:
        """Return what is to be known of schedules, read where it has to be."""
        queues = {name: queue for name in names if (queue := self._seen.queue_of(name)) is not None}
        known = [known for name in queues if (known := self._seen.recall(name)) is not None]
        for each in known:
            del queues[each.schedule.name]
        if queues:
            read = await read_schedules(self._term.client, self._places, queues)
            known += read.values()
        return known

    async def _step(self, known: Known) -> tuple[Known, Move] | None:
        """Return the step there is to take now, if any, and what is known after it."""
        now = self._timer.now_unix_ms()
        state = known.state or State(settled_unix_ms=now)
        standing = None if known.schedule.overlap is Overlap.ALLOW else known.standing
        made = plan(known.schedule, state, standing, known.backfill, now)
        if made is None:
            if known.state is not None:
                return None
            made = Plan(state)
        try:
            move, state = take(self._places, known, made, now)
        except Misuse as error:
            log.error("cannot be enqueued", schedule=known.schedule.name, error=str(error))
            missed = made.state.missed + len(made.fires)
            made = Plan(msgspec.structs.replace(made.state, missed=missed))
            move, state = take(self._places, known, made, now)
        if made.cancel:
            assert standing is not None
            move = await cancel_standing(self._term, self._timer, self._leases, standing, move)
        return evolve(known, state=state), move

    async def _make(self, moves: Sequence[Move]) -> list[bool]:
        try:
            return await make_moves(self._term, moves)
        except Refused as error:
            if type(error) is not Refused:
                raise
            log.warning("steps refused", error=str(error))
            self._leases.forget()  # of an ending that was to be kept: its lease is gone
            return [False] * len(moves)

    def _after(self, known: Known, *, done: bool) -> None:
        name, state = known.schedule.name, known.state
        assert state is not None
        if not done:
            wait_ms = 0 if self._seen.forget(name) else AGAIN_MS
            self._look_at(name, self._timer.now_unix_ms() + wait_ms)
        elif known.backfill is not None:
            self._look_now(name)
        else:
            self._seen.remember(evolve(known, state_value=encode(state)))
            self._note(known.schedule, state)

    def _note(self, schedule: Schedule, state: State) -> None:
        wake = wake_unix_ms(schedule, state)
        if wake is not None:
            self._look_at(schedule.name, wake)

    def _look_at(self, name: str, unix_ms: int) -> None:
        """Look at a schedule again at a time, unless it went or is to be looked at anyhow."""
        if self._seen.queue_of(name) is not None and not self._agenda.has(name):
            self._agenda.put(name, unix_ms)
