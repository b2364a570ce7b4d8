"""`coord limit`: how many jobs run at once, and how many start per time; changed as they run."""

from collections.abc import Sequence

import click

from coord.cli.arguments import SECONDS
from coord.cli.output import Format, print_json, print_table, write_out
from workers.commands.job_store import JOB_ID, with_job_store
from workers.limits.reading import LimitView
from workers.limits.rule import NUMBER_MAX, Rule
from workers.limits.store import LimitStore, Standing
from workers.model.ids import JobId
from workers.store.jobs import JobStore

COLUMNS = ("limit", "at once", "rate", "per s", "burst", "admitted", "waiting")
NUMBER = click.IntRange(1, NUMBER_MAX)


@click.group(name="limit")
def limit() -> None:
    """Limit how many jobs run at once, and how many start per time.

    A limit is a name. Jobs are put under it by their application; every job of a queue Q is under
    the limit "queue.Q" as soon as that is set. Rules act at once and on all workers together.

    \b
    Example:
        coord limit set queue.mail --concurrency 10
        coord limit set provider --rate 100 --per 60
        coord limit list
    """


@limit.command(name="set")
@click.argument("name")
@click.option("--concurrency", type=NUMBER, help="Jobs ready or running at once.")
@click.option("--rate", type=NUMBER, help="Jobs that may start per time.")
@click.option(
    "--per", "period_ms", type=SECONDS, default="1", show_default=True, help="That time, seconds."
)
@click.option(
    "--burst",
    type=NUMBER,
    help="Jobs that may start at once after a quiet time. Default: what the rate gives in 50 ms.",
)
@write_out()
@with_job_store
async def set_(
    store: JobStore,
    form: Format,
    name: str,
    concurrency: int | None,
    rate: int | None,
    period_ms: int,
    burst: int | None,
) -> None:
    """Set the rule of the limit NAME, in place of any it has.

    "queue.Q" limits the queue Q as a whole: jobs that are ready in it wait behind the limit, too.
    Those that run go on. A smaller number is reached as jobs end.

    \b
    Example:
        coord limit set queue.mail --concurrency 10
        coord limit set provider --rate 100 --per 60 --burst 20
    """
    rule = Rule(concurrency or 0, rate or 0, period_ms, burst or 0)
    limits = _limits(store)
    await limits.set(name, rule)
    if form is Format.SIMPLE:
        click.echo(f"{name}: {rule}")
    else:
        _print([await limits.show(name)], form)


@limit.command(name="remove")
@click.argument("name")
@with_job_store
async def remove(store: JobStore, name: str) -> None:
    """Take away the rule of the limit NAME: who waits behind it passes, other limits allowing.

    Ends with 1 when it has none.

    \b
    Example:
        coord limit remove queue.mail
    """
    if not await _limits(store).remove(name):
        raise click.ClickException(f"limit {name} has no rule")
    click.echo(f"{name} limits nothing any more")


@limit.command(name="list")
@write_out(Format.TABLE)
@with_job_store
async def list_(store: JobStore, form: Format) -> None:
    """List every limit that has a rule or jobs: its rule, jobs admitted, jobs that wait.

    One without a rule lets everything pass.

    \b
    Example:
        coord limit list
        coord limit list -w json
    """
    _print(await _limits(store).list(), form)


@limit.command(name="explain")
@click.argument("job_id", type=JOB_ID)
@write_out()
@with_job_store
async def explain(store: JobStore, form: Format, job_id: JobId) -> None:
    """Say what a parked job waits for: how it stands with each of its limits.

    Ends with 1 when it waits for none.

    \b
    Example:
        coord limit explain mail:4000000000000012a0000
    """
    standings = await _limits(store).explain(job_id)
    if not standings:
        raise click.ClickException(f"job {job_id} waits for no limit")
    if form is Format.JSON:
        print_json([_standing_json(standing) for standing in standings])
    elif form is Format.TABLE:
        columns = ("limit", "rule", "full", "admitted", "ahead")
        print_table(columns, [tuple(_standing_json(each).values()) for each in standings])
    else:
        for standing in standings:
            click.echo(_sentence(standing))


def _limits(store: JobStore) -> LimitStore:
    return LimitStore(store.client, store.places, store.site.timer)


def _print(views: Sequence[LimitView], form: Format) -> None:
    if form is Format.JSON:
        print_json([_view_json(view) for view in views])
    elif form is Format.TABLE:
        print_table(COLUMNS, [_row(view) for view in views])
    else:
        for view in views:
            counts = f"{view.admitted} admitted, {view.waiting_count} waiting"
            click.echo(f"{view.name}: {view.rule or 'no rule'}; {counts}")


def _row(view: LimitView) -> tuple[object, ...]:
    rule = view.rule or Rule()
    per = rule.period_ms / 1000
    rate = (rule.rate, f"{per:g}", rule.burst_max) if rule.rate else ("", "", "")
    return (view.name, rule.concurrency or "", *rate, view.admitted, view.waiting_count)


def _view_json(view: LimitView) -> dict[str, object]:
    rule = view.rule
    return {
        "limit": view.name,
        "concurrency": rule.concurrency or None if rule else None,
        "rate": rule.rate or None if rule else None,
        "period_ms": rule.period_ms if rule and rule.rate else None,
        "burst": rule.burst_max if rule and rule.rate else None,
        "admitted": view.admitted,
        "waiting": view.waiting_count,
    }


def _standing_json(standing: Standing) -> dict[str, object]:
    view = standing.limit
    return {
        "limit": view.name,
        "rule": str(view.rule) if view.rule else None,
        "full": standing.is_full,
        "admitted": view.admitted,
        "ahead": standing.ahead,
    }


def _sentence(standing: Standing) -> str:
    view = standing.limit
    state = "full" if standing.is_full else "has room"
    rule = view.rule or "no rule"
    return f"{view.name} ({rule}): {state}, {view.admitted} admitted, {standing.ahead} ahead"
