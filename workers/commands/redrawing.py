"""`--watch`: print a listing again when what it shows has changed, a few times a second at most.

Woken by watch. Events are only taken as news: what is shown is read anew each time.
"""

import asyncio
import errno
import io
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from coord.errors import ErrorCode, Refused
from recipes.port import KeyStore, next_batch

APART_S = 0.25


def watch_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--watch`."""
    words = "Print again whenever it changes, until Ctrl-C."
    return click.option("--watch", is_flag=True, help=words)(command)


async def shown(
    client: KeyStore, prefix: bytes, show: Callable[[], Awaitable[None]], *, watch: bool
) -> None:
    """Show once; with `watch`, again after every change under `prefix`, for ever.

    Raises:
        BrokenPipeError: with `watch`, once nobody reads any more, though nothing changes.
    """
    if not watch:
        await show()
        return
    changed = asyncio.Event()
    following = asyncio.create_task(_follow(client, prefix, changed), name="follow changes")
    unread = False

    def nobody_reads() -> None:
        nonlocal unread
        unread = True
        changed.set()

    try:
        with _told_when_unread(nobody_reads):
            while True:
                await _next(changed, following)
                if unread:
                    raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
                changed.clear()
                if sys.stdout.isatty():
                    click.clear()
                await show()
                sys.stdout.flush()
                await asyncio.sleep(APART_S)
    finally:
        following.cancel()
        await asyncio.wait((following,))


async def _next(changed: asyncio.Event, following: asyncio.Task[None]) -> None:
    """Wait for a change; raise what ended the following."""
    waiting = asyncio.create_task(changed.wait())
    await asyncio.wait((waiting, following), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if following.done():
        following.result()


async def _follow(client: KeyStore, prefix: bytes, changed: asyncio.Event) -> None:
    while True:
        try:
            async with client.watch(prefix, prefix=True) as watch:
                # What is read from now on is followed; what came before was not seen.
                changed.set()
                while True:
                    await next_batch(watch)
                    changed.set()
        except Refused as error:
            if error.code is not ErrorCode.COMPACTED:
                raise


@contextmanager
def _told_when_unread(tell: Callable[[], None]) -> Iterator[None]:
    """Have `tell` called when standard output is a pipe that nobody reads any more.

    Otherwise that is noticed by the next write alone, which may be never.
    """
    try:
        out = sys.stdout.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(out).st_mode)
    except (io.UnsupportedOperation, OSError, ValueError):  # no file at all, or closed
        is_pipe = False
    if not is_pipe:
        yield
        return
    loop = asyncio.get_running_loop()

    def hung_up() -> None:
        loop.remove_reader(out)
        tell()

    loop.add_reader(out, hung_up)  # the writing end of a pipe is never readable, but for this
    try:
        yield
    finally:
        loop.remove_reader(out)
