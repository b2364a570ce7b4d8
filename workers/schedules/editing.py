"""Edits: a schedule, its state, and the line in its history, all at one revision."""

from collections.abc import Callable

import msgspec
from attrs import frozen

from coord.client import ops
from coord.errors import ErrorCode, error_from
from coord.model import KeyValue
from coord.requests import RangeReply, TxnOp
from recipes.errors import Contended
from recipes.port import KeyStore, only
from workers.model.names import check_name
from workers.schedules.checks import check_schedule, decode_schedule
from workers.schedules.codec import decode, encode
from workers.schedules.due import next_due
from workers.schedules.errors import NothingToUndo, ScheduleChanged, UnknownSchedule
from workers.schedules.history import find_version, read_history, version_before
from workers.schedules.places import SchedulePlaces
from workers.schedules.plan import after_edit
from workers.schedules.values import Edit, Schedule, State
from workers.steps.move import Move
from workers.timer import Timer

TRIES_MAX = 100

Change = Callable[[Schedule | None], Schedule | None]
"""From the schedule as it is to the one that shall be; None where there is none."""


@frozen
class Signed:
    """What was done, who did it, and why."""

    what: str
    by: str = ""
    why: str = ""
    restores: int | None = None


@frozen
class Desk:
    """Where edits are made: through which client, of which space, by whose clock."""

    client: KeyStore
    places: SchedulePlaces
    timer: Timer

    async def edit(
        self, name: str, signed: Signed, change: Change, revision: int | None = None
    ) -> int:
        """Make an edit, again where somebody else was faster.

        Args:
            name: of the schedule.
            signed: for the history.
            change: may be called more than once; what it raises is raised here.
            revision: that the schedule must be at (0: be missing); None for any.

        Returns:
            The revision of the schedule as it is then; where nothing changes, as it was.

        Raises:
            ScheduleChanged: it is at another.
        """
        check_name("schedule", name)
        reads = [ops.get(self.places.spec(name)), ops.get(self.places.state(name))]
        for _ in range(TRIES_MAX):
            spec, state = map(_only, (await self.client.txn(success=reads)).replies)
            stands_at = spec.mod_revision if spec else 0
            if revision is not None and stands_at != revision:
                raise ScheduleChanged(name, stands_at)
            old = decode_schedule(spec.value) if spec else None
            new = change(old)
            if new == old or (new is not None and old is not None and new.says_the_same(old)):
                return stands_at
            move = self._edited(name, signed, (spec, state), old, new)
            done = await self.client.txn(move.compare, move.ops)
            if done.succeeded:
                return done.revision
        raise Contended

    async def undo(self, name: str, to: int | None, by: str, why: str) -> int:
        """Bring a version back; see `ScheduleStore.undo`."""
        check_name("schedule", name)
        history = await read_history(self.client, self.places, name)
        if not history:
            raise NothingToUndo(f"schedule {name!r} was never edited")
        number = version_before(history) if to is None else to
        was = None if number == 0 else find_version(history, number).edit.schedule
        stands_at = 0 if history[-1].edit.schedule is None else history[-1].revision
        return await self.edit(name, Signed("undo", by, why, number), lambda old: was, stands_at)

    def check_ever_due(self, schedule: Schedule) -> None:
        """Check that a rule has a due time ahead.

        Raises:
            Misuse: it has none.
        """
        if next_due(schedule.rule, self.timer.now_unix_ms()) is None:
            detail = f"schedule {schedule.name!r}: its rule is never due any more"
            raise error_from(ErrorCode.INVALID_OPTION, detail)

    def _edited(
        self,
        name: str,
        signed: Signed,
        read: tuple[KeyValue | None, KeyValue | None],
        old: Schedule | None,
        new: Schedule | None,
    ) -> Move:
        places, now = self.places, self.timer.now_unix_ms()
        spec, kept = read
        if new is not None:
            new = msgspec.structs.replace(
                new, note=signed.why, edited_by=signed.by, edited_unix_ms=now
            )
            check_schedule(new)
        state = after_edit(old, decode(kept.value, State) if kept else None, new, now)
        edit = Edit(signed.what, new, signed.by, signed.why, now, signed.restores)
        steps: list[TxnOp] = [
            ops.put(places.history(name), encode(edit), sequence=True),
            ops.put(places.state(name), encode(state)),
        ]
        if new is None:
            steps += [ops.delete(places.spec(name)), ops.delete(places.backfill(name))]
        else:
            steps.append(ops.put(places.spec(name), encode(new)))
        return Move(
            (
                ops.modified(places.spec(name), "==", spec.mod_revision if spec else 0),
                ops.modified(places.state(name), "==", kept.mod_revision if kept else 0),
            ),
            tuple(steps),
        )


def there(schedule: Schedule | None, name: str) -> Schedule:
    """Return a schedule that must be there.

    Raises:
        UnknownSchedule: it is not.
    """
    if schedule is None:
        raise UnknownSchedule(name)
    return schedule


def _only(answer: object) -> KeyValue | None:
    assert isinstance(answer, RangeReply), answer
    return only(answer)
