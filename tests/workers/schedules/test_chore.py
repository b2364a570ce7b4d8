"""The chore of schedules: what is due is enqueued, once, as the policies say."""

import msgspec
import pytest

from coord.client import ops
from coord.errors import MaybeDone
from coord.testing.local import settle
from recipes.errors import NotLeader
from workers.model.job import Job
from workers.model.states import State
from workers.schedules.values import (
    CatchUp,
    Cause,
    Cron,
    Every,
    Once,
    Overlap,
    Schedule,
)
from workers.schedules.zones import parse_time
from workers.steps.enqueue import queue_limit
from workers.testing.faulty_client import Fault
from workers.testing.office import new_term
from workers.testing.schedule_world import PLACES, START_UNIX_MS, ScheduleWorld, due_of, in_world
from workers.testing.skewed_timer import SkewedTimer

MINUTELY = Schedule("s", Job("f", {"n": 1}), Cron("* * * * *"), overlap=Overlap.ALLOW)
MINUTE_MS = 60_000


async def _state(world: ScheduleWorld, name: str = "s") -> tuple[int, int, int]:
    """Return how many due times were fired, skipped and missed."""
    state = (await world.schedules.find(name)).state
    return state.firings, state.skipped, state.missed


def _with(**changes: object) -> Schedule:
    return msgspec.structs.replace(MINUTELY, **changes)


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
    assert await _state(world) == (3, 0, 0)


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
    await world.schedules.set(_with(rule=Cron("0 3 * * *")))
    await world.advance(2 * MINUTE_MS)
    assert await world.dues() == []
    await world.schedules.set(_with(rule=Every(1_000), job=Job("g")))
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
    await world.schedules.set(_with(rule=Once(START_UNIX_MS + 5_000)))
    await world.advance(3_600_000, MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:00:35Z"]
    assert (await world.schedules.find("s")).next_unix_ms is None


@in_world
async def test_jitter_delays_a_firing_but_not_its_due_time(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(_with(jitter_ms=30_000))
    fires = (await world.schedules.find("s")).next_unix_ms
    assert fires is not None
    assert parse_time("2026-11-22T10:01") < fires <= parse_time("2026-11-22T10:01:30")
    await world.advance(fires - world.timer.now_unix_ms() - 1)
    assert await world.dues() == []
    await world.advance(1)
    assert await world.dues() == ["2026-11-22T10:01:00Z"]


# --- overlap ------------------------------------------------------------------------------------


@in_world
async def test_skip_passes_over_due_times_until_the_job_before_has_ended(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    await world.schedules.set(_with(overlap=Overlap.SKIP))
    await world.advance(3 * MINUTE_MS, MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:01:00Z"]
    held = await world.hold()
    await world.advance(MINUTE_MS)
    assert await world.dues() == []
    assert await _state(world) == (1, 3, 0)
    await world.end(held)
    await world.advance(MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:05:00Z"]


@in_world
async def test_queue_keeps_one_due_time_until_the_job_before_has_ended(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    await world.schedules.set(_with(overlap=Overlap.QUEUE))
    await world.advance(4 * MINUTE_MS, MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:01:00Z"]
    assert await _state(world) == (1, 2, 0)
    await world.complete()
    assert await world.dues() == ["2026-11-22T10:02:00Z"]
    causes = [fired.firing.cause for fired in await world.schedules.firings("s")]
    assert causes == [Cause.DUE, Cause.BUFFERED]


@in_world
async def test_cancel_old_ends_a_job_that_waits_and_enqueues_the_next_at_once(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    await world.schedules.set(_with(overlap=Overlap.CANCEL_OLD))
    await world.advance(MINUTE_MS)
    old = (await world.schedules.firings("s"))[0].job_id
    await world.advance(MINUTE_MS)
    assert await world.dues() == ["2026-11-22T10:02:00Z"]
    found = await world.jobs.find(old)
    assert found is not None
    assert found.ending is not None
    assert (found.state, found.ending.cause) == (State.CANCELLED, "the next one is due")


@in_world
async def test_cancel_old_asks_a_job_that_runs_once_and_waits_for_its_end(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    await world.schedules.set(_with(overlap=Overlap.CANCEL_OLD))
    await world.advance(MINUTE_MS)
    held = await world.hold()
    await world.advance(2 * MINUTE_MS, MINUTE_MS)
    asked = (await world.client.get(PLACES.cancel(held))).kvs[0]
    assert (asked.value, asked.version) == (b"the next one is due", 1)
    assert await world.dues() == []
    await world.end(held)
    assert await world.dues() == ["2026-11-22T10:03:00Z"]
    assert await _state(world) == (2, 1, 0)


@in_world
async def test_a_job_that_ended_while_nobody_was_steward_lets_the_next_one_go(
    world: ScheduleWorld,
) -> None:
    steward = await world.steward()
    await world.schedules.set(_with(overlap=Overlap.QUEUE))
    await world.advance(2 * MINUTE_MS, MINUTE_MS)
    await world.kill(steward)
    await world.complete()
    await world.steward()
    assert await world.dues() == ["2026-11-22T10:02:00Z"]


# --- what nobody fired in time ------------------------------------------------------------------


@in_world
async def test_due_times_missed_within_the_window_are_all_made_up_for(world: ScheduleWorld) -> None:
    await world.schedules.set(_with(catch_up_ms=10 * MINUTE_MS))
    await world.advance_to("2026-11-22T10:05:00")
    await world.steward()
    assert await world.dues() == [f"2026-11-22T10:0{n}:00Z" for n in range(1, 6)]


@in_world
async def test_older_ones_are_counted_as_missed(world: ScheduleWorld) -> None:
    await world.schedules.set(_with(catch_up_ms=2 * MINUTE_MS))
    await world.advance_to("2026-11-22T10:20:30")
    await world.steward()
    assert await world.dues() == ["2026-11-22T10:19:00Z", "2026-11-22T10:20:00Z"]
    assert await _state(world) == (2, 0, 18)


@in_world
async def test_latest_makes_up_for_the_newest_only(world: ScheduleWorld) -> None:
    await world.schedules.set(_with(catch_up=CatchUp.LATEST, rule=Every(1_000)))
    await world.advance(200_000)
    await world.steward()
    assert await world.dues() == ["2026-11-22T10:03:50Z"]
    assert await _state(world) == (1, 0, 199)


@in_world
async def test_many_missed_ones_are_made_up_for_in_order_without_a_gap(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(_with(rule=Every(1_000)))
    await world.advance(150_000)
    await world.steward()
    await settle()
    dues = await world.dues()
    assert (len(dues), dues) == (150, sorted(set(dues)))
    assert await _state(world) == (150, 0, 0)


@in_world
async def test_with_skip_a_job_made_up_for_stands_in_the_way_of_the_others(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(_with(overlap=Overlap.SKIP))
    await world.advance_to("2026-11-22T10:05:00")
    await world.steward()
    assert await world.dues() == ["2026-11-22T10:01:00Z"]
    assert await _state(world) == (1, 4, 0)


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
    assert await _state(world) == (1, 0, 0)


@in_world
async def test_a_backfill_enqueues_each_due_time_of_its_span_once_even_while_paused(
    world: ScheduleWorld,
) -> None:
    await world.steward()
    await world.schedules.set(_with(overlap=Overlap.SKIP))
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


# --- stewards that are replaced, and answers that are lost --------------------------------------


@in_world
async def test_a_steward_that_was_replaced_fires_nothing(world: ScheduleWorld) -> None:
    await world.schedules.set(MINUTELY)
    stale = await world.steward()
    current = await world.steward()
    await world.advance(MINUTE_MS)
    assert len(await world.dues()) == 1
    assert stale.done()
    assert not current.done()
    with pytest.raises(NotLeader):
        stale.result()
    world.forget(stale)


@in_world
async def test_a_due_time_read_by_one_steward_and_fired_by_the_next_is_fired_once(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(MINUTELY)
    halted = world.faulty_client()
    first = await world.steward(halted)
    halted.hold_up()
    await world.advance(MINUTE_MS)  # it has read and decided; its write is on the way
    assert halted.held_up == 1
    await world.steward()
    assert len(await world.dues()) == 1
    halted.go_on()
    await settle()
    assert len(await world.dues()) == 1
    assert isinstance(first.exception(), NotLeader)
    world.forget(first)


@in_world
async def test_two_stewards_in_office_at_once_would_still_fire_once(world: ScheduleWorld) -> None:
    # The guard of the office is not what keeps a due time from being fired twice.
    await world.schedules.set(MINUTELY)
    term = await new_term(world.client, PLACES)
    await world.steward(term=term)
    await world.steward(term=term)
    await world.advance(3 * MINUTE_MS, MINUTE_MS)
    assert await world.dues() == [f"2026-11-22T10:0{n}:00Z" for n in (1, 2, 3)]


@in_world
async def test_a_step_refused_since_the_schedule_was_edited_is_decided_anew(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(MINUTELY)
    halted = world.faulty_client()
    await world.steward(halted)
    halted.hold_up()
    await world.advance(MINUTE_MS)
    await world.schedules.set(_with(job=Job("g")))
    halted.go_on()
    await settle()
    await world.advance(100)
    assert [(job.name, due_of(job)) for job in await world.waiting()] == [
        ("g", "2026-11-22T10:01:00Z")
    ]


@in_world
async def test_a_due_time_does_not_give_way_to_a_job_that_has_just_ended(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(_with(overlap=Overlap.SKIP))
    halted = world.faulty_client()
    await world.steward(halted)
    await world.advance(MINUTE_MS)
    halted.hold_up()
    await world.advance(MINUTE_MS)  # it has decided to pass 10:02 over
    await world.complete()
    halted.go_on()
    await settle()
    await world.advance(100)
    assert await world.dues() == ["2026-11-22T10:02:00Z"]


@in_world
async def test_a_schedule_taken_away_by_hand_fires_nothing_more(world: ScheduleWorld) -> None:
    await world.schedules.set(MINUTELY)
    halted = world.faulty_client()
    await world.steward(halted)
    halted.hold_up()
    await world.advance(MINUTE_MS)
    await world.client.delete(world.places.spec("s"))
    halted.go_on()
    await settle()
    await world.advance(5_000, 100)
    assert await world.dues() == []


@in_world
async def test_a_clock_set_back_fires_nothing_twice(world: ScheduleWorld) -> None:
    clock = SkewedTimer(world.timer)
    await world.steward(timer=clock)
    await world.schedules.set(MINUTELY)
    await world.advance(2 * MINUTE_MS, MINUTE_MS)
    clock.ahead_ms = -90_000
    await world.advance(2 * MINUTE_MS, 10_000)
    assert await world.dues() == [f"2026-11-22T10:0{n}:00Z" for n in (1, 2, 3)]


@in_world
async def test_what_a_clock_too_far_ahead_fired_early_is_not_fired_again(
    world: ScheduleWorld,
) -> None:
    fast = await world.steward(timer=SkewedTimer(world.timer, 5 * MINUTE_MS))
    await world.schedules.set(MINUTELY)
    await settle()
    assert len(await world.dues()) == 5
    await world.kill(fast)
    await world.steward()
    await world.advance(6 * MINUTE_MS, MINUTE_MS)
    assert await world.dues() == [f"2026-11-22T10:0{n}:00Z" for n in range(1, 7)]


@in_world
async def test_an_edit_by_a_slow_clock_does_not_make_due_again_what_a_fast_one_fired(
    world: ScheduleWorld,
) -> None:
    await world.steward(timer=SkewedTimer(world.timer, 5 * MINUTE_MS))
    await world.schedules.set(MINUTELY)
    await settle()
    assert len(await world.dues()) == 5
    await world.schedules.pause("s")
    await world.schedules.resume("s")
    await settle()
    assert len(await world.dues()) == 5


@in_world
async def test_a_queue_put_under_a_limit_parks_the_jobs(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(MINUTELY)
    await world.client.put(PLACES.queue("default").limit, queue_limit("default"))
    await world.advance(MINUTE_MS)
    (found,) = (await world.jobs.list("default", State.PARKED)).jobs
    assert found.job is not None
    assert found.job.limits == (queue_limit("default"),)


@in_world
async def test_what_is_no_schedule_is_left_alone_and_disturbs_nobody(world: ScheduleWorld) -> None:
    await world.steward()
    await world.client.put(world.places.spec("bad"), b"{}")
    await world.client.put(world.places.spec("worse"), b"\xff")
    await world.schedules.set(MINUTELY)
    await world.advance(MINUTE_MS)
    assert len(await world.dues()) == 1
    await world.client.txn(success=[ops.delete(world.places.spec("bad"))])


@in_world
async def test_a_thousand_schedules_of_one_minute_are_fired_in_it(world: ScheduleWorld) -> None:
    for number in range(1_000):
        await world.schedules.set(
            Schedule(f"s{number}", Job("f"), Cron("* * * * *"), overlap=Overlap.ALLOW)
        )
    await world.steward()
    await settle(500)
    await world.advance(MINUTE_MS)
    await settle(500)
    assert len(await world.waiting()) == 1_000


@in_world
async def test_only_the_last_firings_are_kept(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(MINUTELY)
    await world.advance(14 * MINUTE_MS, MINUTE_MS)
    fired = await world.schedules.firings("s")
    assert [each.number for each in fired] == list(range(5, 15))
