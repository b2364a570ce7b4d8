"""`coord job`: jobs one by one: submit, look, wait, cancel, try again."""

from collections.abc import Sequence

import click

from coord.cli.output import Format, print_json, print_table, write_out
from workers.commands.confirming import YES, confirm
from workers.commands.crowd import with_each
from workers.commands.job_reasons import reasons
from workers.commands.job_store import JOB_ID, with_job_store
from workers.commands.job_submit import submit
from workers.commands.job_text import JOB_COLUMNS, attempts_of, job_json, job_lines, job_row, when
from workers.commands.job_wait import wait
from workers.commands.redrawing import shown, watch_option
from workers.model.ids import JobId
from workers.model.states import State
from workers.store.cancelling import WAITING
from workers.store.finding import find_surely
from workers.store.found import Found
from workers.store.jobs import LIST_JOBS, JobStore

_STATES = [state.value for state in State]
_ORDER = (
    State.HELD,
    State.READY,
    State.PARKED,
    State.LATER,
    State.DEAD,
    State.CANCELLED,
    State.EXPIRED,
    State.DONE,
)


@click.group(name="job")
def job() -> None:
    """Submit jobs, look at them, wait for them, cancel them, try them again.

    \b
    Example:
        coord job submit send to=ann@example.org -A shop.jobs:app
        coord job list mail --state dead
    """


job.add_command(submit)
job.add_command(wait)


@job.command(name="show")
@click.argument("job_id", type=JOB_ID, metavar="ID")
@write_out()
@with_job_store
async def show(store: JobStore, form: Format, job_id: JobId) -> None:
    """Print everything known of one job: state, arguments, attempts, progress, how it ended.

    \b
    Example:
        coord job show mail:5000000000000012a0000
    """
    found = await find_surely(store.site, job_id)
    if form is Format.JSON:
        print_json(job_json(found))
        return
    if form is Format.TABLE:
        print_table(JOB_COLUMNS, [job_row(found)])
        return
    for line in job_lines(found):
        click.echo(line)
    async for line in reasons(store, found):
        click.echo(line)


@job.command(name="list")
@click.argument("queue", required=False)
@click.option(
    "--state", "states", type=click.Choice(_STATES), multiple=True, help="Only in this state."
)
@click.option("--name", help="Only of this job function.")
@click.option("--tag", help="Only with this tag.")
@click.option(
    "--limit", type=click.IntRange(1), default=LIST_JOBS, show_default=True, help="Jobs at most."
)
@click.option("--ids", is_flag=True, help="Print ids only.")
@watch_option
@write_out()
@with_job_store
async def list_(
    store: JobStore,
    form: Format,
    queue: str | None,
    states: Sequence[str],
    name: str | None,
    tag: str | None,
    limit: int,
    ids: bool,
    watch: bool,
) -> None:
    """List the jobs of QUEUE, or of all queues: those that run first, those done last.

    \b
    Example:
        coord job list
        coord job list mail --state held --watch
        coord job list mail --state dead -w json
    """
    wanted = [state for state in _ORDER if not states or state.value in states]

    async def show_all() -> None:
        queues = [queue] if queue else await store.queues()
        jobs: list[Found] = []
        for each in queues:
            for state in wanted:
                async for found in store.every(each, state):
                    if len(jobs) == limit:
                        break
                    if (not name or found.name == name) and (not tag or tag in found.tags):
                        jobs.append(found)
        _print_jobs(jobs, form, ids=ids)

    prefix = store.places.queue(queue).prefix if queue else store.places.queues
    await shown(store.client, prefix, show_all, watch=watch)


@job.command(name="cancel")
@click.argument("job_ids", type=JOB_ID, nargs=-1, metavar="[ID]...")
@click.option("--all-of", "queue", metavar="QUEUE", help="All jobs of a queue that have not ended.")
@click.option("--reason", default="", help="Why, for whoever looks.")
@YES
@write_out()
@with_job_store
async def cancel(
    store: JobStore,
    form: Format,
    job_ids: Sequence[JobId],
    queue: str | None,
    reason: str,
    yes: bool,
) -> None:
    """Cancel jobs: at once where they wait; where they run, by asking their workers, durably.

    Prints each id with what it is now: cancelled, held (its worker has been asked), or how it had
    ended before.

    \b
    Example:
        coord job cancel mail:5000000000000012a0000 --reason "wrong address"
        coord job cancel --all-of mail --yes
    """
    if bool(job_ids) == bool(queue):
        raise click.UsageError("give ids, or --all-of QUEUE")
    wanted = list(job_ids)
    if queue:
        for state in (State.HELD, *WAITING):
            wanted += [found.id async for found in store.every(queue, state)]
        confirm(f"cancel {len(wanted)} jobs of {queue}", yes)

    async def cancel_one(job_id: JobId) -> None:
        _print_state(job_id, await store.cancel(job_id, reason), form)

    await with_each(wanted, cancel_one)


@job.command(name="retry")
@click.argument("job_ids", type=JOB_ID, nargs=-1, required=True, metavar="ID...")
@write_out()
@with_job_store
async def retry(store: JobStore, form: Format, job_ids: Sequence[JobId]) -> None:
    """Put dead jobs back into line, at their old place, their attempts counted from 0.

    For all dead jobs of a queue see `coord queue replay`.

    \b
    Example:
        coord job retry mail:5000000000000012a0000
    """
    for job_id in job_ids:
        await store.replay(job_id)
        found = await store.find(job_id)
        _print_state(job_id, found.state if found else State.READY, form)


@job.command(name="logs")
@click.argument("job_id", type=JOB_ID, metavar="ID")
@click.option("--attempt", type=click.IntRange(1), help="Of this attempt only.")
@write_out()
@with_job_store
async def logs(store: JobStore, form: Format, job_id: JobId, attempt: int | None) -> None:
    """Print what a job's attempts have logged, those that have ended, oldest first.

    Of each attempt the end of its log is kept, and why it failed.

    \b
    Example:
        coord job logs mail:5000000000000012a0000 --attempt 2
    """
    found = await find_surely(store.site, job_id)
    attempts = [each for each in attempts_of(found) if attempt in (None, each.number)]
    if form is Format.JSON:
        print_json([{"attempt": a.number, "log": a.log, "cause": a.cause} for a in attempts])
        return
    for each in attempts:
        click.echo(
            f"--- attempt {each.number} on {each.worker or '?'}, {when(each.started_unix_ms)}"
        )
        for text in (each.log, each.cause):
            if text:
                click.echo(text.rstrip("\n"))


def _print_jobs(jobs: Sequence[Found], form: Format, *, ids: bool) -> None:
    if ids:
        for found in jobs:
            click.echo(str(found.id))
    elif form is Format.JSON:
        print_json([job_json(found) for found in jobs])
    elif form is Format.TABLE:
        print_table(JOB_COLUMNS, [job_row(found) for found in jobs])
    else:
        for found in jobs:
            click.echo("  ".join(str(each) for each in job_row(found)).rstrip())


def _print_state(job_id: JobId, state: State, form: Format) -> None:
    if form is Format.JSON:
        print_json({"id": str(job_id), "state": state.value})
    else:
        click.echo(f"{job_id} {state.value}")
