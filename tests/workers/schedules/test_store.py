"""Schedules as a console uses them: edits with a history, undo, running by hand, backfill."""

import asyncio

import msgspec
import pytest

from coord.errors import Misuse
from coord.testing.local import settle
from workers.app.app import App
from workers.model.job import Job
from workers.schedules.errors import (
    NotEnded,
    NothingToUndo,
    ScheduleChanged,
    StillFilling,
    UnknownSchedule,
)
from workers.schedules.making import schedule_for
from workers.schedules.store import ScheduleStore
from workers.schedules.values import Cause, Cron, Every, Once, Overlap, Schedule
from workers.schedules.zones import iso
from workers.testing.schedule_world import START_UNIX_MS, ScheduleWorld, in_world

REPORT = Schedule("report", Job("send", {"to": "ann"}), Cron("0 7 * * MON-FRI", "Europe/Berlin"))


def _with(**changes: object) -> Schedule:
    return msgspec.structs.replace(REPORT, **changes)


@in_world
async def test_what_is_set_can_be_read_with_who_edited_it_and_why(world: ScheduleWorld) -> None:
    revision = await world.schedules.set(REPORT, by="ann", why="monday")
    found = await world.schedules.find("report")
    assert found.schedule.says_the_same(REPORT)
    assert found.revision == revision
    assert (found.schedule.edited_by, found.schedule.note) == ("ann", "monday")
    assert found.schedule.edited_unix_ms == START_UNIX_MS
    assert found.next_unix_ms is not None
    assert iso(found.next_unix_ms, "Europe/Berlin") == "2026-11-23T07:00:00+01:00"
    assert await world.schedules.list() == (found,)
    assert await world.schedules.get("other") is None


@in_world
async def test_setting_the_same_again_changes_nothing(world: ScheduleWorld) -> None:
    revision = await world.schedules.set(REPORT, by="ann")
    assert await world.schedules.set(REPORT, by="a program that starts") == revision
    assert len(await world.schedules.history("report")) == 1


@in_world
async def test_arguments_may_be_bytes(world: ScheduleWorld) -> None:
    schedule = _with(job=Job("send", {"raw": b"\xff", "deep": [{"x": b"\x00"}]}))
    await world.schedules.set(schedule)
    assert (await world.schedules.find("report")).schedule.job == schedule.job
    (version,) = await world.schedules.history("report")
    assert version.edit.schedule is not None
    assert version.edit.schedule.job == schedule.job


