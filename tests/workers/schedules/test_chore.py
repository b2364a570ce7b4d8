"""The chore of schedules: what is due is enqueued, once, as the policies say."""

from coord.errors import MaybeDone
from coord.testing.local import settle
from workers.model.job import Job
from workers.model.states import State
from workers.schedules.values import (
    Cause,
    Cron,
    Every,
    Once,
    Overlap,
    Schedule,
)
from workers.schedules.zones import parse_time
from workers.testing.faulty_client import Fault
from workers.testing.schedule_world import (
    MINUTE_MS,
    MINUTELY,
    PLACES,
    START_UNIX_MS,
    ScheduleWorld,
    in_world,
    minutely,
)


@in_world
async def test_each_due_time_is_fired_when_it_comes_and_never_before(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(MINUTELY)
    await world.advance_to("2026-11-22T10:00:59.999")
    assert await world.dues() == []
    await world.advance(1)
    assert await world.dues() == ["2026-11-22T10:01:00Z"]
    await world.advance_to("2026-11-22T10:03:00")
    assert await world.dues() == [f"2026-11-22T10:0{n}:00Z" for n in (1, 2, 3)]
    assert await world.tally() == (3, 0, 0)


@in_world
async def test_a_job_is_what_the_schedule_says_with_its_due_time_as_a_tag(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    job = Job("f", {"n": 1, "raw": b"\xff"}, tags=("t",), attempts_max=2, limits=("mail",))
    await world.schedules.set(
        Schedule("s", job, Cron("* * * * *"), queue="q", priority=9, expires_ms=5_000)
    )
    await world.advance(MINUTE_MS)
    (kv,) = (await world.client.get(PLACES.queue("q").parked, prefix=True)).kvs
    found = (await world.jobs.list("q", State.PARKED)).jobs[0]
    assert kv.key.endswith(found.id.item.encode())
    enqueued = found.job
    assert enqueued is not None
    now = world.timer.now_unix_ms()
    assert enqueued.args == job.args
    assert enqueued.tags == ("t", "schedule:s", "due:2026-11-22T10:01:00Z")
    assert (enqueued.attempts_max, enqueued.limits, found.id.priority) == (2, ("mail",), 9)
    assert (enqueued.created_unix_ms, enqueued.expires_unix_ms) == (now, now + 5_000)
    (fired,) = await world.schedules.firings("s")
    assert (fired.job_id, fired.number, fired.firing.cause) == (found.id, 1, Cause.DUE)


@in_world
async def test_an_edit_acts_at_once(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(minutely(rule=Cron("0 3 * * *")))
    await world.advance(2 * MINUTE_MS)
    assert await world.dues() == []
    await world.schedules.set(minutely(rule=Every(1_000), job=Job("g")))
    await settle()
    await world.advance(1_000)
    assert [job.name for job in await world.waiting()] == ["g"]
    await world.schedules.remove("s")
    await settle()
    await world.advance(5_000, 1_000)
    assert len(await world.waiting()) == 1


@in_world
async def test_a_schedule_that_was_there_before_the_steward_is_fired(world: ScheduleWorld) -> None:
    await world.schedules.set(MINUTELY)
    await world.steward()
    await world.advance(MINUTE_MS)
    assert len(await world.dues()) == 1


@in_world
async def test_a_one_off_is_fired_once_and_stays_to_be_looked_at(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(minutely(rule=Once(START_UNIX_MS + 5_000)))
    await world.advance(3_600_000, MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:00:35Z"]
    assert (await world.schedules.find("s")).next_unix_ms is None


@in_world
async def test_jitter_delays_a_firing_but_not_its_due_time(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(minutely(jitter_ms=30_000))
    fires = (await world.schedules.find("s")).next_unix_ms
    assert fires is not None
    assert parse_time("2026-11-22T10:01") < fires <= parse_time("2026-11-22T10:01:30")
    await world.advance(fires - world.timer.now_unix_ms() - 1)
    assert await world.dues() == []
    await world.advance(1)
    assert await world.dues() == ["2026-11-22T10:01:00Z"]


# --- pausing, running by hand, backfill ---------------------------------------------------------


@in_world
async def test_what_would_have_been_due_during_a_pause_never_is(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(MINUTELY)
    await world.schedules.pause("s")
    await world.advance(5 * MINUTE_MS, MINUTE_MS)
    await world.schedules.resume("s")
    await world.advance(MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:06:00Z"]
    assert await world.tally() == (1, 0, 0)


@in_world
async def test_a_backfill_enqueues_each_due_time_of_its_span_once_even_while_paused(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    await world.schedules.set(minutely(overlap=Overlap.SKIP))
    await world.schedules.pause("s")
    since = parse_time("2026-11-22T08:00") - 1
    count = await world.schedules.backfill("s", since, parse_time("2026-11-22T10:00"))
    await settle()
    dues = await world.dues()
    assert (count, len(dues), len(set(dues))) == (121, 121, 121)
    assert (dues[0], dues[-1]) == ("2026-11-22T08:00:00Z", "2026-11-22T10:00:00Z")
    assert (await world.client.get(world.places.backfills, prefix=True)).count == 0


@in_world
async def test_a_backfill_is_finished_by_the_next_steward(world: ScheduleWorld) -> None:
    await world.schedules.set(MINUTELY)
    await world.schedules.backfill("s", START_UNIX_MS - 100 * MINUTE_MS, START_UNIX_MS)
    client = world.faulty_client()
    client.faults[2] = Fault.LOSE_ANSWER
    first = await world.steward(client)
    assert isinstance(first.exception(), MaybeDone)  # its second step was taken, it was not told
    taken = len(await world.dues())
    assert 0 < taken < 100
    world.forget(first)
    await world.steward()
    dues = await world.dues()
    assert (len(dues), len(set(dues))) == (100, 100)
