"""`-A package.module:attribute`: the application a command works with."""

import sys
from collections.abc import Callable
from typing import Any

import click


def app_option(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `-A/--app`, handed over as `app`; modules of the folder we are started in are found."""
    return click.option(
        "-A",
        "--app",
        "app",
        metavar="MODULE:APP",
        required=required,
        envvar="COORD_APP",
        callback=_findable,
        help="The application, as package.module:attribute. Default: COORD_APP.",
    )


def _findable(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does
    return value
