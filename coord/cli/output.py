"""What commands print: etcdctl's simple lines, its JSON shapes, or a table for people.

Simple output is bytes, exactly as stored. In JSON, keys and values are base64 and numbers are
numbers, so that scripts written for etcdctl read it; fields are never left out when empty.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from coord.model import KeyValue

PIPED_WIDTH = 200  # columns of a table that goes to no terminal


class Format(StrEnum):
    """How answers are written."""

    SIMPLE = "simple"
    JSON = "json"
    TABLE = "table"


def write_out(
    default: Format = Format.SIMPLE,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `-w/--write-out`, handed over as `form`."""
    return click.option(
        "-w",
        "--write-out",
        "form",
        type=click.Choice([form.value for form in Format]),
        default=default.value,
        show_default=True,
        callback=lambda context, parameter, value: Format(value),
        help="How the answer is written.",
    )


def print_bytes(*lines: bytes) -> None:
    """Write each line as it is, with a newline after it."""
    click.echo(b"".join(line + b"\n" for line in lines), nl=False)


def print_json(value: object) -> None:
    """Write one JSON document on one line."""
    click.echo(json.dumps(value, separators=(",", ":")))


def print_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table; in colour only on a terminal."""
    table = Table(*columns, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    Console(file=sys.stdout, highlight=False, width=width).print(table)


def print_kvs_table(kvs: Iterable[KeyValue]) -> None:
    """Write keys with all their fields."""
    columns = ("key", "value", "create revision", "mod revision", "version", "lease")
    print_table(
        columns,
        (
            (kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, _lease(kv.lease))
            for kv in kvs
        ),
    )


def header_json(revision: int) -> dict[str, int]:
    """Return what heads every JSON answer."""
    return {"revision": revision}


def kv_json(kv: KeyValue) -> dict[str, Any]:
    """Return a key in etcdctl's JSON shape, with `claims` besides."""
    return {
        "key": bytes_json(kv.key),
        "create_revision": kv.create_revision,
        "mod_revision": kv.mod_revision,
        "version": kv.version,
        "value": bytes_json(kv.value),
        "lease": kv.lease,
        "claims": kv.claims,
    }


def bytes_json(value: bytes) -> str:
    """Return bytes as JSON carries them."""
    return base64.b64encode(value).decode()


def readable(value: bytes) -> str:
    """Return bytes as text for people; what is not UTF-8 is shown by number."""
    return value.decode(errors="backslashreplace")


def _lease(lease: int) -> str:
    return f"{lease:016x}" if lease else ""


def _cell(value: object) -> str:
    text = readable(value) if isinstance(value, bytes) else str(value)
    return text.replace("[", "\\[")
