"""`coord queue put`, `take`, `items`: items of a queue, for people and scripts."""

import asyncio
import functools
import sys
from collections.abc import Sequence
from typing import Any

import click

from coord.cli.arguments import BYTES, SECONDS
from coord.cli.output import (
    Format,
    bytes_json,
    print_bytes,
    print_json,
    print_table,
    readable,
    write_out,
)
from coord.client import ops
from recipes.commands.connection import cluster_options, connecting, with_aio_client
from recipes.commands.queue_gate import QueueGate
from recipes.commands.queue_taking import Taking, Wanted
from recipes.commands.rest import RestCommand, rest_option
from recipes.commands.running import Stage
from recipes.consumer import Consumer
from recipes.port import KeyStore, SessionStore
from recipes.queue import Claimed, Queue, QueueSettings

PREFIX = "queues/"
PLACES = ("ready", "held", "done", "dead")


def prefixed(command: Any) -> Any:
    """Add `--prefix`."""
    return click.option(
        "--prefix", default=PREFIX, show_default=True, help="Under which keys queues are."
    )(command)


def folder(prefix: str, name: str) -> str:
    """Return the key prefix of a queue.

    Raises:
        click.BadParameter: no name, or one with a slash.
    """
    if not name or "/" in name:
        raise click.BadParameter(f"{name!r}; not empty and without a slash", param_hint="NAME")
    return f"{prefix}{name}/"


@click.command(name="put")
@click.argument("name")
@click.argument("bodies", metavar="[BODY]...", type=BYTES, nargs=-1)
@click.option("--first", is_flag=True, help="Before all items that were not put so.")
@click.option("--lines", is_flag=True, help="Each line of stdin is an item.")
@prefixed
@write_out()
@with_aio_client
async def put(
    client: SessionStore,
    form: Format,
    name: str,
    bodies: Sequence[bytes],
    first: bool,
    lines: bool,
    prefix: str,
) -> None:
    """Append items to the queue NAME and print their ids, which sort by arrival.

    Without BODY the item is what stdin says. Several items are put in one step, all or none.

    \b
    Example:
        coord queue put mail 'to: ann' 'to: bob'
        coord queue put mail --first 'to: the whole staff'
        ls | coord queue put files --lines
    """
    if lines and bodies:
        raise click.UsageError("--lines takes no BODY")
    if not bodies:
        given = await asyncio.to_thread(sys.stdin.buffer.read)
        bodies = given.splitlines() if lines else [given]
    if not bodies:
        raise click.UsageError("no lines on stdin: nothing to put")
    queue = Queue(client, folder(prefix, name))
    reply = await client.txn(success=[queue.putting(body, first=first) for body in bodies])
    ids = [readable(getattr(put, "key", b"").removeprefix(queue.ready)) for put in reply.replies]
    if form is Format.JSON:
        print_json({"revision": reply.revision, "ids": ids})
    elif form is Format.TABLE:
        print_table(("id", "body"), zip(ids, bodies, strict=True))
    else:
        click.echo("\n".join(ids))


@click.command(name="take", cls=RestCommand)
@click.argument("name")
@click.option(
    "--count", type=click.IntRange(0), default=1, show_default=True,
    help="Items to take; 0: go on until told to end.",
)  # fmt: skip
@click.option("--try", "only_try", is_flag=True, help="Do not wait: end with 4 if there is none.")
@click.option("--wait", "wait_ms", type=SECONDS, help="Seconds to wait for an item at most.")
@click.option(
    "--ttl", "ttl_ms", type=SECONDS, default="10", show_default=True,
    help="Seconds after this process's last sign of life before its items go to others.",
)  # fmt: skip
@click.option(
    "--attempts", type=click.IntRange(1, 1000), default=5, show_default=True,
    help="Attempts of one item before it is buried.",
)  # fmt: skip
@rest_option("Run COMMAND for each item, with the item on its stdin. Must come last.")
@prefixed
@write_out()
@cluster_options
def take(
    name: str,
    count: int,
    only_try: bool,
    wait_ms: int | None,
    ttl_ms: int,
    attempts: int,
    command: tuple[str, ...],
    prefix: str,
    form: Format,
    endpoints: str | None,
    timeout_ms: int,
) -> int:
    """Take the first item of the queue NAME, print it, and complete it.

    With --exec a command is run instead, with the item on stdin and COORD_ITEM_ID,
    COORD_ITEM_ATTEMPT and COORD_ITEM_TOKEN in its environment. The item is completed when it ends
    with 0; else it goes back in line, or is buried after its last attempt, and the exit code is the
    command's. TERM is passed on to the command; what is not completed then is handed back.

    \b
    Example:
        coord queue take mail
        coord queue take mail --count 0 --exec sendmail -t
    """
    if only_try and wait_ms is not None:
        raise click.UsageError("--try and --wait exclude each other")
    start = folder(prefix, name)
    wanted = Wanted(count, 0 if only_try else wait_ms, command)
    stage = Stage()
    connection = connecting(endpoints, timeout_ms)

    async def work() -> int:
        async with connection as client, client.session(ttl_ms) as session:
            queue = Queue(client, start, QueueSettings(attempts))
            gate = QueueGate(client, queue.prefix)
            consumer = Consumer(queue, session, f"command-{session.lease:x}", gate)

            tell = functools.partial(_print_item, form)
            return await Taking(client, session, consumer, gate, stage, tell).run(wanted)

    return asyncio.run(stage.run(work()))


