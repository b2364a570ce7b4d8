"""`coord bench`: put a measured load on a cluster.

`--clients` is the number of single requests in flight in all. Each is a coroutine that makes one
request at a time, as an application would; the client packs what its process asks for together.
"""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import attrs
import click

from coord import aio
from coord.cli.arguments import SECONDS
from coord.cli.bench_ops import NEEDS_KEYS, fill
from coord.cli.bench_plan import LoadPlan, share_of, split_plan
from coord.cli.bench_processes import run_plans
from coord.cli.bench_report import Report, merge
from coord.cli.exits import ExitCode
from coord.cli.output import Format, print_bytes, print_json, print_table, write_out

Command = Callable[..., Any]


@click.group(name="bench")
def bench() -> None:
    """Measure a cluster: rate and latency of one kind of request.

    It writes under the prefix bench/ and leaves the keys there.

    \b
    Example:
        coord bench put --clients 1000 --total 100000 --processes 2
        coord bench get --clients 1000 -w json
        coord bench watch --clients 100 --total 1000 --writes 10
    """


def _load_options(clients: int, total: int) -> Callable[[Command], Command]:
    """Give a command the options every load has, and print the report it returns."""

    def decorate(command: Command) -> Command:
        @click.option(
            "--clients", type=click.IntRange(1, 100_000), default=clients, show_default=True,
            help="Single requests in flight in all; watch: watchers.",
        )  # fmt: skip
        @click.option(
            "--total", type=click.IntRange(1), default=total, show_default=True,
            help="Requests to make in all; watch: writes to see.",
        )  # fmt: skip
        @click.option(
            "--processes", type=click.IntRange(1, 64), default=1, show_default=True,
            help="Processes the clients are spread over, with one connection each to a node.",
        )  # fmt: skip
        @click.option(
            "--key-size", "key_bytes", type=click.IntRange(22, 4096), default=32,
            show_default=True, help="Bytes of a key.",
        )  # fmt: skip
        @click.option(
            "--val-size", "value_bytes", type=click.IntRange(20, 1 << 20), default=256,
            show_default=True, help="Bytes of a value.",
        )  # fmt: skip
        @click.option(
            "--keys", type=click.IntRange(1, 10_000_000), default=10_000, show_default=True,
            help="Keys that are read, and written first.",
        )  # fmt: skip
        @click.option(
            "--first", type=click.IntRange(0), default=0, show_default=True,
            help="Number of the first key written: another one gives other keys. Not for watch.",
        )  # fmt: skip
        @click.option(
            "--endpoints", envvar="COORD_ENDPOINTS", default="", metavar="ADDRESSES",
            help="Client addresses of some members. Default: COORD_ENDPOINTS, else this "
            "machine's own embedded store.",
        )  # fmt: skip
        @click.option(
            "--timeout", "timeout_ms", type=SECONDS, default="10", show_default=True,
            help="Seconds a request may take, all attempts together.",
        )  # fmt: skip
        @write_out()
        @functools.wraps(command)
        def run(form: Format, processes: int, endpoints: str, **options: Any) -> int:
            addresses = tuple(part.strip() for part in endpoints.split(",") if part.strip())
            plan = LoadPlan(op=command.__name__, endpoints=addresses, **_own(options))
            report = command(plan, processes, **_others(options))
            _print(report, form)
            return ExitCode.NOT_DONE if report.failed else ExitCode.OK

        return run

    return decorate


_OTHERS = ("writes",)


def _own(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _OTHERS}


def _others(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in _OTHERS}


def _print(report: Report, form: Format) -> None:
    if form is Format.JSON:
        print_json(report.to_json())
    elif form is Format.SIMPLE:
        print_bytes(*(line.encode() for line in report.to_lines()))
    else:
        fields = report.to_json()
        print_table(fields, [fields.values()])


def run_load(plan: LoadPlan, processes: int) -> Report:
    """Run one load of anything but watches, and measure it."""
    if plan.op in NEEDS_KEYS:
        asyncio.run(_fill(plan))
    return merge(plan.op, plan.clients, run_plans(split_plan(plan, processes)))


async def _fill(plan: LoadPlan) -> None:
    async with aio.connect(plan.endpoints or None, timeout_ms=plan.timeout_ms) as client:
        await fill(client, plan)


def run_watch(plan: LoadPlan, processes: int, writes: int) -> Report:
    """Let clients watch one prefix while a process of its own writes to it, and measure events."""
    processes = min(processes, plan.clients)
    watching = [
        attrs.evolve(plan, clients=share_of(plan.clients, processes, place), watch_total=plan.total)
        for place in range(processes)
    ]
    writing = attrs.evolve(plan, op="watched", clients=min(writes, plan.total), first=0)
    *shares, writer = run_plans([*watching, writing])
    report = merge("watch", plan.clients, shares, began_ns=writer.began_ns)
    return attrs.evolve(report, failed=report.failed + writer.failed)


def _add(op: str, words: str, clients: int, total: int) -> None:
    def command(plan: LoadPlan, processes: int) -> Report:
        return run_load(plan, processes)

    command.__name__ = op
    command.__doc__ = (
        f"{words}\n\n\b\nExample:\n    coord bench {op} --clients 1000 --processes 2\n"
    )
    bench.command(name=op)(_load_options(clients, total)(command))


_add("put", "Write new keys, in no order.", 1000, 100_000)
_add("get", "Read keys, linearizably: each read sees every write made before it.", 1000, 100_000)
_add("sget", "Read keys from whatever the asked node has, maybe stale.", 1000, 100_000)
_add("txn", "Write new keys by transactions: put if missing, else read.", 1000, 100_000)
_add("keepalive", "Renew leases, one of each client.", 100, 20_000)
_add("mixed", "Read four times for each write, over the same keys.", 1000, 100_000)


@bench.command(name="watch")
@click.option(
    "--writes", type=click.IntRange(1, 10_000), default=1, show_default=True,
    help="Writes in flight.",
)  # fmt: skip
@_load_options(clients=100, total=1000)
def watch(plan: LoadPlan, processes: int, writes: int) -> Report:
    """Watch one prefix with many watchers while another process writes to it.

    The rate is of events delivered, each watcher's counted; the latency is from before the put to
    the event in the watcher's hands. An event seen twice counts as failed; one missed stops the
    run.

    \b
    Example:
        coord bench watch --clients 100 --total 1000 --writes 10
    """
    return run_watch(plan, processes, writes)
