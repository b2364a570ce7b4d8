"""`coord pipeline show` and `wait`: one pipeline, followed until it has ended if asked to."""

import asyncio
import sys

import click
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress

from coord.cli.arguments import SECONDS
from coord.cli.output import Format, print_json, write_out
from coord.errors import ErrorCode, Unavailable
from workers.commands.job_store import with_job_store
from workers.commands.pipeline_text import explanation_json, run_json
from workers.commands.redrawing import APART_S, watch_option
from workers.pipelines.errors import PipelineFailed
from workers.pipelines.progress import PipelineProgress
from workers.pipelines.run import RUN_ENDED, Run, RunState
from workers.pipelines.store import PipelineStore
from workers.store.jobs import JobStore

LINES_APART_S = 1.0


@click.command(name="show")
@click.argument("id_", metavar="ID")
@watch_option
@write_out()
@with_job_store
async def show(store: JobStore, form: Format, id_: str, watch: bool) -> None:
    """Say how far each stage is and what it waits for: each condition, its value and its target.

    With --watch it says so again whenever something changes, until the pipeline has ended.

    \b
    Example:
        coord pipeline show ID
        coord pipeline show ID -w json
    """
    pipelines = PipelineStore(store.client, store.places, store.site.timer)

    async def show_now() -> Run:
        found = await pipelines.explain(id_)
        if form is Format.JSON:
            print_json(explanation_json(found))
        else:
            click.echo("\n".join(found.lines()))
        sys.stdout.flush()
        return found.run

    run = await show_now()
    if not watch:
        return
    async with PipelineProgress(store.client, store.places, id_) as progress:
        while run.state not in RUN_ENDED:
            await progress.change()
            if sys.stdout.isatty():
                click.clear()
            run = await show_now()
            await asyncio.sleep(APART_S)


@click.command(name="wait")
@click.argument("id_", metavar="ID")
@click.option("--wait", "wait_ms", type=SECONDS, help="Seconds at most; then it ends with 4.")
@click.option("--progress", is_flag=True, help="Show how far its stages are, on stderr.")
@write_out()
@with_job_store
async def wait(
    store: JobStore, form: Format, id_: str, wait_ms: int | None, progress: bool
) -> None:
    """Wait until a pipeline has ended, and print how; ends with 1 if it did not end well.

    \b
    Example:
        coord pipeline wait ID --progress
    """
    pipelines = PipelineStore(store.client, store.places, store.site.timer)
    try:
        async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
            run = await (_followed(pipelines, id_) if progress else pipelines.wait(id_))
    except TimeoutError:
        raise Unavailable("the pipeline has not ended in time", ErrorCode.TIMED_OUT) from None
    if form is Format.JSON:
        print_json(run_json(id_, run))
    else:
        click.echo(run.state.value)
    if run.state is not RunState.DONE:
        raise PipelineFailed(f"pipeline {id_} ended {run.state.value}: {run.cause}")


async def _followed(pipelines: PipelineStore, pipeline: str) -> Run:
    """Wait, and show how far it is: bars on a terminal, a line a second elsewhere."""
    site = pipelines.site
    await pipelines.status(pipeline)
    async with PipelineProgress(site.client, site.places, pipeline) as progress:
        drawing = asyncio.create_task(_draw(progress), name="draw progress")
        try:
            return await pipelines.wait(pipeline)
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
            click.echo(f"all: {progress.rollup}", err=True)


async def _draw(progress: PipelineProgress) -> None:
    if not sys.stderr.isatty():
        while True:
            click.echo(f"all: {progress.rollup}", err=True)
            await asyncio.sleep(LINES_APART_S)
            await progress.change()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    with RichProgress(*columns, console=Console(stderr=True)) as bars:
        known: dict[str, TaskID] = {}
        while True:
            for name, rollup in {**progress.stages, "all": progress.rollup}.items():
                if name not in known:
                    known[name] = bars.add_task(name, total=1.0, said="")
                bars.update(known[name], completed=rollup.share, said=str(rollup))
            await progress.change()
            await asyncio.sleep(APART_S)
