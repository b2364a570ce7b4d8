"""Asking before something is destroyed, with the count of what will be."""

import sys

import click

YES = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(what: str, yes: bool) -> None:
    """Ask whether to do `what`, unless `yes` says so already.

    Raises:
        UsageError: nobody is there to be asked.
        Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"this would {what}; say --yes", click.get_current_context())
    click.confirm(f"This will {what}. Go on?", abort=True, err=True)