@in_world
async def test_an_edit_made_from_something_older_is_refused_and_says_where_it_is(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(REPORT, revision=0)
    read = await world.schedules.find("report")
    now = await world.schedules.set(_with(priority=9))
    with pytest.raises(ScheduleChanged) as raised:
        await world.schedules.set(_with(priority=1), revision=read.revision)
    assert raised.value.revision == now
    with pytest.raises(ScheduleChanged):
        await world.schedules.set(_with(priority=1), revision=0)
    assert (await world.schedules.find("report")).schedule.priority == 9
    assert len(await world.schedules.history("report")) == 2


@in_world
async def test_every_edit_is_kept_whole_with_who_when_and_why(world: ScheduleWorld) -> None:
    await world.schedules.set(REPORT, by="ann", why="wanted")
    await world.advance(1_000)
    await world.schedules.pause("report", by="bob", why="printer")
    await world.schedules.resume("report")
    await world.schedules.remove("report", by="eve")
    edits = [version.edit for version in await world.schedules.history("report")]
    assert [edit.what for edit in edits] == ["set", "pause", "resume", "remove"]
    assert [edit.by for edit in edits] == ["ann", "bob", "", "eve"]
    assert (edits[1].why, edits[1].at_unix_ms) == ("printer", START_UNIX_MS + 1_000)
    assert [edit.schedule.paused if edit.schedule else None for edit in edits] == [
        False, True, False, None,
    ]  # fmt: skip


@in_world
async def test_undo_goes_one_further_back_each_time_and_an_edit_begins_anew(
    world: ScheduleWorld,
) -> None:
    schedules = world.schedules
    for priority in (1, 2, 3):
        await schedules.set(_with(priority=priority))
    shown = []
    for _ in range(2):
        await schedules.undo("report")
        shown.append((await schedules.find("report")).schedule.priority)
    assert shown == [2, 1]
    await schedules.set(_with(priority=7))
    await schedules.undo("report")
    assert (await schedules.find("report")).schedule.priority == 1
    await schedules.undo("report", to=3)
    assert (await schedules.find("report")).schedule.priority == 3


@in_world
async def test_undo_beyond_the_first_version_removes_it_and_then_there_is_nothing_more(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(REPORT)
    await world.schedules.undo("report")
    assert await world.schedules.get("report") is None
    with pytest.raises(NothingToUndo):
        await world.schedules.undo("report")
    with pytest.raises(NothingToUndo, match="no version 9"):
        await world.schedules.undo("report", to=9)
    await world.schedules.undo("report", to=1)
    assert (await world.schedules.find("report")).schedule.says_the_same(REPORT)


@in_world
async def test_undo_brings_back_what_was_removed_and_nothing_it_missed(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(_with(rule=Every(60_000), overlap=Overlap.ALLOW))
    await world.steward()
    await world.schedules.remove("report")
    await world.advance(300_000)
    await world.schedules.undo("report", by="ann")
    await settle()
    assert await world.dues() == []
    await world.advance(60_000)
    assert len(await world.dues()) == 1


@in_world
async def test_what_was_never_there_cannot_be_edited_undone_or_run(world: ScheduleWorld) -> None:
    schedules = world.schedules
    for act in (schedules.pause, schedules.resume, schedules.remove, schedules.run, schedules.next):
        with pytest.raises(UnknownSchedule, match="'report'"):
            await act("report")
    with pytest.raises(NothingToUndo):
        await schedules.undo("report")
    with pytest.raises(UnknownSchedule):
        await schedules.backfill("report", 0, 1)
    assert await schedules.history("report") == ()


@in_world
async def test_forgetting_leaves_nothing(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(_with(rule=Every(60_000), overlap=Overlap.ALLOW))
    await world.advance(60_000)
    await world.schedules.pause("report")
    assert await world.schedules.forget("report") == 2
    left = await world.client.get(world.places.space.schedules, prefix=True)
    assert left.kvs == ()


@in_world
async def test_a_rule_that_is_never_due_is_refused(world: ScheduleWorld) -> None:
    for rule in (Once(START_UNIX_MS), Cron("* * */20 * 1L")):  # no last Monday is a 1st or 21st
        with pytest.raises(Misuse, match="never due"):
            await world.schedules.set(_with(rule=rule))
    await world.schedules.set(_with(rule=Once(START_UNIX_MS + 1)))
    await world.advance(1_000)
    await world.schedules.pause("report")  # edits of what is over are none of its rule


@in_world
async def test_the_next_due_times_are_told_also_of_a_paused_one(world: ScheduleWorld) -> None:
    await world.schedules.set(REPORT)
    await world.schedules.pause("report")
    times = [iso(due, "Europe/Berlin")[:16] for due in await world.schedules.next("report", 3)]
    assert times == ["2026-11-23T07:00", "2026-11-24T07:00", "2026-11-25T07:00"]


@in_world
async def test_run_now_enqueues_at_once_without_a_steward_and_moves_no_due_time(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(REPORT)
    before = await world.schedules.find("report")
    job_id = await world.schedules.run("report")
    found = await world.jobs.find(job_id)
    assert found is not None
    assert found.job is not None
    assert found.job.args == {"to": "ann"}
    (fired,) = await world.schedules.firings("report")
    assert (fired.job_id, fired.firing.cause) == (job_id, Cause.RUN)
    after = await world.schedules.find("report")
    assert after.next_unix_ms == before.next_unix_ms
    assert await world.schedules.standing("report") == job_id


@in_world
async def test_run_now_does_not_overlap_unless_told_to(world: ScheduleWorld) -> None:
    await world.schedules.set(REPORT)
    first = await world.schedules.run("report")
    with pytest.raises(NotEnded, match="has not ended") as raised:
        await world.schedules.run("report")
    assert raised.value.job_id == first
    await world.schedules.run("report", overlap=True)
    await world.complete()
    await world.schedules.run("report")
    assert len(await world.waiting()) == 2


@in_world
async def test_a_backfill_says_how_many_and_refuses_a_second_one_meanwhile(
    world: ScheduleWorld,
) -> None:
    await world.schedules.set(_with(rule=Every(3_600_000)))
    day_ms = 24 * 3_600_000
    assert await world.schedules.backfill("report", START_UNIX_MS - day_ms, START_UNIX_MS) == 24
    with pytest.raises(StillFilling):
        await world.schedules.backfill("report", START_UNIX_MS - day_ms, START_UNIX_MS)
    await world.steward()
    await settle()
    assert len(await world.dues()) == 24
    assert await world.schedules.backfill("report", START_UNIX_MS - 1_000, START_UNIX_MS) == 0


@pytest.mark.parametrize(
    ("after", "until"),
    [(5, 5), (6, 5), (-1, 5), (5, START_UNIX_MS + 1), (0, START_UNIX_MS)],
)
def test_a_backfill_of_nothing_of_the_future_or_of_too_much_is_refused(
    after: int, until: int
) -> None:
    @in_world
    async def try_it(world: ScheduleWorld) -> None:
        await world.schedules.set(_with(rule=Every(60_000)))
        with pytest.raises(Misuse, match="backfill"):
            await world.schedules.backfill("report", after, until)

    try_it()


@in_world
async def test_changes_tell_what_is_there_and_then_each_edit(world: ScheduleWorld) -> None:
    await world.schedules.set(REPORT)
    changes = world.schedules.changes()
    name, schedule = await anext(changes)
    assert (name, schedule and schedule.priority) == ("report", 4)
    await world.schedules.set(_with(priority=8))
    await world.schedules.remove("report")
    name, schedule = await anext(changes)
    assert (name, schedule and schedule.priority) == ("report", 8)
    assert await anext(changes) == ("report", None)
    await changes.aclose()


@in_world
async def test_new_firings_are_told_as_they_happen(world: ScheduleWorld) -> None:
    await world.steward()
    await world.schedules.set(_with(rule=Every(60_000), overlap=Overlap.ALLOW))
    await world.advance(60_000)
    firings = world.schedules.new_firings("report")
    telling = asyncio.ensure_future(anext(firings))
    await settle()
    assert not telling.done()
    await world.advance(60_000)
    fired = await telling
    assert (fired.number, fired.firing.cause) == (2, Cause.DUE)
    await firings.aclose()


@in_world
async def test_two_edits_at_once_are_both_made_one_after_the_other(world: ScheduleWorld) -> None:
    await world.schedules.set(REPORT)
    slow = world.faulty_client()
    slow.hold_up()
    other = ScheduleStore(slow, world.places.space, world.timer)
    pausing = asyncio.create_task(other.pause("report", by="slow"))
    await settle()
    await world.schedules.set(_with(priority=8), by="fast")
    slow.go_on()
    await pausing
    schedule = (await world.schedules.find("report")).schedule
    assert (schedule.paused, schedule.priority) == (True, 8)
    assert [v.edit.by for v in await world.schedules.history("report")] == ["", "fast", "slow"]


def test_a_schedule_made_from_a_call_has_its_options() -> None:
    app = App()

    @app.job(queue="mail", priority=7, expires_after_ms=5_000, tags=("t",), attempts_max=2)
    def send(to: str) -> None:
        """Do nothing."""

    made = schedule_for("s", Every(1_000), send.call(to="ann").new_job(0), jitter_ms=10)
    assert (made.queue, made.priority, made.expires_ms, made.jitter_ms) == ("mail", 7, 5_000, 10)
    assert (made.job.args, made.job.tags, made.job.attempts_max) == ({"to": "ann"}, ("t",), 2)
    assert (made.job.created_unix_ms, made.job.expires_unix_ms) == (0, 0)
