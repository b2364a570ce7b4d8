"""ScheduleStore: everything a program or a console does with schedules.

Every change is one transaction: the schedule, its state, and the edit in its history. Stewards
learn of it by watch, so it acts at once. A change whose answer is lost raises MaybeDone; repeating
`set`, `pause`, `resume` and `remove` then does no harm, `undo` may go one further back, and `run`
may enqueue twice where overlap is allowed.
"""

from collections.abc import AsyncGenerator
from itertools import islice

import msgspec
from attrs import frozen

from coord.client import ops
from coord.model import EventKind, KeyValue
from coord.requests import RangeReply
from recipes.mirror import Mirror, read_all
from recipes.port import KeyStore, only
from workers.model.ids import JobId
from workers.model.names import check_name
from workers.model.places import Places
from workers.schedules import asking
from workers.schedules.checks import check_schedule, decode_schedule
from workers.schedules.codec import decode
from workers.schedules.due import dues
from workers.schedules.editing import Desk, Signed, there
from workers.schedules.errors import UnknownSchedule
from workers.schedules.history import Version, read_history
from workers.schedules.places import SchedulePlaces
from workers.schedules.plan import wake_unix_ms
from workers.schedules.reading import read_schedule, standing_job
from workers.schedules.values import Firing, Schedule, State
from workers.timer import Timer, WallTimer


@frozen
class Listed:
    """One schedule as it is now, with what became of it.

    Attributes:
        schedule: what it is.
        revision: that wrote it; give it to `set` to be sure nobody edited meanwhile.
        state: what became of its due times.
        next_unix_ms: when it fires next, jitter included; None for never, as while it is paused.
    """

    schedule: Schedule
    revision: int
    state: State
    next_unix_ms: int | None


@frozen
class Fired:
    """A job a schedule enqueued: the how manieth, which one, and for which due time."""

    number: int
    job_id: JobId
    firing: Firing


