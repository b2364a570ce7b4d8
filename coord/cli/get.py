"""`coord get`: read a key, or many."""

from typing import Any

import click

import coord
from coord import ops
from coord.cli.arguments import BYTES, COUNT, REVISION
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
from coord.requests import Range, RangeReply, SortOrder, SortTarget

_TARGETS = {
    "CREATE": SortTarget.CREATE,
    "KEY": SortTarget.KEY,
    "MODIFY": SortTarget.MOD,
    "VALUE": SortTarget.VALUE,
    "VERSION": SortTarget.VERSION,
}
_ORDERS = {"ASCEND": SortOrder.ASCEND, "DESCEND": SortOrder.DESCEND}


@click.command(name="get")
@click.argument("key", type=BYTES)
@click.argument("range_end", type=BYTES, required=False)
@click.option("--prefix", is_flag=True, help="Every key that starts with KEY; empty for all.")
@click.option("--from-key", is_flag=True, help="Every key from KEY on, in byte order.")
@click.option("--rev", type=REVISION, default=0, help="As the store was at this revision.")
@click.option("--limit", type=COUNT, default=0, help="At most so many keys.")
@click.option(
    "--sort-by", type=click.Choice(list(_TARGETS), case_sensitive=False), help="Sort the answer."
)
@click.option("--order", type=click.Choice(list(_ORDERS), case_sensitive=False), help="Sort order.")
@click.option("--keys-only", is_flag=True, help="Leave out the values.")
@click.option("--count-only", is_flag=True, help="Only count.")
@click.option("--print-value-only", is_flag=True, help="Simple output: only the values.")
@click.option(
    "--serializable", is_flag=True, help="What one node has, without asking the leader: fast, old."
)
@write_out()
@with_client
def get(
    client: coord.Client, form: Format, print_value_only: bool, serializable: bool, **options: Any
) -> None:
    """Read KEY, or the keys of [KEY, RANGE_END).

    Prints the key on one line and its value on the next; nothing where there is no such key.

    \b
    Example:
        coord get greeting
        coord get --prefix config/ --keys-only
        coord get --prefix job/ --sort-by CREATE --order DESCEND --limit 10
        coord get greeting --rev 4 -w json
    """
    op = get_op(**options)
    reply = client.get(
        op.key,
        range_end=op.range_end or None,
        limit=op.limit,
        revision=op.revision,
        sort_order=op.sort_order,
        sort_target=op.sort_target,
        keys_only=op.keys_only,
        count_only=op.count_only,
        serializable=serializable,
    )
    if form is Format.JSON:
        print_json(get_json(reply))
    elif op.count_only:
        print_bytes(str(reply.count).encode())
    elif form is Format.TABLE:
        print_kvs_table(reply.kvs)
    elif print_value_only:
        print_bytes(*(kv.value for kv in reply.kvs))
    else:
        print_get(reply)


def get_op(
    key: bytes,
    range_end: bytes | None,
    prefix: bool,
    from_key: bool,
    rev: int,
    limit: int,
    sort_by: str | None,
    order: str | None,
    keys_only: bool,
    count_only: bool,
) -> Range:
    """Build the operation these options stand for; Misuse when they contradict another."""
    return ops.get(
        key,
        range_end=range_end,
        prefix=prefix,
        from_key=from_key,
        limit=limit,
        revision=rev,
        sort_order=_ORDERS[order.upper()] if order else SortOrder.NONE,
        sort_target=_TARGETS[sort_by.upper()] if sort_by else SortTarget.KEY,
        keys_only=keys_only,
        count_only=count_only,
    )


def print_get(reply: RangeReply) -> None:
    """Write a read's answer in simple form."""
    print_bytes(*(line for kv in reply.kvs for line in (kv.key, kv.value)))


def get_json(reply: RangeReply) -> dict[str, Any]:
    """Return a read's answer for JSON."""
    return {
        "header": header_json(reply.revision),
        "kvs": [kv_json(kv) for kv in reply.kvs],
        "more": reply.more,
        "count": reply.count,
    }
