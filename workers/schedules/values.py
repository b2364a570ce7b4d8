"""What a schedule is: a job, when it is due, and what to do when due times meet or are missed.

A schedule travels as the value of one key. `checks.check_schedule` says what may be one.
"""

from enum import Enum

import msgspec

from workers.model.ids import PRIORITY_DEFAULT
from workers.model.job import Job

CATCH_UP_MS = 3_600_000


class Cron(msgspec.Struct, frozen=True, omit_defaults=True, tag="cron"):
    """Due when the clock on the wall of `zone` shows a time that a cron line names.

    Attributes:
        line: five fields (minute, hour, day of month, month, day of week), or six with seconds
            first, as `cronsim` reads them; or @hourly, @daily, @weekly, @monthly, @yearly.
        zone: of the IANA database, "Europe/Berlin".
    """

    line: str
    zone: str = "UTC"


class Every(msgspec.Struct, frozen=True, omit_defaults=True, tag="every"):
    """Due at `anchor_unix_ms` and every `interval_ms` after it; daylight rules do not matter.

    The anchor is not when the schedule was made: an edit moves nothing. 0 gives round times.
    """

    interval_ms: int
    anchor_unix_ms: int = 0


class Once(msgspec.Struct, frozen=True, tag="once"):
    """Due at one time."""

    at_unix_ms: int


Rule = Cron | Every | Once


class Overlap(Enum):
    """What becomes of a due time while the job of the one before has not ended."""

    SKIP = "skip"  #: nothing is enqueued
    QUEUE = "queue"  #: it is enqueued when that job has ended; one at most waits so
    CANCEL_OLD = "cancel_old"  #: that job is cancelled, and it is enqueued when that has ended
    ALLOW = "allow"  #: it is enqueued all the same


class CatchUp(Enum):
    """Which due times within the window are made up for when nobody was there to fire them."""

    ALL = "all"  #: each, in order; the overlap policy applies to them
    LATEST = "latest"  #: the newest


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One schedule.

    Attributes:
        name: of it.
        job: what is enqueued at each due time, and how it is treated. Its times and its unique
            key are the schedule's business: leave them unset.
        rule: when.
        queue: where to.
        priority: of its jobs, 0 to 9, higher runs sooner.
        overlap: see there.
        catch_up: see there.
        catch_up_ms: a due time that is fired so much too late is counted as missed instead.
        jitter_ms: it is fired up to so much later, always the same for one due time, and always
            before the next.
        expires_ms: a job not started so long after it was enqueued is dropped; 0 for never.
        paused: nothing falls due.
        note: why it was last edited.
        edited_by: whom by.
        edited_unix_ms: when, by the editor's clock.
    """

    name: str
    job: Job
    rule: Rule
    queue: str = "default"
    priority: int = PRIORITY_DEFAULT
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.ALL
    catch_up_ms: int = CATCH_UP_MS
    jitter_ms: int = 0
    expires_ms: int = 0
    paused: bool = False
    note: str = ""
    edited_by: str = ""
    edited_unix_ms: int = 0

    def says_the_same(self, other: "Schedule") -> bool:
        """Tell whether both mean the same, whoever edited them."""
        return (
            msgspec.structs.replace(
                other,
                note=self.note,
                edited_by=self.edited_by,
                edited_unix_ms=self.edited_unix_ms,
            )
            == self
        )


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a schedule's due times so far. It outlives the schedule.

    Attributes:
        settled_unix_ms: every due time up to this is decided, once and for all.
        buffered_unix_ms: the due time that waits for the job before it to end; 0 for none.
        asked_to_end: the job that was cancelled in its favour; "" for none.
        firings: jobs enqueued, those run by hand or made up for included.
        skipped: due times that gave way to the job before them.
        missed: due times that nobody fired in time; at least, after a very long time.
    """

    settled_unix_ms: int
    buffered_unix_ms: int = 0
    asked_to_end: str = ""
    firings: int = 0
    skipped: int = 0
    missed: int = 0


class Cause(Enum):
    """Why a job was enqueued."""

    DUE = "due"
    BUFFERED = "buffered"  #: due before, it waited for the job before it
    RUN = "run"  #: by hand
    BACKFILL = "backfill"  #: made up for on request


class Firing(msgspec.Struct, frozen=True, omit_defaults=True):
    """One job that was enqueued: for which due time, why, and when that was done."""

    due_unix_ms: int
    cause: Cause
    fired_unix_ms: int


class Backfill(msgspec.Struct, frozen=True, omit_defaults=True):
    """Due times to fire anew: those after `after_unix_ms` up to `until_unix_ms`.

    The steward moves `after_unix_ms` on as it goes.
    """

    after_unix_ms: int
    until_unix_ms: int
    by: str = ""


class Edit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One edit, as kept in the history.

    Attributes:
        what: "set", "pause", "resume", "remove", "undo".
        schedule: after it; None where it was removed.
        by: who did it.
        why: what they said about it.
        at_unix_ms: when, by their clock.
        restores: of an undo: the number of the version it brought back, 0 for "there is none".
    """

    what: str
    schedule: Schedule | None
    by: str = ""
    why: str = ""
    at_unix_ms: int = 0
    restores: int | None = None
