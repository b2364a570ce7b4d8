"""`coord pipeline`: jobs in stages: start them, see how far they are and why, end or retry them."""

import click

from coord.cli.output import Format, print_json, print_table, write_out
from workers.commands.confirming import YES, confirm
from workers.commands.job_store import JOB_ID, with_job_store
from workers.commands.pipeline_following import show, wait
from workers.commands.pipeline_source import find_pipeline
from workers.commands.pipeline_text import COLUMNS, explanation_json, run_json, run_row
from workers.commands.plain import plain
from workers.commands.redrawing import shown, watch_option
from workers.model.ids import JobId
from workers.pipelines.job_explaining import explain_job
from workers.pipelines.store import LIST_PIPELINES, PipelineStore
from workers.store.jobs import JobStore


@click.group(name="pipeline")
def pipeline() -> None:
    """Start pipelines of jobs, look at them, signal, cancel and retry them.

    A pipeline is some stages of jobs with conditions between them. Whichever worker is the steward
    moves it on; ID is what `start` printed.

    \b
    Example:
        coord pipeline start nightly.json --once nightly-2026-11-22
        coord pipeline list
        coord pipeline show ID --watch
    """


@pipeline.command(name="start")
@click.argument("source")
@click.option("--once", default="", help="Start at most one under this name; else print that one.")
@write_out()
@with_job_store
async def start(store: JobStore, form: Format, source: str, once: str) -> None:
    """Start the pipeline of a JSON file, of stdin (-), or of module:attribute, and print its id.

    The attribute is a Pipeline or a function that returns one. What cannot run, such as stages
    that wait for each other in a circle, is refused by name and nothing of it is kept.

    \b
    Example:
        coord pipeline start nightly.json
        coord pipeline start reports:nightly --once nightly-2026-11-22
    """
    made = await _pipelines(store).start(find_pipeline(source), once)
    if form is Format.JSON:
        print_json({"id": made})
    else:
        click.echo(made)


@pipeline.command(name="list")
@click.option("--ended", is_flag=True, help="Those that have ended, instead of those that live.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=LIST_PIPELINES,
    show_default=True,
    help="How many at most.",
)
@click.option("--after", default="", help="Go on after this id.")
@watch_option
@write_out(Format.TABLE)
@with_job_store
async def list_(
    store: JobStore, form: Format, ended: bool, limit: int, after: str, watch: bool
) -> None:
    """List pipelines that live, the oldest first: how many stages are done, which are at work.

    \b
    Example:
        coord pipeline list --watch
        coord pipeline list --ended -w json
    """
    pipelines = _pipelines(store)

    async def show_all() -> None:
        found = await pipelines.list(ended=ended, limit=limit, after=after)
        if form is Format.JSON:
            print_json([run_json(name, run) for name, run in found])
        elif form is Format.TABLE:
            print_table(COLUMNS, [run_row(name, run) for name, run in found])
        else:
            for name, run in found:
                click.echo(f"{name} {run.name} {run.state.value}")

    prefix = pipelines.places.ended if ended else pipelines.places.live
    await shown(store.client, prefix, show_all, watch=watch)


@pipeline.command(name="explain")
@click.argument("job", type=JOB_ID, metavar="JOB")
@write_out()
@with_job_store
async def explain(store: JobStore, form: Format, job: JobId) -> None:
    """Say why JOB does not run: its time, its limits, its queue's gate; its stage, its pipeline.

    \b
    Example:
        coord pipeline explain mail:5000000000000012a0000
    """
    found = await explain_job(_pipelines(store), job)
    if form is Format.JSON:
        told = plain(found)
        told["pipeline"] = None if found.pipeline is None else explanation_json(found.pipeline)
        print_json(told)
    else:
        click.echo("\n".join(found.lines()))


@pipeline.command(name="signal")
@click.argument("id_", metavar="ID")
@click.argument("name")
@click.option("--message", default="", help="For whoever looks.")
@click.option("--by", default="", help="Who gives it.")
@with_job_store
async def signal(store: JobStore, id_: str, name: str, message: str, by: str) -> None:
    """Give the signal NAME to the gates of a pipeline; it stays given.

    \b
    Example:
        coord pipeline signal ID release --message "tested by ann"
    """
    await _pipelines(store).signal(id_, name, message, by)
    click.echo(f"signal {name} is given")


@pipeline.command(name="cancel")
@click.argument("id_", metavar="ID")
@click.option("--reason", default="", help="Why, for whoever looks.")
@YES
@with_job_store
async def cancel(store: JobStore, id_: str, reason: str, yes: bool) -> None:
    """End a pipeline: jobs that wait are cancelled, those that run are asked to end.

    Says how many there are before it asks.

    \b
    Example:
        coord pipeline cancel ID --reason "wrong input" --yes
    """
    pipelines = _pipelines(store)
    found = await pipelines.explain(id_)
    count = sum(stage.open for stage in found.stages)
    confirm(f"end pipeline {found.run.name} with {count} open jobs", yes)
    await pipelines.cancel(id_, reason)
    click.echo(f"{id_} is asked to end")


@pipeline.command(name="retry")
@click.argument("id_", metavar="ID")
@click.option("--stage", default="", help="From this stage on. Default: wherever it failed.")
@with_job_store
async def retry(store: JobStore, id_: str, stage: str) -> None:
    """Take a pipeline up again that failed or was cancelled; what ended well stays done.

    Jobs that are dead, cancelled or expired are put back as they were.

    \b
    Example:
        coord pipeline retry ID
        coord pipeline retry ID --stage parse
    """
    await _pipelines(store).retry(id_, stage)
    click.echo(f"{id_} goes on")


@pipeline.command(name="remove")
@click.argument("id_", metavar="ID")
@YES
@with_job_store
async def remove(store: JobStore, id_: str, yes: bool) -> None:
    """Forget a pipeline that has ended, with all results kept of it.

    \b
    Example:
        coord pipeline remove ID --yes
    """
    pipelines = _pipelines(store)
    run = await pipelines.status(id_)
    confirm(f"forget pipeline {run.name} and its results", yes)
    await pipelines.remove(id_)
    click.echo(f"{id_} is forgotten")


def _pipelines(store: JobStore) -> PipelineStore:
    return PipelineStore(store.client, store.places, store.site.timer)


pipeline.add_command(show)
pipeline.add_command(wait)
