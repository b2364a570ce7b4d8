"""`coord queue gate`: hold a queue of items shut until a condition is met; say what is missing."""

from datetime import datetime
from typing import Any

import click
import msgspec

from coord.cli.arguments import BYTES, SECONDS
from coord.cli.output import Format, print_json, print_table, write_out
from recipes.commands.connection import with_aio_client
from recipes.commands.queue_gate import SIGNAL, QueueGate
from recipes.commands.queue_items import folder, prefixed
from recipes.conditions import AllOf, AnyOf, Condition, Leaf, Present, Signal, Size, Time, Verdict
from recipes.gate_records import Explanation
from recipes.port import SessionStore


@click.command(name="gate")
@click.argument("name")
@click.option("--size", "target", type=click.IntRange(1), help="Shut until so many items wait.")
@click.option("--item", help="Shut until this item has come; it is taken before the rest.")
@click.option("--signal", is_flag=True, help="Shut until --send gives the signal.")
@click.option("--after", "after_ms", type=SECONDS, help="Shut for so many seconds.")
@click.option("--at", help="Shut until a time: 2026-11-22T18:00, with +01:00 or of this place.")
@click.option("--any", "is_any", is_flag=True, help="One of the conditions is enough.")
@click.option("--send", "message", type=BYTES, metavar="MESSAGE", help="Give the signal.")
@click.option("--open", "opened_by", metavar="WHO", help="Open it by hand; WHO did is shown.")
@click.option("--remove", is_flag=True, help="Take the gate away.")
@click.option("--wait", is_flag=True, help="Wait until it is open.")
@prefixed
@write_out()
@with_aio_client
async def gate(
    client: SessionStore,
    form: Format,
    name: str,
    is_any: bool,
    message: bytes | None,
    opened_by: str | None,
    remove: bool,
    wait: bool,
    prefix: str,
    **wanted: Any,
) -> None:
    """Hold the queue NAME shut until a condition is met; without options say what it waits for.

    While it is shut `coord queue take` takes nothing; whoever waits there, or with --wait here,
    opens it in the moment the conditions are met, for good. All conditions given must be met, or
    with --any one of them. Given anew, they replace those before.

    \b
    Example:
        coord queue gate mail --size 100 --signal
        coord queue gate mail
        coord queue gate mail --send 'checked by ann'
    """
    start = folder(prefix, name)
    gate = QueueGate(client, start.encode())
    condition = _condition(start, is_any=is_any, **wanted)
    asked = [condition is not None, message is not None, opened_by is not None, remove]
    if sum(asked) > 1:
        raise click.UsageError("conditions, --send, --open and --remove exclude each other")
    if condition is not None:
        await gate.set(condition)
    elif message is not None:
        await client.put(_signal_key(start), message)
    elif opened_by is not None and not await gate.force(opened_by):
        raise click.ClickException(f"{name} has no gate")
    elif remove:
        await gate.remove()
    if wait:
        await gate.wait()
    _print(name, await gate.explain(), form)


def _condition(
    start: str,
    *,
    target: int | None,
    item: str | None,
    signal: bool,
    after_ms: int | None,
    at: str | None,
    is_any: bool,
) -> Condition | None:
    parts: list[Leaf] = []
    if target is not None:
        parts.append(Size(f"{start}ready/", target))
    if item is not None:
        parts.append(Present(start, item))
    if signal:
        parts.append(Signal(_signal_key(start)))
    if after_ms is not None:
        parts.append(Time(after_ms=after_ms))
    if at is not None:
        parts.append(Time(at_unix_ms=_unix_ms(at)))
    if not parts:
        if is_any:
            raise click.UsageError("--any of nothing")
        return None
    if len(parts) == 1:
        return parts[0]
    return AnyOf(tuple(parts)) if is_any else AllOf(tuple(parts))


def _signal_key(start: str) -> str:
    return f"{start}gate{SIGNAL.decode()}"


def _unix_ms(at: str) -> int:
    try:
        return round(datetime.fromisoformat(at).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{at!r} is no time: {error}", param_hint="--at") from None


def _print(name: str, told: Explanation | None, form: Format) -> None:
    if form is Format.JSON:
        fields = {} if told is None else msgspec.to_builtins(told)
        print_json({"queue": name, "is_open": told is None or told.is_open, **fields})
    elif told is None:
        click.echo(f"{name} has no gate")
    elif form is Format.TABLE:
        print_table(("condition", "value", "target", "met by"), _rows(told.verdict))
    else:
        click.echo(told)


def _rows(verdict: Verdict, depth: int = 0) -> list[tuple[str, int, int, str]]:
    met = "" if verdict.met is None else verdict.met.by or f"revision {verdict.met.revision}"
    row = (2 * depth * " " + verdict.condition, verdict.value, verdict.target, met)
    return [row, *(each for part in verdict.of for each in _rows(part, depth + 1))]