@click.command(name="items")
@click.argument("name", required=False)
@click.option(
    "--place", "places", type=click.Choice(PLACES), multiple=True,
    help="Only items that are there; may be repeated. Default: ready and held.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True,
    help="Items of each place at most.",
)  # fmt: skip
@prefixed
@write_out()
@with_aio_client
async def items(
    client: SessionStore,
    form: Format,
    name: str | None,
    places: Sequence[str],
    limit: int,
    prefix: str,
) -> None:
    """List the items of the queue NAME, or count those of every queue.

    An item is its place, its id, who holds it or -, and its body.

    \b
    Example:
        coord queue items
        coord queue items mail --place dead
    """
    if name is None:
        await _print_counts(client, prefix, form)
        return
    queue = Queue(client, folder(prefix, name))
    found = []
    for place in places or ("ready", "held"):
        start = queue.prefix + f"{place}/".encode()
        for kv in (await client.get(start, prefix=True, limit=limit)).kvs:
            holder, _, item = kv.key.removeprefix(start).rpartition(b"/")
            found.append((place, readable(item), readable(holder), kv.claims, kv.value))
    if form is Format.JSON:
        fields = ("place", "id", "by", "attempts")
        print_json([
            dict(zip(fields, row[:4], strict=True)) | {"body": bytes_json(row[4])} for row in found
        ])  # fmt: skip
    elif form is Format.TABLE:
        print_table(("place", "id", "by", "attempts", "body"), found)
    else:
        print_bytes(*(f"{row[0]} {row[1]} {row[2] or '-'} ".encode() + row[4] for row in found))


async def _print_counts(client: KeyStore, prefix: str, form: Format) -> None:
    rows = []
    for name in await queue_names(client, prefix):
        counts = await Queue(client, folder(prefix, name)).counts()
        rows.append((name, counts.ready, counts.held, counts.done, counts.dead))
    if form is Format.JSON:
        print_json({row[0]: dict(zip(PLACES, row[1:], strict=True)) for row in rows})
    elif form is Format.TABLE:
        print_table(("queue", *PLACES), rows)
    else:
        for name, ready, held, done, dead in rows:
            click.echo(f"{name} ready {ready} held {held} done {done} dead {dead}")


async def queue_names(client: KeyStore, prefix: str) -> list[str]:
    """Return the names of all queues under a prefix: one small read for each."""
    names = []
    start, (_, end) = prefix.encode(), ops.key_range(prefix, None, True, False)
    while (found := await client.get(start, range_end=end, limit=1)).kvs:
        name = found.kvs[0].key.removeprefix(prefix.encode()).partition(b"/")[0]
        names.append(readable(name))
        start = prefix.encode() + name + b"0"  # what sorts right behind all of NAME/
    return sorted(names)


def _print_item(form: Format, item: Claimed, outcome: str) -> None:
    if form is Format.JSON:
        told = {"id": item.id, "attempt": item.attempt, "body": bytes_json(item.body)}
        print_json({**told, "outcome": outcome})
    elif form is Format.TABLE:
        click.echo(f"{item.id}  {item.attempt:>3}  {outcome:9}  {readable(item.body)}")
    elif outcome == "taken":
        print_bytes(item.body)
    sys.stdout.flush()
