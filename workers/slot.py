"""A slot: one child process that runs one job at a time, seen from the worker.

User code never runs in the process that renews leases. The child is started when first needed and
started anew after it died. A death is the outcome of the job it was running, told by its cause.
"""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable

from workers.jobs import Failed, Outcome
from workers.wire import (
    LENGTH_BYTES,
    ChildMessage,
    Loaded,
    Report,
    Run,
    body_bytes,
    pack,
    read_child_message,
)


class AppNotLoaded(Exception):
    """A child could not import the application; it said why on standard error."""


class Slot:
    """Room for one running job of the application at `app` (package.module:attribute)."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is a living child."""
        if self._process is None or self._process.returncode is not None:
            return None
        return self._process.pid

    async def start(self) -> None:
        """Start the child, unless it lives, and wait until it has imported the application.

        Raises:
            AppNotLoaded: it ended before; no job is to blame.
        """
        if self.pid is not None:
            return
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "workers.child", str(os.getpid()), self._app,
            stdin=PIPE, stdout=PIPE,
        )  # fmt: skip
        try:
            message = await _receive(self._process)
        except asyncio.IncompleteReadError:
            raise AppNotLoaded(f"{self._app}: {await self._autopsy()}") from None
        except BaseException:
            await self.stop()
            raise
        assert isinstance(message, Loaded), message

    async def run(self, run: Run, on_report: Callable[[Report], None]) -> Outcome:
        """Run one job in the child.

        When cancelled, the child is killed: its job must not go on.

        Returns:
            How it ended; a child that died in the middle is a failed attempt.

        Raises:
            AppNotLoaded: the child was to be started anew, and could not be; nothing was run.
        """
        await self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(pack(run))
            while True:
                message = await _receive(process)
                if isinstance(message, Report):
                    on_report(message)
                else:
                    assert not isinstance(message, Loaded)
                    return message
        except (asyncio.IncompleteReadError, ConnectionError):
            return Failed(await self._autopsy())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Kill the child, if there is one, and wait for its end."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _autopsy(self) -> str:
        process, self._process = self._process, None
        assert process is not None
        code = await process.wait()
        if code < 0:
            return f"child process killed by {_signal_name(-code)}"
        return f"child process exited with code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal has no name of its own


async def _receive(process: Process) -> ChildMessage:
    assert process.stdout is not None
    size_bytes = body_bytes(await process.stdout.readexactly(LENGTH_BYTES))
    return read_child_message(await process.stdout.readexactly(size_bytes))
