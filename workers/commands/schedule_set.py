"""`coord schedule set`: make a schedule, or change one."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import click

from coord.cli.output import Format, print_json, print_table, write_out
from workers.commands.application import app_option
from workers.commands.plain import plain
from workers.commands.schedule_options import Said, schedule_options
from workers.commands.schedule_store import signed, with_schedules
from workers.commands.schedule_text import COLUMNS, as_json, line, row, zone_of
from workers.schedules.checks import check_schedule
from workers.schedules.due import dues
from workers.schedules.store import ScheduleStore
from workers.schedules.values import Schedule
from workers.schedules.zones import iso
from workers.timer import WallTimer

SHOWN = 5


@click.command(name="set")
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@schedule_options
@app_option(required=False)
@click.option("--dry-run", is_flag=True, help="Print the next due times, and change nothing.")
@signed
@write_out()
@with_schedules
async def set_(
    store: ScheduleStore,
    form: Format,
    name: str,
    arguments: Sequence[str],
    app: str | None,
    dry_run: bool,
    by: str,
    why: str,
    **options: Any,
) -> None:
    """Make the schedule NAME, or change of it what is said here; it acts at once.

    What is not said stays as it is. NAME=VALUE are the arguments of its job, all of them; a value
    is taken as JSON if it is any, else as text. With -A they are checked and read as the function
    is annotated.

    \b
    Example:
        coord schedule set report --cron '0 7 * * MON-FRI' --zone Europe/Berlin --job send to=ann
        coord schedule set report --zone America/New_York --why "moved office"
        coord schedule set sweep --every 30 --job sweep --overlap skip --jitter 5
    """
    found = await store.get(name)
    schedule = Said(name, app, arguments, options).schedule(found.schedule if found else None)
    if dry_run:
        check_schedule(schedule)
        _print_dry(schedule, form)
        return
    await store.set(schedule, by=by, why=why, revision=found.revision if found else 0)
    listed = await store.get(name)
    assert listed is not None
    if form is Format.JSON:
        print_json(as_json(listed))
    elif form is Format.TABLE:
        print_table(COLUMNS, [row(listed)])
    else:
        click.echo(line(listed))


def _print_dry(schedule: Schedule, form: Format) -> None:
    times = list(islice(dues(schedule.rule, WallTimer().now_unix_ms(), 2**63), SHOWN))
    if form is Format.JSON:
        print_json({**plain(schedule), "dues_unix_ms": times})
        return
    for due in times:
        click.echo(iso(due, zone_of(schedule.rule)))
