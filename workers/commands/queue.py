"""`coord queue`: queues of jobs as a whole: what they hold, holding them shut, clearing them.

The group also holds the commands for queues of plain items, which know nothing of jobs.
"""

from collections.abc import Sequence
from typing import Any

import click

from coord.cli.output import Format, print_json, print_table, write_out
from recipes.commands.queue_gating import gate
from recipes.commands.queue_items import items, put, take
from workers.commands.confirming import YES, confirm
from workers.commands.crowd import with_each
from workers.commands.job_store import JOB_ID, with_job_store
from workers.commands.job_text import job_json, when
from workers.commands.redrawing import shown, watch_option
from workers.model.causes import headline
from workers.model.ids import JobId
from workers.model.states import State
from workers.store.cancelling import WAITING
from workers.store.finding import find
from workers.store.jobs import LIST_JOBS, JobStore
from workers.store.queues import QueueView

COUNTED = (State.READY, State.HELD, State.LATER, State.PARKED, State.DEAD, State.DONE)
COLUMNS = ("queue", *(state.value for state in COUNTED), "limit", "shut by")
_PURGED = [state.value for state in State if state is not State.HELD]


@click.group(name="queue")
def queue() -> None:
    """Look at queues of jobs, pause and resume them, clear them, put dead jobs back.

    With put, take, items and gate: queues of plain items, which a shell can work through.

    \b
    Example:
        coord queue list --watch
        coord queue pause mail --reason "provider is down"
        coord queue put letters 'to: ann'
    """


for _command in (put, take, items, gate):
    queue.add_command(_command)


@queue.command(name="list")
@watch_option
@write_out(Format.TABLE)
@with_job_store
async def list_(store: JobStore, form: Format, watch: bool) -> None:
    """List all queues that hold anything: jobs by state, their limit, what holds them shut.

    "done" counts every ending that is kept, of cancelled and expired jobs too, but for the dead.

    \b
    Example:
        coord queue list
        coord queue list -w json
    """

    async def show_all() -> None:
        _print_views([await store.view(name) for name in await store.queues()], form)

    await shown(store.client, store.places.queues, show_all, watch=watch)


@queue.command(name="show")
@click.argument("name")
@watch_option
@write_out()
@with_job_store
async def show(store: JobStore, form: Format, name: str, watch: bool) -> None:
    """Print one queue: how many jobs are in which state, its limit, what holds it shut.

    \b
    Example:
        coord queue show mail --watch
    """

    async def show_one() -> None:
        view = await store.view(name)
        if form is not Format.SIMPLE:
            _print_views([view], form)
            return
        for state in COUNTED:
            click.echo(f"{state.value:9} {view.counts[state]}")
        if view.limit:
            click.echo(f"limit     {view.limit}")
        for why, said in sorted(view.shut.items()):
            click.echo(f"shut by   {why} {said}".rstrip())
        await _print_oldest(store, view)

    await shown(store.client, store.places.queue(name).prefix, show_one, watch=watch)


@queue.command(name="pause")
@click.argument("name")
@click.option("--reason", default="", help="Why, for whoever looks.")
@with_job_store
async def pause(store: JobStore, name: str, reason: str) -> None:
    """Let no worker take a job from the queue until it is resumed; what runs runs on.

    \b
    Example:
        coord queue pause mail --reason "provider is down"
    """
    await store.pause(name, reason)
    click.echo(f"{name} is paused")


@queue.command(name="resume")
@click.argument("name")
@with_job_store
async def resume(store: JobStore, name: str) -> None:
    """Let workers take jobs again, and say what else holds the queue shut.

    \b
    Example:
        coord queue resume mail
    """
    was_paused = await store.resume(name)
    click.echo(f"{name} is resumed" if was_paused else f"{name} was not paused")
    for why, said in sorted((await store.view(name)).shut.items()):
        click.echo(f"shut by   {why} {said}".rstrip())


