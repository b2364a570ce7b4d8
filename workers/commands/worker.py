"""`coord worker`: run jobs; see, drain, stop and inspect those who do."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

from coord.cli.arguments import SECONDS
from coord.cli.output import Format, print_json, print_table, write_out
from coord.errors import CoordError, ErrorCode, NotDone, Unavailable
from recipes.port import KeyStore, next_batch, only
from recipes.waiting import until_gone
from workers.commands.job_store import with_job_store
from workers.commands.worker_start import start
from workers.model.places import Places
from workers.running.roll import Order, WorkerEntry, give_order, living_workers, read_entry
from workers.store.jobs import JobStore


@click.group(name="worker")
def worker() -> None:
    """Run jobs, and see who does.

    \b
    Example:
        coord worker start -A shop.jobs:app -c 4 &
        coord worker list
    """


worker.add_command(start)


@worker.command(name="list")
@write_out(Format.TABLE)
@with_job_store
async def list_(store: JobStore, form: Format) -> None:
    """List living workers by name.

    \b
    Example:
        coord worker list -w json
    """
    found = await living_workers(store.client, store.places)
    if form is Format.JSON:
        print_json([msgspec.to_builtins(entry) for entry in found])
    elif form is Format.TABLE:
        columns = ("worker", "host", "pid", "queues", "slots", "held", "done", "failed", "ending")
        print_table(columns, map(_row, found))
    else:
        for entry in found:
            click.echo(entry.name)


@worker.command(name="inspect")
@click.argument("name")
@click.option("--stacks", is_flag=True, help="Have its children say where they are.")
@write_out()
@with_job_store
async def inspect(store: JobStore, form: Format, name: str, stacks: bool) -> None:
    """Show what a worker is at.

    \b
    Example:
        coord worker inspect box-4711 --stacks
    """
    entry = await _find(store.client, store.places, name)
    told = await _stacks(store.client, store.places, name) if stacks else ""
    if form is Format.JSON:
        print_json({**msgspec.to_builtins(entry), **({"stacks": told} if stacks else {})})
        return
    for line in _lines(entry):
        click.echo(line)
    if stacks:
        click.echo(told)


def _telling(order: Order) -> Any:
    """Make the command that gives an order to workers."""

    @click.argument("names", nargs=-1, required=True)
    @click.option("--wait", "wait_ms", type=SECONDS, help="Wait so many seconds for their end.")
    @with_job_store
    async def tell(store: JobStore, names: Sequence[str], wait_ms: int | None) -> None:
        for name in names:
            await _order(store, name, order)
        if wait_ms is not None:
            await _wait_for_end(store, names, wait_ms)

    return tell


drain = worker.command(
    name="drain",
    help="""Tell workers to claim nothing more, let their jobs end, and end.

    \b
    Example:
        coord worker drain box-4711 --wait 600
    """,
)(_telling(Order.DRAIN))

stop = worker.command(
    name="stop",
    help="""Tell workers to end as on TERM: within their grace, handing back the rest.

    \b
    Example:
        coord worker stop box-4711
    """,
)(_telling(Order.STOP))


async def _order(store: JobStore, name: str, order: Order) -> None:
    if not await give_order(store.client, store.places, name, order):
        raise _unknown(name)
    click.echo(f"{name}: told to {order.value}")


async def _wait_for_end(store: JobStore, names: Sequence[str], wait_ms: int) -> None:
    try:
        async with asyncio.timeout(wait_ms / 1000):
            for name in names:
                key = store.places.workers + name.encode()
                reply = await store.client.get(key)
                found = only(reply)
                if found is not None:
                    await until_gone(store.client, key, found.create_revision, reply.revision)
    except TimeoutError:
        detail = f"still there after {wait_ms / 1000:g} s"
        raise Unavailable(detail, ErrorCode.TIMED_OUT) from None


async def _find(client: KeyStore, places: Places, name: str) -> WorkerEntry:
    found = only(await client.get(places.workers + name.encode()))
    entry = read_entry(found.value) if found is not None else None
    if entry is None:
        raise _unknown(name)
    return entry


async def _stacks(client: KeyStore, places: Places, name: str) -> str:
    """Ask a worker where its children are, and wait for the answer."""
    revision = await give_order(client, places, name, Order.STACKS)
    if not revision:
        raise _unknown(name)
    key = places.stacks(name)
    async with client.watch(key, start_revision=revision + 1, no_delete=True) as watch:
        batch = await next_batch(watch)
    return batch.events[-1].kv.value.decode(errors="replace")


def _unknown(name: str) -> CoordError:
    return NotDone(f"no living worker named {name!r}")


def _row(entry: WorkerEntry) -> tuple[object, ...]:
    return (
        entry.name,
        entry.host,
        entry.pid,
        ", ".join(entry.queues),
        entry.slots,
        entry.held,
        entry.done,
        entry.failed,
        entry.ending,
    )


def _lines(entry: WorkerEntry) -> list[str]:
    lines = [
        f"{entry.name} on {entry.host}, process {entry.pid}, version {entry.version},"
        f" since {_time(entry.started_unix_ms)}",
        f"queues: {', '.join(entry.queues)}; slots: {entry.slots}; tags: "
        + (", ".join(entry.tags) or "none"),
        f"done: {entry.done}; failed attempts: {entry.failed}; holds: {entry.held}"
        + (f"; told to {entry.ending}" if entry.ending else ""),
    ]
    for job in entry.jobs:
        since = f"since {_time(job.started_unix_ms)}" if job.started_unix_ms else "waits"
        lines.append(f"  {job.id} {job.name} attempt {job.attempt} {since}")
    return lines


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000).astimezone().isoformat(timespec="seconds")
