"""How a gate's condition is typed: options for what is common, JSON for what is nested."""

import datetime
import re
from collections.abc import Callable, Sequence
from typing import Any, cast, get_args

import click

from coord.cli.arguments import SECONDS
from workers.gates.conditions import (
    AllOf,
    AnyOf,
    Condition,
    JobThere,
    QueuePlace,
    QueueSize,
    Signal,
    Time,
)
from workers.gates.gate import parse_condition

_SIZE = re.compile(r"([^/=]+)(?:/([a-z]+))?=(\d+)")
_PLACES = get_args(QueuePlace)


def condition_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `condition_of` takes."""
    for option in reversed(
        (
            click.option(
                "--size",
                "sizes",
                multiple=True,
                metavar="QUEUE[/PLACE]=N",
                help="At least N jobs of QUEUE are ready, or in PLACE. May be repeated.",
            ),
            click.option("--there", multiple=True, metavar="JOB", help="JOB waits or runs."),
            click.option("--ended", multiple=True, metavar="JOB", help="JOB has ended."),
            click.option("--signal", "signals", multiple=True, help="This signal was given."),
            click.option("--at", metavar="TIME", help="It is TIME: 2026-11-22T18:00:00+01:00."),
            click.option("--after", "after_ms", type=SECONDS, help="So many seconds have passed."),
            click.option("--any", "any_of", is_flag=True, help="Any of these, instead of all."),
            click.option("--when", metavar="JSON", help="A condition as JSON, besides the others."),
        )
    ):
        command = option(command)
    return command


def condition_of(
    now_unix_ms: int,
    sizes: Sequence[str],
    there: Sequence[str],
    ended: Sequence[str],
    signals: Sequence[str],
    at: str | None,
    after_ms: int | None,
    any_of: bool,
    when: str | None,
) -> Condition:
    """Return the condition that options stand for.

    Raises:
        UsageError: there is none, or one is not what it should be.
        Misuse: the JSON is none.
    """
    parts: list[Condition] = [*map(_size, sizes)]
    parts += [JobThere(job) for job in there]
    parts += [JobThere(job, ended=True) for job in ended]
    parts += [Signal(name) for name in signals]
    if at is not None:
        parts.append(Time(_unix_ms(at)))
    if after_ms is not None:
        parts.append(Time(now_unix_ms + after_ms))
    if when is not None:
        parts.append(parse_condition(when))
    if not parts:
        raise click.UsageError("say what opens it: --size, --ended, --signal, --at, --when ...")
    if len(parts) == 1:
        return parts[0]
    return AnyOf(tuple(parts)) if any_of else AllOf(tuple(parts))


def _size(text: str) -> QueueSize:
    found = _SIZE.fullmatch(text)
    place = found.group(2) or "ready" if found else ""
    if found is None or place not in _PLACES:
        detail = f"{text!r} is no QUEUE=N or QUEUE/PLACE=N; places are {', '.join(_PLACES)}"
        raise click.BadParameter(detail, param_hint="--size")
    return QueueSize(found.group(1), int(found.group(3)), cast("QueuePlace", place))


def _unix_ms(text: str) -> int:
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time", param_hint="--at") from None
    if at.tzinfo is None:
        detail = f"{text!r}: say in which time zone, as in +01:00 or Z"
        raise click.BadParameter(detail, param_hint="--at")
    return round(at.timestamp() * 1000)
