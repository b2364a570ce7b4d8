"""`coord gate`: conditions with a name that hold queues shut: set them, look, signal, open."""

import asyncio
from typing import Any

import click

from coord.cli.arguments import SECONDS
from coord.cli.output import Format, print_json, print_table, write_out
from coord.errors import ErrorCode, Unavailable
from workers.commands.confirming import YES, confirm
from workers.commands.gate_condition import condition_of, condition_options
from workers.commands.job_store import with_job_store
from workers.commands.job_text import when as time_text
from workers.commands.plain import plain
from workers.commands.redrawing import shown, watch_option
from workers.gates.explaining import GateExplanation
from workers.gates.gate import Gate, GatePlaces, GateState
from workers.gates.store import GateStore
from workers.store.jobs import JobStore

COLUMNS = ("gate", "state", "since", "because", "queue", "rearm", "openings", "note")


@click.group(name="gate")
def gate() -> None:
    """Set gates, see what they wait for, signal, open, shut and remove them.

    A gate is a condition with a name; it can hold a queue shut until it is true. Whichever worker
    is the steward keeps it, so it opens without anybody waiting for it.

    \b
    Example:
        coord gate set release --queue deploy --signal tested --size deploy=3
        coord gate signal release tested --by ann
        coord gate show release
    """


@gate.command(name="set")
@click.argument("name")
@click.option("--queue", default="", help="Hold this queue shut until it opens.")
@click.option(
    "--rearm",
    type=click.Choice(["never", "empty", "unmet"]),
    default="never",
    show_default=True,
    help="Shut again once the queue is empty, or once the condition does not hold.",
)
@click.option("--note", default="", help="For whoever looks.")
@click.option("--by", default="", help="Who sets it.")
@condition_options
@with_job_store
async def set_(
    store: JobStore, name: str, queue: str, rearm: str, note: str, by: str, **condition: Any
) -> None:
    """Set the gate NAME, or set it anew: it is shut then, and signals given to it are gone.

    What opens it is said by options, all of which have to hold unless --any is given. The JSON of
    --when is as `coord gate show -w json` prints it.

    \b
    Example:
        coord gate set batch --queue parse --size parse=100 --rearm empty
        coord gate set night --queue reports --at 2026-11-22T22:00:00Z --signal now --any
    """
    now_unix_ms = store.site.timer.now_unix_ms()
    opens = condition_of(now_unix_ms, **condition)
    # click has checked what rearm may be.
    await _gates(store).set(Gate(name, opens, queue, rearm, note), by)  # type: ignore[arg-type]
    click.echo(f"gate {name} is set")


@gate.command(name="list")
@watch_option
@write_out(Format.TABLE)
@with_job_store
async def list_(store: JobStore, form: Format, watch: bool) -> None:
    """List all gates: shut or open, since when and why, and which queue they hold.

    \b
    Example:
        coord gate list
        coord gate list -w json
    """
    gates = _gates(store)

    async def show_all() -> None:
        found = await gates.list()
        if form is Format.JSON:
            print_json([_json(each, state) for each, state in found])
        elif form is Format.TABLE:
            print_table(COLUMNS, [_row(each, state) for each, state in found])
        else:
            for each, state in found:
                click.echo(f"{each.name} {_word(state)}")

    await shown(store.client, GatePlaces(store.places).now, show_all, watch=watch)


@gate.command(name="show")
@click.argument("name")
@click.option("--history", is_flag=True, help="And what happened to it, oldest first.")
@write_out()
@with_job_store
async def show(store: JobStore, form: Format, name: str, history: bool) -> None:
    """Say what a gate waits for: each condition, its value and target, who made it hold.

    \b
    Example:
        coord gate show release --history
        coord gate show release -w json
    """
    gates = _gates(store)
    found = await gates.explain(name)
    notes = await gates.history(name) if history else ()
    if form is Format.JSON:
        print_json({**_explanation_json(found), "history": plain(notes)})
        return
    click.echo("\n".join(found.lines()))
    for note in notes:
        click.echo(f"{time_text(note.unix_ms)} {note.what} {'; '.join(note.by)}".rstrip())