class ScheduleStore:
    """The schedules of one space, through one client."""

    def __init__(
        self, client: KeyStore, places: Places | None = None, timer: Timer | None = None
    ) -> None:
        self._desk = Desk(client, SchedulePlaces(places or Places()), timer or WallTimer())

    @property
    def client(self) -> KeyStore:
        """Whom it asks."""
        return self._desk.client

    @property
    def places(self) -> SchedulePlaces:
        """Where everything stands."""
        return self._desk.places

    @property
    def timer(self) -> Timer:
        """The clock edits are stamped by."""
        return self._desk.timer

    async def set(
        self, schedule: Schedule, *, by: str = "", why: str = "", revision: int | None = None
    ) -> int:
        """Make a schedule, or put it in place of the one of its name.

        One that says the same already is left alone, so a program may set its schedules whenever
        it starts.

        Args:
            schedule: what shall be.
            by: who says so, for the history.
            why: for the history.
            revision: that of the schedule this was made from (0: there was none); None for any.

        Returns:
            The revision of the schedule as it is now.

        Raises:
            Misuse: it can be none, or would never be due; names the field.
            ScheduleChanged: it is not, or no more, at `revision`.
        """
        check_schedule(schedule)

        def change(old: Schedule | None) -> Schedule:
            if old is None or old.rule != schedule.rule:
                self._desk.check_ever_due(schedule)
            return schedule

        return await self._desk.edit(schedule.name, Signed("set", by, why), change, revision)

    async def pause(self, name: str, *, by: str = "", why: str = "") -> int:
        """Let nothing fall due until it is resumed. Jobs enqueued before go on.

        Returns:
            The revision of the schedule as it is now.

        Raises:
            UnknownSchedule: there is none of this name.
        """
        return await self._switch(name, Signed("pause", by, why), paused=True)

    async def resume(self, name: str, *, by: str = "", why: str = "") -> int:
        """Go on. What would have been due meanwhile is passed over; `backfill` makes up for it.

        Returns:
            The revision of the schedule as it is now.

        Raises:
            UnknownSchedule: there is none of this name.
        """
        return await self._switch(name, Signed("resume", by, why), paused=False)

    async def remove(self, name: str, *, by: str = "", why: str = "") -> int:
        """Remove a schedule. Its history stays, and `undo` brings it back.

        Returns:
            The revision that removed it.

        Raises:
            UnknownSchedule: there is none of this name.
        """

        def change(old: Schedule | None) -> None:
            there(old, name)

        return await self._desk.edit(name, Signed("remove", by, why), change)

    async def undo(self, name: str, *, to: int | None = None, by: str = "", why: str = "") -> int:
        """Bring back the version before, or version `to`, as a new edit, in force from now on.

        An undo right after an undo goes one further back.

        Returns:
            The revision of the schedule as it is now.

        Raises:
            NothingToUndo: there is no such version.
            ScheduleChanged: it was edited at the same time.
        """
        return await self._desk.undo(name, to, by, why)

    async def forget(self, name: str) -> int:
        """Remove a schedule with its state and history; nothing of it is left but its jobs.

        Returns:
            How many edits are forgotten.
        """
        at = self._desk.places
        check_name("schedule", name)
        reply = await self._desk.client.txn(
            success=[
                ops.get(at.history(name), prefix=True, count_only=True),
                *map(ops.delete, (at.spec(name), at.state(name), at.backfill(name))),
                ops.delete(at.history(name), prefix=True),
                ops.delete(at.firings(name), prefix=True),
            ]
        )
        edits = reply.replies[0]
        assert isinstance(edits, RangeReply)
        return edits.count

    async def run(self, name: str, *, overlap: bool = False) -> JobId:
        """Enqueue the job of a schedule now, paused or not. Its due times stay as they are.

        Args:
            name: of the schedule.
            overlap: even if its job before has not ended, whatever the overlap policy.

        Raises:
            UnknownSchedule: there is none of this name.
            NotEnded: its job before has not; `job_id` tells which.
        """
        return await asking.run(self._desk, name, overlap=overlap)

    async def backfill(
        self, name: str, after_unix_ms: int, until_unix_ms: int, *, by: str = ""
    ) -> int:
        """Have the steward enqueue a job for each due time of a span, fired before or not.

        They may overlap. Each is enqueued once, whoever dies meanwhile.

        Args:
            name: of the schedule.
            after_unix_ms: due times after this,
            until_unix_ms: and up to this, which is past.
            by: who asks.

        Returns:
            How many.

        Raises:
            UnknownSchedule: there is none of this name.
            StillFilling: the backfill before has not ended.
            Misuse: the span is empty, too large, or not all past.
        """
        return await asking.backfill(self._desk, name, after_unix_ms, until_unix_ms, by)

    async def find(self, name: str) -> Listed:
        """Return a schedule.

        Raises:
            UnknownSchedule: there is none of this name.
        """
        listed = await self.get(name)
        if listed is None:
            raise UnknownSchedule(name)
        return listed

    async def get(self, name: str) -> Listed | None:
        """Return a schedule; None where there is none of this name."""
        check_name("schedule", name)
        known = await read_schedule(self._desk.client, self._desk.places, name)
        return None if known is None else self._listed(known.schedule, known.revision, known.state)

    async def list(self) -> tuple[Listed, ...]:
        """Return all schedules, by name."""
        at = self._desk.places
        specs, _ = await read_all(self._desk.client, at.specs, prefix=True)
        states, _ = await read_all(self._desk.client, at.states, prefix=True)
        listed = []
        for key in sorted(specs):
            schedule = decode_schedule(specs[key].value)
            if schedule is not None:
                kept = states.get(at.state(schedule.name))
                state = None if kept is None else decode(kept.value, State)
                listed.append(self._listed(schedule, specs[key].mod_revision, state))
        return tuple(listed)

    async def history(self, name: str) -> tuple[Version, ...]:
        """Return the edits of a schedule, oldest first, also of one that was removed."""
        check_name("schedule", name)
        return await read_history(self._desk.client, self._desk.places, name)

    async def firings(self, name: str) -> tuple[Fired, ...]:
        """Return the last jobs a schedule enqueued, oldest first."""
        check_name("schedule", name)
        prefix = self._desk.places.firings(name)
        kvs = (await self._desk.client.get(prefix, prefix=True)).kvs
        return tuple(fired for kv in kvs if (fired := _fired(prefix, kv)) is not None)

    async def new_firings(self, name: str) -> AsyncGenerator[Fired, None]:
        """Yield each job a schedule enqueues from now on, as soon as that is told."""
        check_name("schedule", name)
        prefix = self._desk.places.firings(name)
        async with Mirror(self._desk.client, prefix) as mirror:
            while True:
                for event in await mirror.change():
                    fired = _fired(prefix, event.kv) if event.kind is EventKind.PUT else None
                    if fired is not None:
                        yield fired

    async def standing(self, name: str) -> JobId | None:
        """Return the job of a schedule that has not ended; None too where overlap is allowed."""
        at = self._desk.places
        kv = only(await self._desk.client.get(at.standing(name), prefix=True, limit=1))
        return None if kv is None else standing_job(at, name, kv)

    async def next(self, name: str, count: int = 5) -> tuple[int, ...]:
        """Return the next due times of a schedule in unix milliseconds, as if it were not paused.

        Raises:
            UnknownSchedule: there is none of this name.
        """
        known = await asking.known_schedule(self._desk, name)
        assert known.state is not None
        after = max(known.state.settled_unix_ms, self._desk.timer.now_unix_ms())
        return tuple(islice(dues(known.schedule.rule, after, 2**63), count))

    async def changes(self) -> AsyncGenerator[tuple[str, Schedule | None], None]:
        """Yield each schedule there is by name, then each that is edited; None where one went."""
        prefix = self._desk.places.specs
        async with Mirror(self._desk.client, prefix) as mirror:
            for key, kv in sorted(mirror.keys.items()):
                yield key.removeprefix(prefix).decode(), decode_schedule(kv.value)
            while True:
                for event in await mirror.change():
                    gone = event.kind is EventKind.DELETE
                    schedule = None if gone else decode_schedule(event.kv.value)
                    yield event.kv.key.removeprefix(prefix).decode(), schedule

    async def _switch(self, name: str, signed: Signed, *, paused: bool) -> int:
        def change(old: Schedule | None) -> Schedule:
            return msgspec.structs.replace(there(old, name), paused=paused)

        return await self._desk.edit(name, signed, change)

    def _listed(self, schedule: Schedule, revision: int, state: State | None) -> Listed:
        state = state or State(settled_unix_ms=self._desk.timer.now_unix_ms())
        return Listed(schedule, revision, state, wake_unix_ms(schedule, state))


def _fired(prefix: bytes, kv: KeyValue) -> Fired | None:
    number, _, job_id = kv.key.removeprefix(prefix).decode().partition("/")
    firing = decode(kv.value, Firing)
    return None if firing is None else Fired(int(number, 16), JobId.parse(job_id), firing)
