"""`coord schedule`: what runs when; looked at, made, changed, undone."""

import click

from coord.cli.output import Format, print_json, print_table, write_out
from workers.commands.redrawing import shown, watch_option
from workers.commands.schedule_acts import backfill, pause, remove, resume, run, undo
from workers.commands.schedule_set import set_
from workers.commands.schedule_store import with_schedules
from workers.commands.schedule_text import (
    COLUMNS,
    as_json,
    line,
    lines,
    row,
    version_json,
    version_line,
    zone_of,
)
from workers.schedules.errors import UnknownSchedule
from workers.schedules.store import ScheduleStore
from workers.schedules.values import Schedule
from workers.schedules.zones import iso


@click.group(name="schedule")
def schedule() -> None:
    """Run jobs at times: cron lines, intervals, one-offs, changed while they run.

    \b
    Example:
        coord schedule set report --cron '0 7 * * MON-FRI' --zone Europe/Berlin --job send to=ann
        coord schedule list
        coord schedule undo report
    """


for _each in (set_, pause, resume, run, backfill, remove, undo):
    schedule.add_command(_each)


@schedule.command(name="list")
@watch_option
@write_out()
@with_schedules
async def list_(store: ScheduleStore, form: Format, watch: bool) -> None:
    """List all schedules: name, job, rule, and when each fires next.

    \b
    Example:
        coord schedule list
        coord schedule list --watch -w table
    """

    async def show_all() -> None:
        found = await store.list()
        if form is Format.JSON:
            print_json([as_json(each) for each in found])
        elif form is Format.TABLE:
            print_table(COLUMNS, map(row, found))
        else:
            for each in found:
                click.echo(line(each))

    await shown(store.client, store.places.space.schedules, show_all, watch=watch)


@schedule.command(name="show")
@click.argument("name")
@write_out()
@with_schedules
async def show(store: ScheduleStore, form: Format, name: str) -> None:
    """Print everything known of a schedule, with the last jobs it enqueued.

    \b
    Example:
        coord schedule show report
    """
    listed = await store.find(name)
    fired, standing = await store.firings(name), await store.standing(name)
    if form is Format.JSON:
        print_json(as_json(listed, fired, standing))
    elif form is Format.TABLE:
        print_table(COLUMNS, [row(listed)])
    else:
        for each in lines(listed, fired, standing):
            click.echo(each)


@schedule.command(name="next")
@click.argument("name")
@click.option(
    "-n", "--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many."
)
@write_out()
@with_schedules
async def next_(store: ScheduleStore, form: Format, name: str, count: int) -> None:
    """Print the next due times of a schedule, as if it were not paused.

    \b
    Example:
        coord schedule next report
        coord schedule next report -n 20 -w json
    """
    listed = await store.find(name)
    times = await store.next(name, count)
    zone = zone_of(listed.schedule.rule)
    if form is Format.JSON:
        print_json([{"due_unix_ms": due, "due": iso(due, zone)} for due in times])
    elif form is Format.TABLE:
        print_table(("due", "due (UTC)"), [(iso(due, zone), iso(due)) for due in times])
    else:
        for due in times:
            click.echo(iso(due, zone))


@schedule.command(name="history")
@click.argument("name")
@write_out()
@with_schedules
async def history(store: ScheduleStore, form: Format, name: str) -> None:
    """Print every edit of a schedule, the oldest first: who, when, why, and what it changed.

    Ends with 1 where it never was there.

    \b
    Example:
        coord schedule history report
        coord schedule undo report --to 3
    """
    versions = await store.history(name)
    if not versions:
        raise UnknownSchedule(name)
    if form is Format.JSON:
        print_json([version_json(version) for version in versions])
        return
    before: Schedule | None = None
    texts = []
    for version in versions:
        texts.append(version_line(version, before))
        before = version.edit.schedule
    if form is Format.TABLE:
        print_table(("number", "edit"), [text.split("  ", 1) for text in texts])
    else:
        for text in texts:
            click.echo(text)
