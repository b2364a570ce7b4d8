"""How a command reaches schedules: a client, the space they are in, and who gives the command."""

import functools
import getpass
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import click

from coord.client.ops import key_bytes
from recipes.commands.connection import with_aio_client
from recipes.port import SessionStore
from workers.model.places import SPACE_DEFAULT, Places
from workers.schedules.store import ScheduleStore

Command = Callable[..., Coroutine[Any, Any, None]]


def this_person() -> str:
    """Return who gives the command: USER@HOST."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no entry for this user id
        user = "?"
    return f"{user}@{socket.gethostname()}"


def with_schedules(command: Command) -> Callable[..., int]:
    """Give a coroutine a ScheduleStore, and the options that choose cluster and space; run it."""

    @click.option(
        "--space",
        default=SPACE_DEFAULT.decode(),
        show_default=True,
        help="The prefix of all keys of the jobs; that of the application.",
    )
    @with_aio_client
    @functools.wraps(command)
    async def run(client: SessionStore, *args: Any, space: str, **kwargs: Any) -> None:
        store = ScheduleStore(client, Places(key_bytes(space)))
        await command(store, *args, **kwargs)

    return run


def signed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--by` and `--why`: what the history says of an edit."""
    by = click.option("--by", help="Who edits, for the history. Default: USER@HOST.")
    why = click.option("--why", default="", help="Why, for the history.")

    @functools.wraps(command)
    def with_name(*args: Any, by: str | None, **kwargs: Any) -> Any:
        return command(*args, by=by or this_person(), **kwargs)

    return by(why(with_name))
