"""The `coord` command: loads a subcommand when it is asked for, and ends with one line on errors.

Other packages add subcommands through the entry point group `coord.commands`; they are looked up
after our own names, so they cannot replace one.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from coord.cli.exits import HELP, ExitCode, exit_code
from coord.errors import CoordError
from coord.version import VERSION

EXTENSIONS = "coord.commands"

COMMANDS: dict[str, str] = {
    "bench": "coord.cli.bench:bench",
    "compact": "coord.cli.compact:compact",
    "del": "coord.cli.delete:delete",
    "embedded": "coord.cli.embedded:embedded",
    "get": "coord.cli.get:get",
    "lease": "coord.cli.lease:lease",
    "put": "coord.cli.put:put",
    "serve": "coord.cli.serve:serve",
    "snapshot": "coord.cli.snapshot:snapshot",
    "status": "coord.cli.status:status",
    "transfer-leader": "coord.cli.transfer_leader:transfer_leader",
    "txn": "coord.cli.txn:txn",
    "up": "coord.cli.up:up",
    "version": "coord.cli.version:version",
    "watch": "coord.cli.watch:watch",
}


class CommandLine(click.Group):
    """A group that imports a subcommand only when its name is typed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every name that can be typed."""
        own = [name for name, place in COMMANDS.items() if _module_exists(place)]
        return sorted({*own, *_extensions()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one subcommand."""
        place = COMMANDS.get(cmd_name)
        if place is not None and _module_exists(place):
            module, _, name = place.partition(":")
            found = getattr(importlib.import_module(module), name)
        elif cmd_name in (extensions := _extensions()):
            found = extensions[cmd_name].load()
        else:
            return None
        assert isinstance(found, click.Command), f"{cmd_name} is no click command"
        return found

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; every error becomes one line on stderr and an exit code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            result = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(ExitCode.MISUSE)
        except click.ClickException as error:
            _complain(_one_line(error))
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(ExitCode.INTERRUPTED)
        except CoordError as error:
            _complain(str(error))
            sys.exit(exit_code(error))
        except UnicodeEncodeError as error:
            # An argument that is no UTF-8, given where text is kept; bytes are taken as they are.
            if error.encoding != "utf-8":
                raise
            _complain(f"{error.object!r:.200} is no text that UTF-8 can express")
            sys.exit(ExitCode.MISUSE)
        except OSError as error:
            _complain(str(error))
            sys.exit(ExitCode.NOT_DONE)
        sys.exit(result if isinstance(result, int) else ExitCode.OK)


def _module_exists(place: str) -> bool:
    return importlib.util.find_spec(place.partition(":")[0]) is not None


def _extensions() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=EXTENSIONS)}


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message} (see {context.command_path} --help)" if context is not None else message


def _complain(message: str) -> None:
    click.echo(f"coord: {message}", err=True)


@click.command(cls=CommandLine, name="coord", epilog=HELP)
@click.version_option(VERSION, prog_name="coord")
def main() -> None:
    """Run and use a coord cluster.

    Start one on this machine and use it:

    \b
        coord up --nodes 3 --data-dir /tmp/coord-data &
        export COORD_ENDPOINTS=tcp://127.0.0.1:7412,tcp://127.0.0.1:7422,tcp://127.0.0.1:7432
        coord put greeting hello
        coord get greeting
    """


if __name__ == "__main__":
    main()
