"""`coord put`: write one key."""

import sys
from typing import Any

import click

import coord
from coord import ops
from coord.cli.arguments import BYTES, LEASE
from coord.cli.connection import with_client
from coord.cli.output import (
    Format,
    header_json,
    kv_json,
    print_bytes,
    print_json,
    print_kvs_table,
    write_out,
)
from coord.requests import Put, PutReply


@click.command(name="put")
@click.argument("key", type=BYTES)
@click.argument("value", type=BYTES, required=False)
@click.option("--lease", type=LEASE, default="0", help="Hang the key on this lease (hexadecimal).")
@click.option("--prev-kv", is_flag=True, help="Also print what the key was before.")
@click.option("--ignore-value", is_flag=True, help="Keep the value the key has; it must exist.")
@click.option("--ignore-lease", is_flag=True, help="Keep the lease the key has; it must exist.")
@write_out()
@with_client
def put(client: coord.Client, form: Format, **options: Any) -> None:
    """Write VALUE to KEY; without VALUE, what standard input holds.

    Prints OK. After `--`, a value may start with a dash.

    \b
    Example:
        coord put greeting hello
        coord put --lease 3513a202ebaf0c0d service/a 10.0.0.1:80
        coord put config < config.json
    """
    if options["value"] is None and not options["ignore_value"]:
        options["value"] = sys.stdin.buffer.read()
    op = put_op(**options)
    reply = client.put(
        op.key,
        op.value,
        lease=op.lease,
        prev_kv=op.prev_kv,
        ignore_value=op.ignore_value,
        ignore_lease=op.ignore_lease,
    )
    if form is Format.SIMPLE:
        print_put(reply)
    elif form is Format.JSON:
        print_json(put_json(reply))
    else:
        print_kvs_table([reply.prev_kv] if reply.prev_kv else [])


def put_op(
    key: bytes,
    value: bytes | None,
    lease: int,
    prev_kv: bool,
    ignore_value: bool,
    ignore_lease: bool,
) -> Put:
    """Build the operation these options stand for; Misuse when they contradict another."""
    return ops.put(
        key,
        value or b"",
        lease=lease,
        prev_kv=prev_kv,
        ignore_value=ignore_value,
        ignore_lease=ignore_lease,
    )


def print_put(reply: PutReply) -> None:
    """Write a put's answer in simple form."""
    print_bytes(b"OK")
    if reply.prev_kv is not None:
        print_bytes(reply.prev_kv.key, reply.prev_kv.value)


def put_json(reply: PutReply) -> dict[str, Any]:
    """Return a put's answer for JSON."""
    found: dict[str, Any] = {"header": header_json(reply.revision)}
    if reply.prev_kv is not None:
        found["prev_kv"] = kv_json(reply.prev_kv)
    return found
