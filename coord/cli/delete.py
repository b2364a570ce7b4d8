"""`coord del`: delete a key, or many."""

from typing import Any

import click

import coord
from coord import ops
from coord.cli.arguments import BYTES
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
from coord.requests import DeleteRange, DeleteReply


@click.command(name="del")
@click.argument("key", type=BYTES)
@click.argument("range_end", type=BYTES, required=False)
@click.option("--prefix", is_flag=True, help="Every key that starts with KEY.")
@click.option("--from-key", is_flag=True, help="Every key from KEY on, in byte order.")
@click.option("--prev-kv", is_flag=True, help="Also print what was deleted.")
@write_out()
@with_client
def delete(client: coord.Client, form: Format, **options: Any) -> None:
    """Delete KEY, or the keys of [KEY, RANGE_END).

    Prints how many keys were deleted.

    \b
    Example:
        coord del greeting
        coord del --prefix config/
        coord del a c          # a and b..., not c
    """
    op = delete_op(**options)
    reply = client.delete(op.key, range_end=op.range_end or None, prev_kv=op.prev_kv)
    if form is Format.SIMPLE:
        print_delete(reply)
    elif form is Format.JSON:
        print_json(delete_json(reply))
    else:
        print_kvs_table(reply.prev_kvs)


def delete_op(
    key: bytes, range_end: bytes | None, prefix: bool, from_key: bool, prev_kv: bool
) -> DeleteRange:
    """Build the operation these options stand for; Misuse when they contradict another."""
    return ops.delete(key, range_end=range_end, prefix=prefix, from_key=from_key, prev_kv=prev_kv)


def print_delete(reply: DeleteReply) -> None:
    """Write a delete's answer in simple form."""
    print_bytes(str(reply.deleted).encode())
    for kv in reply.prev_kvs:
        print_bytes(kv.key, kv.value)


def delete_json(reply: DeleteReply) -> dict[str, Any]:
    """Return a delete's answer for JSON."""
    return {
        "header": header_json(reply.revision),
        "deleted": reply.deleted,
        "prev_kvs": [kv_json(kv) for kv in reply.prev_kvs],
    }
