"""`coord version`: what is installed."""

import platform

import click

from coord.cli.output import Format, print_json, print_table, write_out
from coord.frames import PROTOCOL_VERSION
from coord.version import VERSION


@click.command(name="version")
@write_out()
def version(form: Format) -> None:
    """Print the versions of coord, of its protocol and of Python.

    \b
    Example:
        coord version
        coord version -w json
    """
    found = {
        "coord": VERSION,
        "protocol": str(PROTOCOL_VERSION),
        "python": platform.python_version(),
    }
    if form is Format.JSON:
        print_json(found)
    elif form is Format.TABLE:
        print_table(("what", "version"), found.items())
    else:
        for name, number in found.items():
            click.echo(f"{name} {number}")
