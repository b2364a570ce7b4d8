"""Running a command for as long as something is held, and what signals mean meanwhile.

Before the command runs, TERM and Ctrl-C give the wait up. While it runs TERM is passed on to it and
Ctrl-C is left to it, as the terminal sends that to both. When the hold ends first, the command is
told to end by TERM, after `GRACE_S` by KILL: it must not go on as if it still held it. On Linux it
is also told by TERM when this process is killed on the spot.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Any

import click

from coord.cli.exits import ExitCode
from coord.cli.parent_death import die_with_parent

GRACE_S = 5.0
NOT_EXECUTABLE = 126
NOT_FOUND = 127


class Stage:
    """One run of a command that holds something, as signals see it."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._starting = False
        self._stopped_by: signal.Signals | None = None
        self._work: asyncio.Task[int] | None = None

    async def run(self, work: Coroutine[Any, Any, int]) -> int:
        """Run `work`, cancelled by the first TERM or Ctrl-C while no command runs.

        Returns:
            What `work` returned, or the exit code that names the signal.
        """
        loop = asyncio.get_running_loop()
        self._work = asyncio.ensure_future(work)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            return await self._work
        except asyncio.CancelledError:
            if self._stopped_by is None:
                raise
            return 128 + self._stopped_by
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    @property
    def stopped_by(self) -> signal.Signals | None:
        """The signal that came last, if any did: whoever goes on to other work stops."""
        return self._stopped_by

    async def command(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        ended: Callable[[], Coroutine[Any, Any, None]],
        given: bytes | None = None,
    ) -> int | None:
        """Run a command until it ends, or until what it runs under has ended.

        Args:
            command: the program and its arguments.
            environment: variables set for it beside our own.
            ended: waits for the end of what it runs under.
            given: what it reads from its stdin; None: our own stdin.

        Returns:
            Its exit code, as a shell gives it; None when `ended` returned first.
        """
        self._starting = True
        try:
            with _read_from(given) as stdin:
                child = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=stdin,
                    env={**os.environ, **environment},
                    preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),
                )
        except FileNotFoundError:
            return _complain(f"{command[0]}: command not found", NOT_FOUND)
        except OSError as error:
            return _complain(f"{command[0]}: {error.strerror}", NOT_EXECUTABLE)
        finally:
            self._starting = False
        if self._stopped_by is signal.SIGTERM:
            with suppress(ProcessLookupError):
                child.terminate()
        self._child = child
        finished = asyncio.ensure_future(child.wait())
        over = asyncio.ensure_future(ended())
        try:
            await asyncio.wait((finished, over), return_when=asyncio.FIRST_COMPLETED)
            if finished.done():
                return _shell_code(finished.result())
            await _end(child)
            return None
        finally:
            over.cancel()
            await asyncio.gather(over, return_exceptions=True)
            self._child = None

    def _on_signal(self, number: signal.Signals) -> None:
        self._stopped_by = number
        if self._starting:
            return  # it is told as soon as it stands
        if self._child is None:
            assert self._work is not None
            self._work.cancel()
        elif number is signal.SIGTERM:
            with suppress(ProcessLookupError):
                self._child.send_signal(number)


def lost(what: str) -> ExitCode:
    """Say that `what` was lost while it was needed, and return the exit code for that."""
    click.echo(f"coord: the {what} was lost", err=True)
    return ExitCode.NOT_DONE


def say(*lines: bytes) -> None:
    """Write lines to stdout at once, bytes as they are stored."""
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
    sys.stdout.buffer.flush()


@contextmanager
def _read_from(given: bytes | None) -> Iterator[IO[bytes] | None]:
    """Lend a file without a name that holds `given`: unlike a pipe, it may be left unread."""
    if given is None:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write(given)
        file.seek(0)
        yield file


async def _end(child: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(GRACE_S):
            await child.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _shell_code(returned: int) -> int:
    return returned if returned >= 0 else 128 - returned


def _complain(message: str, code: int) -> int:
    click.echo(f"coord: {message}", err=True)
    return code
