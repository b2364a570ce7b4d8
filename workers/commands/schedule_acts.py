"""What `coord schedule` does with one schedule: pause, resume, run, backfill, remove, undo."""

import click

from coord.cli.output import Format, print_json, print_table, write_out
from workers.commands.confirming import YES, confirm
from workers.commands.schedule_store import signed, this_person, with_schedules
from workers.commands.schedule_text import zone_of
from workers.schedules.asking import count_to_fill
from workers.schedules.errors import UnknownSchedule
from workers.schedules.store import ScheduleStore
from workers.schedules.zones import parse_time

ASK_FROM = 100  # due times of a backfill


@click.command(name="pause")
@click.argument("name")
@signed
@write_out()
@with_schedules
async def pause(store: ScheduleStore, form: Format, name: str, by: str, why: str) -> None:
    """Let nothing of a schedule fall due until it is resumed. Jobs enqueued before go on.

    \b
    Example:
        coord schedule pause report --why "the printer is broken"
    """
    _done(form, name, await store.pause(name, by=by, why=why), "paused")


@click.command(name="resume")
@click.argument("name")
@signed
@write_out()
@with_schedules
async def resume(store: ScheduleStore, form: Format, name: str, by: str, why: str) -> None:
    """Let a paused schedule go on; what would have been due meanwhile is passed over.

    \b
    Example:
        coord schedule resume report
        coord schedule backfill report --from 2026-11-20 --to 2026-11-22
    """
    _done(form, name, await store.resume(name, by=by, why=why), "resumed")


@click.command(name="run")
@click.argument("name")
@click.option("--overlap", is_flag=True, help="Even if the job before has not ended.")
@write_out()
@with_schedules
async def run(store: ScheduleStore, form: Format, name: str, overlap: bool) -> None:
    """Enqueue the job of a schedule now, paused or not, and print its id.

    Ends with 1 while its job before has not ended, unless --overlap is given. Its due times stay
    as they are.

    \b
    Example:
        coord job wait "$(coord schedule run report)"
    """
    job_id = await store.run(name, overlap=overlap)
    if form is Format.JSON:
        print_json({"name": name, "job": str(job_id)})
    elif form is Format.TABLE:
        print_table(("name", "job"), [(name, str(job_id))])
    else:
        click.echo(str(job_id))


@click.command(name="backfill")
@click.argument("name")
@click.option("--from", "after", metavar="TIME", required=True, help="Due times from here on,")
@click.option("--to", "until", metavar="TIME", help="and up to here. Default: now.")
@YES
@write_out()
@with_schedules
async def backfill(
    store: ScheduleStore, form: Format, name: str, after: str, until: str | None, yes: bool
) -> None:
    """Have the job of a schedule enqueued for each due time of a span, fired before or not.

    Times without an offset are those of the schedule's zone. They may overlap each other. The
    steward enqueues them, each once; more than a hundred are asked about first.

    \b
    Example:
        coord schedule backfill report --from 2026-11-20 --to 2026-11-22T12:00
    """
    listed = await store.find(name)
    zone = zone_of(listed.schedule.rule)
    first_unix_ms = max(0, parse_time(after, zone) - 1)
    last_unix_ms = parse_time(until, zone) if until else store.timer.now_unix_ms()
    count = count_to_fill(listed.schedule.rule, first_unix_ms, last_unix_ms)
    if count > ASK_FROM:
        confirm(f"enqueue {count} jobs of {name}", yes)
    count = await store.backfill(name, first_unix_ms, last_unix_ms, by=this_person())
    if form is Format.JSON:
        print_json({"name": name, "jobs": count})
    elif form is Format.TABLE:
        print_table(("name", "jobs"), [(name, count)])
    else:
        click.echo(f"{name}: {count} jobs asked for")


@click.command(name="remove")
@click.argument("name")
@click.option("--forget", is_flag=True, help="Its history and counters, too: no undo.")
@YES
@signed
@write_out()
@with_schedules
async def remove(
    store: ScheduleStore, form: Format, name: str, forget: bool, yes: bool, by: str, why: str
) -> None:
    """Remove a schedule. Its history stays, and `undo` brings it back; jobs enqueued before go on.

    \b
    Example:
        coord schedule remove report --why "nobody reads it"
        coord schedule remove report --forget --yes
    """
    if not forget:
        _done(form, name, await store.remove(name, by=by, why=why), "removed")
        return
    edits = len(await store.history(name))
    if not edits and await store.get(name) is None:
        raise UnknownSchedule(name)
    confirm(f"forget schedule {name} and its {edits} edits", yes)
    count = await store.forget(name)
    if form is Format.JSON:
        print_json({"name": name, "edits": count})
    elif form is Format.TABLE:
        print_table(("name", "edits"), [(name, count)])
    else:
        click.echo(f"{name} forgotten, {count} edits")


@click.command(name="undo")
@click.argument("name")
@click.option(
    "--to", type=click.IntRange(0), help="The number of the version; 0 for before the first."
)
@signed
@write_out()
@with_schedules
async def undo(
    store: ScheduleStore, form: Format, name: str, to: int | None, by: str, why: str
) -> None:
    """Bring back the version before, as a new edit; right after an undo, the one before that.

    \b
    Example:
        coord schedule undo report
        coord schedule undo report --to 3
    """
    _done(form, name, await store.undo(name, to=to, by=by, why=why), "undone")


def _done(form: Format, name: str, revision: int, what: str) -> None:
    if form is Format.JSON:
        print_json({"name": name, "revision": revision})
    elif form is Format.TABLE:
        print_table(("name", "what", "revision"), [(name, what, revision)])
    else:
        click.echo(f"{name} {what}")
