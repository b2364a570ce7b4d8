"""An option that takes the rest of the command line: `--exec COMMAND...`, its options included."""

from collections.abc import Callable
from typing import Any

import click

REST = "--exec"
_META = "recipes.commands.rest"


class RestCommand(click.Command):
    """A command one option of which, `--exec`, ends our own options: what follows is not ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Set the rest aside, then parse what is before it."""
        own = args.index("--") if "--" in args else len(args)
        if REST in args[:own]:
            at = args.index(REST)
            rest = args[at + 1 :]
            if rest[:1] == ["--"]:
                rest = rest[1:]
            if not rest:
                raise click.UsageError(f"{REST} wants a command after it", ctx)
            ctx.meta[_META] = tuple(rest)
            args = args[:at]
        return super().parse_args(ctx, args)


def rest_option(words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--exec COMMAND...`, handed over as `command`, a tuple; it is empty when not given."""

    def rest(ctx: click.Context, parameter: click.Parameter, value: object) -> tuple[str, ...]:
        found: tuple[str, ...] = ctx.meta.get(_META, ())
        return found

    return click.option(REST, "command", metavar="COMMAND...", callback=rest, help=words)
