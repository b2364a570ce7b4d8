"""`coord worker start`: a process that runs jobs."""

import asyncio
import contextlib
import gc
import math
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import click
import structlog

from coord import aio
from coord.cli.exits import ExitCode
from coord.client.event_loop import run
from coord.client.ops import key_bytes
from coord.limits import LEASE_TTL_MS_MAX
from workers.model.places import SPACE_DEFAULT, Places
from workers.running.crew_settings import APP_PATTERN, CrewSettings
from workers.running.errors import AppNotLoaded
from workers.running.reload import call_on_change
from workers.running.settings import SLOTS_MAX, WorkerSettings
from workers.running.signals import give_notice_on_signals
from workers.running.tally import Tally
from workers.running.worker import Worker

SECONDS_MAX = LEASE_TTL_MS_MAX // 1000
GC_THRESHOLD = 20_000  # objects; a job in hand is about ten
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


class _Size(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """A size in bytes: 300M, 2G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes."""
        if isinstance(value, int):
            return value
        digits, unit = (value[:-1], value[-1].upper()) if value[-1:].isalpha() else (value, "")
        if not digits.isdecimal() or (unit and unit not in _UNITS):
            self.fail(f"{value!r} is no size; such as 300M, 2G", param, ctx)
        return int(digits) * _UNITS.get(unit, 1)


def _in_s(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number of seconds", context, parameter)
    return value


def _in_ms(context: click.Context, parameter: click.Parameter, value: float) -> int:
    return round(1000 * _in_s(context, parameter, value))


def _app(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(APP_PATTERN, value):
        detail = f"{value!r} is not of the form package.module:attribute"
        raise click.BadParameter(detail, context, parameter)
    return value


@click.command(name="start")
@click.option(
    "-A",
    "--app",
    required=True,
    callback=_app,
    help="The application, package.module:attribute.",
)
@click.option(
    "-Q", "--queues", default="default", show_default=True, help="Whose jobs to run: a,b,c."
)
@click.option("--fair", is_flag=True, help="From all queues alike; else from the first with any.")
@click.option(
    "-c",
    "--slots",
    type=click.IntRange(1, SLOTS_MAX),
    default=lambda: os.cpu_count() or 1,
    show_default="one per processor",
    help="Jobs at a time.",
)
@click.option("-n", "--name", help="Unique among living workers. Default: host and process id.")
@click.option("--tag", "tags", multiple=True, help="For whoever looks; may be repeated.")
@click.option(
    "--ttl",
    "ttl_ms",
    type=click.FloatRange(0.1, SECONDS_MAX),
    default=10.0,
    show_default=True,
    callback=_in_ms,
    help="Seconds after this worker's last sign of life before its jobs go to others.",
)
@click.option(
    "--grace",
    "grace_s",
    type=click.FloatRange(0, SECONDS_MAX),
    default=30.0,
    show_default=True,
    callback=_in_s,
    help="Seconds running jobs may go on after TERM; then they are handed back.",
)
@click.option(
    "--cancel-grace",
    "cancel_grace_ms",
    type=click.FloatRange(0, SECONDS_MAX),
    default=5.0,
    show_default=True,
    callback=_in_ms,
    help="Seconds a cancelled job may go on before it is killed.",
)
@click.option(
    "--jobs-per-child-max",
    type=click.IntRange(0),
    default=0,
    help="Replace a child process after so many jobs.",
)
@click.option(
    "--child-memory-max",
    type=_Size(),
    default="0",
    help="Replace a child that uses more after a job: 300M.",
)
@click.option(
    "--child-memory-hard",
    type=_Size(),
    default="0",
    help="No child gets more address space than this: 2G.",
)
@click.option("--no-steward", is_flag=True, help="Never stand for the office that does the chores.")
@click.option(
    "--reload", is_flag=True, help="Replace children when a Python file below here changes."
)
@click.option("--space", default=SPACE_DEFAULT.decode(), show_default=True, help="As the App's.")
@click.option(
    "--endpoints",
    envvar="COORD_ENDPOINTS",
    metavar="ADDRESSES",
    help="Client addresses of some members. Default: COORD_ENDPOINTS, else this machine's own.",
)
@click.option(
    "--read-from",
    type=click.Choice(["leader", "any"]),
    default="leader",
    show_default=True,
    help="Whom to hear of jobs from. The leader knows first; any node does, for many workers.",
)
def start(**options: Any) -> int:
    """Run the jobs of some queues with the functions of an application.

    On TERM or Ctrl-C running jobs may end within the grace; the rest is handed back at once, and
    named. A second TERM, or QUIT, hands back now.

    \b
    Example:
        coord worker start -A shop.jobs:app -Q mail,default -c 4
    """
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if options["endpoints"]:
        # Children inherit it: jobs that enqueue others do so in the cluster they came from.
        os.environ["COORD_ENDPOINTS"] = options["endpoints"]
    try:
        settings = _settings(**options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        client = aio.connect(options["endpoints"], read_from=options["read_from"])
        tally = run(_work(client, settings, reload=options["reload"]))
    except AppNotLoaded as error:
        raise click.UsageError(f"cannot import {error}") from error
    _sum_up(settings.name, tally)
    return ExitCode.OK


def _settings(
    *,
    app: str,
    queues: str,
    slots: int,
    name: str | None,
    tags: Sequence[str],
    no_steward: bool,
    space: str,
    **options: Any,
) -> WorkerSettings:
    crew = CrewSettings(
        app,
        slots,
        options["jobs_per_child_max"],
        options["child_memory_max"],
        options["child_memory_hard"],
        options["cancel_grace_ms"],
    )
    return WorkerSettings(
        name or f"{socket.gethostname()}-{os.getpid()}",
        crew,
        queues=tuple(queue.strip() for queue in queues.split(",")),
        fair=options["fair"],
        ttl_ms=options["ttl_ms"],
        grace_s=options["grace_s"],
        tags=tuple(tags),
        places=Places(key_bytes(space)),
        steward=not no_steward,
    )


async def _work(client: aio.Client, settings: WorkerSettings, *, reload: bool) -> Tally:
    async with client:
        worker = Worker(client, settings)
        give_notice_on_signals(worker.notice)
        queues = ", ".join(settings.queues)
        click.echo(f"worker {settings.name}: {settings.crew.slots} slots for {queues}", err=True)
        _rarely_collect()
        async with _reloading(worker, reload):
            await worker.run()
    return worker.tally


def _rarely_collect() -> None:
    """Have the cyclic collector look seldom, and never at what was imported: jobs come and go."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)


@contextlib.asynccontextmanager
async def _reloading(worker: Worker, reload: bool) -> AsyncIterator[None]:
    watching: asyncio.Task[None] | None = None
    if reload:
        watching = asyncio.create_task(call_on_change(Path.cwd(), worker.restart_children))
    try:
        yield
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.wait((watching,))


def _sum_up(name: str, tally: Tally) -> None:
    counts = {
        "done": tally.done,
        "to be tried again": tally.retried,
        "put off": tally.snoozed,
        "dead": tally.dead,
        "cancelled": tally.cancelled,
        "expired": tally.expired,
        "stale": tally.stale,
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "done")
    back = ", ".join(tally.handed_back) or "nothing"
    click.echo(f"worker {name}: {told}; handed back {back}", err=True)
