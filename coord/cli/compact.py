"""`coord compact`: forget history."""

import click

import coord
from coord.cli.arguments import REVISION
from coord.cli.connection import with_client
from coord.cli.output import Format, header_json, print_json, print_table, write_out


@click.command(name="compact")
@click.argument("revision", type=REVISION)
@write_out()
@with_client
def compact(client: coord.Client, form: Format, revision: int) -> None:
    """Forget history before REVISION.

    Reads and watches can no longer start from an older revision; the newest version of every key
    stays.

    \b
    Example:
        coord compact 1200
    """
    reply = client.compact(revision)
    if form is Format.JSON:
        print_json({"header": header_json(reply.revision)})
    elif form is Format.TABLE:
        print_table(("compacted revision",), [(revision,)])
    else:
        click.echo(f"compacted revision {revision}")
