"""`coord top`: what is going on, live: members, queues, workers, running jobs, what comes next.

Woken by watch, and by nothing else but time passing on the screen; while much happens it looks at
most once per interval, at counts.
"""

import asyncio
import contextlib
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from coord.cli.arguments import SECONDS
from coord.cli.output import PIPED_WIDTH, Format, print_json, write_out
from coord.errors import CoordError, ErrorCode
from recipes.port import Following, next_batch
from workers.commands.job_store import with_job_store
from workers.overview.looking import look, with_members
from workers.overview.text import Part, as_json, head, parts
from workers.overview.values import Overview, Rates, rates
from workers.store.jobs import JobStore

QUIET_MS = 5_000  # members are asked anew after so long without anything happening in the store
Draw = Callable[[Overview | None, Rates, str], None]
"""Takes what is to be seen, if anything was, and what went wrong since."""


@click.command(name="top")
@click.option(
    "-n",
    "--interval",
    "interval_ms",
    type=SECONDS,
    default="1",
    show_default=True,
    help="Seconds between two looks while something happens.",
)
@click.option("--once", is_flag=True, help="Print it once; so without a terminal.")
@write_out(Format.TABLE)
@with_job_store
async def top(store: JobStore, form: Format, interval_ms: int, once: bool) -> None:
    """Show what is going on: members, queues, workers, running jobs, pipelines, schedules.

    Ended with q or Ctrl-C. "ended/s" of a queue counts endings that are kept; that of a worker
    all it did. "done" are endings kept, those of cancelled and expired jobs too.

    \b
    Example:
        coord top
        coord top --once -w json
    """
    if form is Format.JSON:
        print_json(as_json(await look(store), Rates({}, {})))
    elif once or form is Format.SIMPLE or not sys.stdout.isatty():
        width = None if sys.stdout.isatty() else PIPED_WIDTH
        console = Console(file=sys.stdout, highlight=False, width=width)
        now = await look(store)
        console.print(screen(now, Rates({}, {}), "", now.unix_ms))
    else:
        await _live(store, interval_ms)


def screen(overview: Overview | None, ended: Rates, trouble: str, now_unix_ms: int) -> Group:
    """Return everything as rich draws it."""
    clock = datetime.fromtimestamp(now_unix_ms / 1000).astimezone().strftime("%H:%M:%S")
    lines: list[Text | Table] = [Text(f"coord top  {clock}", style="bold")]
    if trouble:
        lines.append(Text(trouble, style="red"))
    if overview is not None:
        lines += [Text(line, style="red" if bad else "") for line, bad in head(overview)]
        for part in parts(overview, ended, now_unix_ms):
            lines += [Text(""), _table(part)]
    return Group(*lines)


async def follow(store: JobStore, draw: Draw, interval_ms: int) -> None:
    """Look whenever something has happened, for ever; draw at least once per interval.

    The watch is open from before a look until something comes, so that nothing is missed and a
    busy cluster need not send all it does.
    """
    before: Overview | None = None
    ended = Rates({}, {})
    while True:
        try:
            async with store.client.watch(store.places.space, prefix=True) as watch:
                now = await look(store)
                is_new = before is None or not now.shows_the_same(before)
                ended, before = rates(before, now), now
                draw(now, ended, "")
                if not is_new:
                    await _until_news(store, watch, now, draw, interval_ms)
        except CoordError as error:
            if error.code is not ErrorCode.COMPACTED:
                draw(before, Rates({}, {}), str(error))
        await asyncio.sleep(interval_ms / 1000)


async def _until_news(
    store: JobStore, watch: Following, seen: Overview, draw: Draw, interval_ms: int
) -> None:
    """Wait for news, letting time pass on the screen; ask the members now and then."""
    waiting = asyncio.create_task(next_batch(watch))
    quiet_ms = 0
    try:
        while not (await asyncio.wait((waiting,), timeout=interval_ms / 1000))[0]:
            quiet_ms += interval_ms
            if quiet_ms >= QUIET_MS:
                seen, quiet_ms = await with_members(seen, store), 0
            draw(seen, Rates({}, {}), "")
        waiting.result()
    finally:
        waiting.cancel()
        await asyncio.wait((waiting,))


async def _live(store: JobStore, interval_ms: int) -> None:
    timer = store.site.timer
    with Live(screen=True, auto_refresh=False, vertical_overflow="crop") as live, _keys() as left:

        def draw(overview: Overview | None, ended: Rates, trouble: str) -> None:
            now_unix_ms = timer.now_unix_ms()
            live.update(screen(overview, ended, trouble, now_unix_ms), refresh=True)

        following = asyncio.create_task(follow(store, draw, interval_ms), name="follow")
        leaving = asyncio.create_task(left.wait(), name="leave")
        try:
            await asyncio.wait((following, leaving), return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            for task in (following, leaving):
                task.cancel()
            await asyncio.wait((following, leaving))


@contextmanager
def _keys() -> Iterator[asyncio.Event]:
    """Give an event that is set by the key q; Ctrl-C stays a signal."""
    left = asyncio.Event()
    if not sys.stdin.isatty():
        yield left
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    loop = asyncio.get_running_loop()

    def read() -> None:
        typed = os.read(keyboard, 64)
        if not typed or b"q" in typed.lower():
            left.set()

    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, read)
    try:
        yield left
    finally:
        loop.remove_reader(keyboard)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _table(part: Part) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for at, column in enumerate(part.columns):
        numbers = at and all(row[at].replace(".", "").isdigit() or not row[at] for row in part.rows)
        table.add_column(column, justify="right" if numbers else "left", no_wrap=at == 0)
    for row in part.rows:
        table.add_row(*(Text(cell) for cell in row))
    if part.more:
        table.add_row(Text(f"and {part.more} more", style="dim"))
    return table
