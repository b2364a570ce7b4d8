"""How a job and its arguments are typed on the command line."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

from workers.app.call import Call
from workers.app.load import load_app
from workers.app.options import JobOptions, OptionChanges, Unique


def typed_call(
    name: str,
    app: str | None,
    pairs: Sequence[str],
    given: str | None,
    changes: OptionChanges,
) -> Call[Any]:
    """Return the call that a command line asks for.

    Args:
        name: of the job.
        app: package.module:attribute, to check name and arguments by; None: neither is checked.
        pairs: arguments as NAME=VALUE.
        given: arguments as a JSON object, instead.
        changes: options said on the command line.

    Raises:
        Misuse: no such job, or arguments that do not fit.
        UsageError: not an object, or no pair.
    """
    texts = split_pairs(pairs)
    args = _object(given) if given is not None else None
    if args is not None and texts:
        raise click.UsageError("--json and NAME=VALUE exclude another")
    if app is None:
        options = JobOptions().changed(changes)
        return Call(name, {each: guess(texts[each]) for each in texts} | (args or {}), options)
    job = load_app(app).job_type(name).options(**changes)
    return job.call(**(args if args is not None else job.signature.read(texts)))


def split_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """Return NAME=VALUE pairs by name.

    Raises:
        UsageError: one of them is none, or a name comes twice.
    """
    texts: dict[str, str] = {}
    for pair in pairs:
        name, is_there, value = pair.partition("=")
        if not name or not is_there:
            raise click.UsageError(f"{pair!r} is not NAME=VALUE")
        if name in texts:
            raise click.UsageError(f"{name} is given twice")
        texts[name] = value
    return texts


def guess(text: str) -> Any:
    """Return what JSON makes of a text, or the text where that is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text


def option_changes(said: Mapping[str, Any]) -> OptionChanges:
    """Return the options that were said; those left out are the job's own."""
    changes = {name: value for name, value in said.items() if value not in (None, ())}
    if key := changes.pop("unique_key", None):
        window_ms = changes.pop("unique_for_ms", 0)
        policy = changes.pop("unique_policy", "reject")
        changes["unique"] = Unique(key=key, window_ms=window_ms, policy=policy)
    elif changes.keys() & {"unique_for_ms", "unique_policy"}:
        raise click.UsageError("--unique-for and --when-taken need --unique")
    if at := changes.get("at"):
        changes["at"] = _moment(at)
    result: OptionChanges = changes  # type: ignore[assignment]  # names are those of click's options
    return result


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--at {text!r}: write 2026-12-31T23:00 or with +01:00") from None
    try:
        return found if found.tzinfo else found.astimezone()
    except (OverflowError, ValueError):
        raise click.UsageError(f"--at {text!r}: too far from now") from None


def _object(given: str) -> dict[str, Any]:
    try:
        found = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"--json: {error}") from None
    if not isinstance(found, dict):
        raise click.UsageError("--json: an object of arguments by name")
    return found