@queue.command(name="purge")
@click.argument("name")
@click.option(
    "--state",
    "states",
    type=click.Choice(_PURGED),
    multiple=True,
    default=tuple(state.value for state in WAITING),
    show_default=True,
    help="Jobs in this state. May be repeated.",
)
@YES
@with_job_store
async def purge(store: JobStore, name: str, states: Sequence[str], yes: bool) -> None:
    """Clear the queue: jobs that wait are cancelled, of dead and ended ones nothing is left.

    Says how many there are before it asks. Jobs that run are left alone; see `coord job cancel`.

    \b
    Example:
        coord queue purge mail
        coord queue purge mail --state dead --state done --yes
    """
    wanted = [State(state) for state in states]
    found = {state.value: await _count(store, name, state) for state in wanted}
    said = ", ".join(f"{count} {state}" for state, count in found.items())
    confirm(f"purge {sum(found.values())} jobs of {name} ({said})", yes)
    gone = sum([await store.purge(name, state) for state in wanted])
    click.echo(f"purged {gone} jobs of {name}")


@queue.command(name="dead")
@click.argument("name")
@click.option(
    "--limit", type=click.IntRange(1), default=LIST_JOBS, show_default=True, help="Jobs at most."
)
@watch_option
@write_out(Format.TABLE)
@with_job_store
async def dead(store: JobStore, form: Format, name: str, limit: int, watch: bool) -> None:
    """List the queue's dead jobs, each with why it failed.

    \b
    Example:
        coord queue dead mail
        coord queue dead mail -w json
    """

    async def show_all() -> None:
        await _print_dead(store, form, name, limit)

    await shown(store.client, store.places.queue(name).dead, show_all, watch=watch)


@queue.command(name="replay")
@click.argument("name")
@click.argument("job_ids", type=JOB_ID, nargs=-1, metavar="[ID]...")
@click.option("--all", "all_", is_flag=True, help="All dead jobs of the queue.")
@YES
@with_job_store
async def replay(
    store: JobStore, name: str, job_ids: Sequence[JobId], all_: bool, yes: bool
) -> None:
    """Put dead jobs back into line, at their old places, their attempts counted from 0.

    \b
    Example:
        coord queue replay mail mail:5000000000000012a0000
        coord queue replay mail --all --yes
    """
    if bool(job_ids) == all_:
        raise click.UsageError("give ids, or --all")
    if astray := [str(job_id) for job_id in job_ids if job_id.queue != name]:
        raise click.UsageError(f"{astray[0]} is not of the queue {name}")
    wanted = list(job_ids)
    if all_:
        wanted = [found.id async for found in store.every(name, State.DEAD)]
        confirm(f"replay {len(wanted)} dead jobs of {name}", yes)
    await with_each(wanted, store.replay)
    click.echo(f"replayed {len(wanted)} jobs of {name}")


async def _count(store: JobStore, name: str, state: State) -> int:
    if state in (State.DONE, State.CANCELLED, State.EXPIRED):
        return sum([1 async for _ in store.every(name, state)])
    return (await store.counts(name))[state]


async def _print_oldest(store: JobStore, view: QueueView) -> None:
    if view.oldest_item:
        found = await store.find(JobId(view.name, view.oldest_item))
        if found is not None:
            since = when(found.created_unix_ms).partition(".")[0]
            click.echo(f"next      {found.id} {found.name} since {since}")


async def _print_dead(store: JobStore, form: Format, name: str, limit: int) -> None:
    page = await store.list(name, State.DEAD, limit)
    # A listing reads the jobs only; why each failed stands in its ending.
    jobs = [await find(store.site, each.id) or each for each in page.jobs]
    if form is Format.JSON:
        print_json([job_json(each) for each in jobs])
        return
    rows = []
    for each in jobs:
        ending = each.ending
        cause = headline(ending.cause) if ending else ""
        ended = when(ending.ended_unix_ms).partition(".")[0] if ending else ""
        rows.append((str(each.id), each.name, ending.attempt if ending else "", ended, cause))
    if form is Format.TABLE:
        print_table(("id", "name", "attempts", "ended", "cause"), rows)
    else:
        for row in rows:
            click.echo("  ".join(map(str, row)).rstrip())


def _print_views(views: Sequence[QueueView], form: Format) -> None:
    if form is Format.JSON:
        print_json([_view_json(view) for view in views])
        return
    rows = [
        (view.name, *(view.counts[state] for state in COUNTED), view.limit, " ".join(view.shut))
        for view in views
    ]
    if form is Format.TABLE:
        print_table(COLUMNS, rows)
        return
    for row in rows:
        click.echo(" ".join(str(each) for each in row).rstrip())


def _view_json(view: QueueView) -> dict[str, Any]:
    return {
        "queue": view.name,
        "counts": {state.value: view.counts[state] for state in COUNTED},
        "limit": view.limit,
        "shut": view.shut,
        "revision": view.revision,
    }
