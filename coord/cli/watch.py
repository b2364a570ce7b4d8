"""`coord watch`: print changes as they happen."""

from typing import Any

import click

import coord
from coord.cli.arguments import BYTES, REVISION, lease_text
from coord.cli.connection import with_client
from coord.cli.output import Format, kv_json, print_bytes, print_json, readable, write_out
from coord.client.watch import WatchBatch
from coord.model import Event


@click.command(name="watch")
@click.argument("key", type=BYTES)
@click.argument("range_end", type=BYTES, required=False)
@click.option("--prefix", is_flag=True, help="Every key that starts with KEY; empty for all.")
@click.option("--from-key", is_flag=True, help="Every key from KEY on, in byte order.")
@click.option("--rev", type=REVISION, default=0, help="Start with this revision; 0: from now.")
@click.option("--prev-kv", is_flag=True, help="Also print what the key was before.")
@write_out()
@with_client
def watch(client: coord.Client, form: Format, key: bytes, rev: int, **options: Any) -> None:
    """Print every change of KEY, or of the keys of [KEY, RANGE_END), until Ctrl-C.

    A change is three lines: PUT or DELETE, the key, the value; with --prev-kv the key and value
    from before come first. Survives reconnects and leader changes without gap or repetition. Ends
    with 1 when the history it needs has been compacted.

    \b
    Example:
        coord watch greeting
        coord watch --prefix config/ --rev 1      # from the beginning
        coord watch --prefix job/ -w json
    """
    with client.watch(key, start_revision=rev, **options) as changes:
        for batch in changes:
            if form is Format.JSON:
                print_json(_batch_json(batch))
            elif form is Format.TABLE:
                click.echo("\n".join(_event_row(event) for event in batch.events))
            else:
                print_bytes(*(line for event in batch.events for line in _event_lines(event)))


def _event_lines(event: Event) -> list[bytes]:
    before = [event.prev_kv.key, event.prev_kv.value] if event.prev_kv is not None else []
    return [event.kind.name.encode(), *before, event.kv.key, event.kv.value]


def _event_row(event: Event) -> str:
    """One line for people; a table proper would have to know its widths before the end."""
    kv = event.kv
    lease = f" lease={lease_text(kv.lease)}" if kv.lease else ""
    cause = event.cause.name.lower().replace("_", " ")
    text = f"{kv.mod_revision:>10}  {event.kind.name:<6}  {cause:<10}  {readable(kv.key)}"
    return f"{text}  {readable(kv.value)}{lease}".rstrip()


def _batch_json(batch: WatchBatch) -> dict[str, Any]:
    return {
        "Header": {"revision": batch.revision},
        "Events": [_event_json(event) for event in batch.events],
        "CompactRevision": 0,
        "Canceled": False,
        "Created": False,
    }


def _event_json(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": int(event.kind),
        "cause": event.cause.name.lower(),
        "kv": kv_json(event.kv),
    }
    if event.prev_kv is not None:
        found["prev_kv"] = kv_json(event.prev_kv)
    return found
