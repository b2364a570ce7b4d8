"""`coord worker`: a process that works through the jobs of one queue."""

import asyncio
import os
import socket
import sys

import click
import structlog

from coord import aio
from workers.policy import RetryPolicy
from workers.registry import load_registry
from workers.settings import WorkerSettings
from workers.signals import stop_on_signal
from workers.worker import Worker


@click.command(name="worker")
@click.argument("app")
@click.option("--queue", default="jobs/", show_default=True, help="The queue's prefix.")
@click.option(
    "--slots",
    type=click.IntRange(1, 1024),
    default=lambda: os.cpu_count() or 1,
    show_default="one per processor",
    help="Jobs at a time, each in a child process.",
)
@click.option(
    "--ttl",
    "ttl_s",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Seconds after this worker's last sign of life before its jobs go to others.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="How often a job is tried before it is buried.",
)
@click.option("--progress", default="progress/", show_default=True, help="Where progress goes.")
@click.option("--name", help="Unique among living workers. Default: host and process id.")
@click.option(
    "--endpoints",
    envvar="COORD_ENDPOINTS",
    metavar="ADDRESSES",
    help="Client addresses of some members. Default: COORD_ENDPOINTS, else this machine's own.",
)
def worker(
    app: str,
    queue: str,
    slots: int,
    ttl_s: float,
    attempts: int,
    progress: str,
    name: str | None,
    endpoints: str | None,
) -> None:
    """Work through the jobs of a queue with the functions registered at APP.

    APP is package.module:attribute, a workers.registry.Registry. Ends on TERM or Ctrl-C: running
    jobs are killed and handed back at once, and it says which. A second TERM ends it on the spot.

    \b
    Example:
        coord worker shop.jobs:registry --queue mail/ --slots 4
    """
    sys.path.insert(0, "")  # as `python -m` does: APP may lie in the folder we are started in
    try:
        load_registry(app)
    except (ImportError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    settings = WorkerSettings(
        name=name or f"{socket.gethostname()}-{os.getpid()}",
        queue=queue,
        app=app,
        slots=slots,
        ttl_ms=round(1000 * ttl_s),
        progress=progress,
        retry=RetryPolicy(attempts),
    )
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(_work(endpoints, settings))


async def _work(endpoints: str | None, settings: WorkerSettings) -> None:
    async with aio.connect(endpoints) as client:
        serving = Worker(client, settings)
        stop_on_signal(serving.stop)
        click.echo(f"worker {settings.name}: {settings.slots} slots", err=True)
        await serving.run()
    tally = serving.tally
    back = ", ".join(tally.handed_back) or "nothing"
    click.echo(
        f"worker {settings.name}: {tally.completed} completed, {tally.failed} failed,"
        f" handed back {back}",
        err=True,
    )
