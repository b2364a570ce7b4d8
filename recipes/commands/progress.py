"""`coord progress`: how far each task is, once or followed."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.live import Live as LiveDisplay
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from coord.cli.output import PIPED_WIDTH, Format, print_json, write_out
from recipes.commands.connection import with_aio_client
from recipes.port import SessionStore
from recipes.progress import Board, Progress, rolled_up

PREFIX = "progress/"
BAR_COLUMNS = 30

Tasks = Mapping[str, Progress]


@click.command(name="progress")
@click.argument("tasks", required=False, default="")
@click.option("--follow", is_flag=True, help="Go on and show each change, until Ctrl-C.")
@click.option(
    "--prefix", default=PREFIX, show_default=True, help="Under which keys progress is reported."
)
@write_out()
@with_aio_client
async def progress(
    client: SessionStore, form: Format, tasks: str, follow: bool, prefix: str
) -> None:
    """Show how far the tasks are whose names begin with TASKS; all tasks without it.

    A task is shown as NAME DONE/TOTAL MESSAGE (total ? when it is not known), for as long as who
    reports it lives. Followed, a task that is gone is -NAME; on a terminal -w table draws bars.

    \b
    Example:
        coord progress
        coord progress index/ --follow
        coord progress index/ --follow -w table
    """
    async with Board(client, prefix + tasks) as board:
        if not follow:
            _print_once(_named(board, tasks), form)
            return
        if form is Format.TABLE and sys.stdout.isatty():
            with LiveDisplay(auto_refresh=False) as display:
                await _follow(board, tasks, lambda old, new: _draw(display, new))
        else:
            changes = _Changes(form)
            await _follow(board, tasks, changes.print)


async def _follow(board: Board, tasks: str, show: Callable[[Tasks, Tasks], None]) -> None:
    before: Tasks = {}
    while True:
        now = _named(board, tasks)
        show(before, now)
        before = now
        await board.change()


def _named(board: Board, tasks: str) -> dict[str, Progress]:
    """Return what the board shows, by the names the tasks were reported under."""
    return {tasks + rest: each for rest, each in board.tasks.items()}


def _print_once(tasks: Tasks, form: Format) -> None:
    if form is Format.JSON:
        print_json({name: msgspec.to_builtins(each) for name, each in tasks.items()})
    elif form is Format.TABLE:
        width = None if sys.stdout.isatty() else PIPED_WIDTH
        Console(file=sys.stdout, highlight=False, width=width).print(_table(tasks))
    else:
        for name, each in tasks.items():
            click.echo(_line(name, each))


class _Changes:
    """Prints what has changed, with the rate since a task was seen first."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._first: dict[str, tuple[float, int]] = {}

    def print(self, before: Tasks, now: Tasks) -> None:
        """Print a line for each task that came, moved or went."""
        for name in before.keys() - now.keys():
            self._first.pop(name, None)
        for name in sorted({*before, *now}):
            each = now.get(name)
            if each == before.get(name):
                continue
            if self._form is Format.JSON:
                fields: dict[str, Any] = {} if each is None else msgspec.to_builtins(each)
                rate = None if each is None else self._per_second(name, each)
                print_json({"task": name, "gone": each is None, **fields, "per_second": rate})
            else:
                click.echo(f"-{name}" if each is None else _line(name, each))

    def _per_second(self, name: str, each: Progress) -> float | None:
        now_s = time.monotonic()
        first_s, first_done = self._first.setdefault(name, (now_s, each.done))
        took_s = now_s - first_s
        return round((each.done - first_done) / took_s, 3) if took_s > 0 else None


def _line(name: str, each: Progress) -> str:
    return f"{name} {each.done}/{each.total or '?'} {each.message}".rstrip()


def _draw(display: LiveDisplay, tasks: Tasks) -> None:
    display.update(_table(tasks), refresh=True)


def _table(tasks: Tasks) -> Table:
    table = Table("task", "done", "", "by", "message", header_style="bold")
    rows = dict(tasks)
    if len(rows) > 1:
        rows["(all)"] = rolled_up(tasks.values())
    for name, each in rows.items():
        bar = ProgressBar(total=each.total or None, completed=each.done, width=BAR_COLUMNS)
        done = f"{each.done}/{each.total or '?'}"
        table.add_row(Text(name), done, bar, Text(each.by), Text(each.message))
    return table
