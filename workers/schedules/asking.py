"""Firing on request: the job of a schedule now, or for due times of the past."""

from attrs import evolve

from coord.client import ops
from coord.errors import ErrorCode, error_from
from coord.requests import PutReply, RangeReply
from recipes.errors import Contended
from recipes.port import only
from workers.model.checks import UNIX_MS_MAX, check_whole
from workers.model.ids import JobId
from workers.model.names import check_name
from workers.schedules.codec import encode
from workers.schedules.due import dues
from workers.schedules.editing import TRIES_MAX, Desk
from workers.schedules.errors import NotEnded, StillFilling, UnknownSchedule
from workers.schedules.firing import Known, run_now
from workers.schedules.reading import read_schedule, standing_job
from workers.schedules.values import Backfill, Rule, State

BACKFILL_MAX = 10_000  # due times in one request


async def known_schedule(desk: Desk, name: str) -> Known:
    """Return a schedule with its state, a new one where it has none yet.

    Raises:
        UnknownSchedule: there is none of this name.
    """
    check_name("schedule", name)
    known = await read_schedule(desk.client, desk.places, name)
    if known is None:
        raise UnknownSchedule(name)
    if known.state is None:
        known = evolve(known, state=State(settled_unix_ms=desk.timer.now_unix_ms()))
    return known


async def run(desk: Desk, name: str, *, overlap: bool) -> JobId:
    """Enqueue the job of a schedule; see `ScheduleStore.run`."""
    prefix = desk.places.standing(name)
    for _ in range(TRIES_MAX):
        known = await known_schedule(desk, name)
        move = run_now(desk.places, known, desk.timer.now_unix_ms(), overlap=overlap)
        look = ops.get(prefix, prefix=True, limit=1)
        reply = await desk.client.txn(move.compare, move.ops, [look])
        answer = reply.replies[0]
        if isinstance(answer, PutReply):
            return JobId(known.schedule.queue, answer.key.rpartition(b"/")[2].decode())
        assert isinstance(answer, RangeReply)
        standing = only(answer)
        job_id = None if standing is None else standing_job(desk.places, name, standing)
        if job_id is not None and not overlap:
            raise NotEnded(name, job_id)
    raise Contended


async def backfill(desk: Desk, name: str, after_unix_ms: int, until_unix_ms: int, by: str) -> int:
    """Ask for due times to be fired anew; see `ScheduleStore.backfill`."""
    now = desk.timer.now_unix_ms()
    check_whole("the beginning of a backfill, unix ms", after_unix_ms, 0, UNIX_MS_MAX)
    check_whole("the end of a backfill, unix ms", until_unix_ms, 0, UNIX_MS_MAX)
    if not 0 <= after_unix_ms < until_unix_ms <= now:
        detail = "the span of a backfill: it begins before it ends, and ends by now"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    key = desk.places.backfill(name)
    for _ in range(TRIES_MAX):
        known = await known_schedule(desk, name)
        if known.backfill is not None:
            raise StillFilling(f"the backfill before of schedule {name!r} has not ended")
        count = count_to_fill(known.schedule.rule, after_unix_ms, until_unix_ms)
        if not count:
            return 0
        unchanged = ops.modified(desk.places.spec(name), "==", known.revision)
        request = ops.put(key, encode(Backfill(after_unix_ms, until_unix_ms, by)))
        if (await desk.client.txn([unchanged, ops.missing(key)], [request])).succeeded:
            return count
    raise Contended


def count_to_fill(rule: Rule, after_unix_ms: int, until_unix_ms: int) -> int:
    """Return how many due times a span has.

    Raises:
        Misuse: more than may be filled at once.
    """
    count = 0
    for _ in dues(rule, after_unix_ms, until_unix_ms):
        count += 1
        if count > BACKFILL_MAX:
            detail = f"a backfill of more than {BACKFILL_MAX} due times; ask for less at a time"
            raise error_from(ErrorCode.INVALID_OPTION, detail)
    return count