@gate.command(name="signal")
@click.argument("name")
@click.argument("signal_name", metavar="SIGNAL")
@click.option("--message", default="", help="For whoever looks.")
@click.option("--by", default="", help="Who gives it.")
@click.option("--withdraw", is_flag=True, help="Take it back instead.")
@with_job_store
async def signal(
    store: JobStore, name: str, signal_name: str, message: str, by: str, withdraw: bool
) -> None:
    """Give SIGNAL to a gate; it stays given until the gate uses it up or is set anew.

    \b
    Example:
        coord gate signal release tested --message "all green" --by ann
    """
    gates = _gates(store)
    if withdraw:
        given = await gates.withdraw(name, signal_name)
        click.echo(f"signal {signal_name} is taken back" if given else "it was not given")
        return
    await gates.signal(name, signal_name, message, by)
    click.echo(f"signal {signal_name} is given")


@gate.command(name="open")
@click.argument("name")
@click.option("--by", default="", help="Who opens it.")
@with_job_store
async def open_(store: JobStore, name: str, by: str) -> None:
    """Open a gate by hand: it stays open until it is shut by hand or set anew.

    \b
    Example:
        coord gate open release --by ann
    """
    await _gates(store).open(name, by)
    click.echo(f"gate {name} is open")


@gate.command(name="shut")
@click.argument("name")
@click.option("--by", default="", help="Who shuts it.")
@with_job_store
async def shut(store: JobStore, name: str, by: str) -> None:
    """Shut a gate; it opens by itself again as soon as its condition holds.

    \b
    Example:
        coord gate shut release
    """
    await _gates(store).shut(name, by)
    click.echo(f"gate {name} is shut")


@gate.command(name="wait")
@click.argument("name")
@click.option("--wait", "wait_ms", type=SECONDS, help="Seconds at most; then it ends with 4.")
@with_job_store
async def wait(store: JobStore, name: str, wait_ms: int | None) -> None:
    """Wait until a gate is open, and print why it is.

    \b
    Example:
        coord gate wait release && deploy
    """
    click.echo("\n".join((await _open_within(_gates(store), name, wait_ms)).by))


@gate.command(name="remove")
@click.argument("name")
@YES
@with_job_store
async def remove(store: JobStore, name: str, yes: bool) -> None:
    """Take a gate away, with its history; it holds its queue shut no more.

    \b
    Example:
        coord gate remove release --yes
    """
    gates = _gates(store)
    found = await gates.explain(name)
    opens = f" and let {found.ready} jobs pass" if found.ready and not found.state.is_open else ""
    confirm(f"remove gate {name}{opens}", yes)
    await gates.remove(name)
    click.echo(f"gate {name} is removed")


def _gates(store: JobStore) -> GateStore:
    return GateStore(store.client, store.places, store.site.timer)


async def _open_within(gates: GateStore, name: str, wait_ms: int | None) -> GateState:
    try:
        async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
            return await gates.wait(name)
    except TimeoutError:
        raise Unavailable("the gate has not opened in time", ErrorCode.TIMED_OUT) from None


def _word(state: GateState) -> str:
    return "open" if state.is_open else "shut"


def _row(found: Gate, state: GateState) -> tuple[object, ...]:
    since, why = time_text(state.since_unix_ms), "; ".join(state.by)
    return (
        found.name, _word(state), since, why, found.queue, found.rearm, state.openings, found.note
    )  # fmt: skip


def _json(found: Gate, state: GateState) -> dict[str, Any]:
    return {**plain(found), "state": plain(state)}


def _explanation_json(found: GateExplanation) -> dict[str, Any]:
    return {
        **_json(found.gate, found.state),
        "verdict": plain(found.verdict),
        "ready": found.ready,
        "shut_by_others": list(found.others),
    }
