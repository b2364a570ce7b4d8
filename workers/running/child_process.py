"""One child process, seen from the worker: what it was given, what it answers, how it ends.

A child that runs one job after another may be given some ahead of time; the first of those it has
not answered is the one that runs. Its death is the outcome of what it ran, told by its cause.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol, cast

import msgspec

from workers.running.capture import LOG_CHARS_MAX, Tail
from workers.running.echo import Echo
from workers.running.held_job import HeldJob
from workers.running.wire import (
    Begin,
    Failed,
    Finished,
    Frames,
    Loaded,
    NotOurs,
    Outcome,
    PutOff,
    Recalled,
    Report,
    ToChild,
    from_child,
    pack,
)

_ANSWERS, _WORDS = 1, 2  # descriptors of the child
DRAIN_S = 0.2  # between a child's end and that of its pipes, where others hold them open


class Employer(Protocol):
    """Who is told of a child's doings."""

    def loaded(self, child: "ChildProcess") -> None:
        """It has imported the application and says what there is."""
        ...

    def answered(self, child: "ChildProcess", held: HeldJob, outcome: Outcome) -> None:
        """An attempt has ended."""
        ...

    def reported(self, held: HeldJob, report: Report) -> None:
        """A job said how far it is."""
        ...

    def recalled(self, child: "ChildProcess", jobs: list[HeldJob]) -> None:
        """These were not started, and will not be by this child."""
        ...

    def died(self, child: "ChildProcess", jobs: list[HeldJob], cause: str) -> None:
        """It has ended, by itself or not; `jobs` were neither answered nor recalled."""
        ...


class ChildProcess(asyncio.SubprocessProtocol):
    """Made by `start`.

    Attributes:
        concurrent: whether it runs jobs beside each other.
        assigned: jobs given and not answered, by the number of their run, in order.
        busy_since_s: when the job that runs was started; by the loop's clock.
        ended: how many jobs it has answered.
        retiring: it is given nothing more.
        functions: where each job function wants to run, by name; None until it is loaded.
        killed_for: why the worker killed it, "" if it did not.
    """

    def __init__(self, employer: Employer, echo: Echo, *, concurrent: bool) -> None:
        self.concurrent = concurrent
        self.assigned: dict[int, HeldJob] = {}
        self.busy_since_s = 0.0
        self.ended = 0
        self.retiring = False
        self.functions: dict[str, str] | None = None
        self.killed_for = ""
        self.words = Tail()
        """The end of what it wrote since its last answer."""
        self._employer = employer
        self._echo = echo
        self._frames = Frames()
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._imported = asyncio.Event()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def start(
        cls,
        employer: Employer,
        echo: Echo,
        app: str,
        *,
        concurrent: bool = False,
        memory_bytes_max: int = 0,
    ) -> "ChildProcess":
        """Start a child; `employer.loaded` is called once it has imported the application."""
        loop = asyncio.get_running_loop()
        command = [sys.executable, "-m", "workers.running.child", str(os.getpid()), app]
        if memory_bytes_max:
            command.append(str(memory_bytes_max))
        _, protocol = await loop.subprocess_exec(
            lambda: cls(employer, echo, concurrent=concurrent),
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )
        return protocol

    @property
    def pid(self) -> int | None:
        """Its process id, while it lives."""
        if self._transport is None or self._over.done():
            return None
        return self._transport.get_pid()

    @property
    def is_ready(self) -> bool:
        """Whether it may be given jobs."""
        return self.functions is not None and not self.retiring and not self._over.done()

    @property
    def head(self) -> HeldJob | None:
        """The job that runs, of a child that runs one at a time."""
        return next(iter(self.assigned.values()), None)

    def begin(self, wanted: Begin) -> None:
        """Tell it what kind of child to be."""
        self.concurrent = wanted.concurrent
        self.send([wanted])

    def send(self, messages: Iterable[ToChild]) -> None:
        """Send messages; what cannot arrive any more is told by `died`."""
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(b"".join(map(pack, messages)))

    def retire(self) -> None:
        """Let it end what it was given, and then end."""
        self.retiring = True
        if self._stdin is not None:
            self._stdin.close()

    def kill(self, reason: str) -> None:
        """Kill it with what its jobs have started, but for what left its process group.

        `died` follows.
        """
        self.retiring = True
        if self.pid is not None and self._transport is not None:
            self.killed_for = self.killed_for or reason
            with suppress(ProcessLookupError):  # so young that it leads no group yet
                os.killpg(self.pid, signal.SIGKILL)
            with suppress(ProcessLookupError):  # it has ended, and is not drained yet
                self._transport.kill()

    def ask_for_stacks(self) -> None:
        """Have it write where its threads are to its standard error."""
        if self.pid is not None and self._transport is not None:
            with suppress(ProcessLookupError):
                self._transport.send_signal(signal.SIGUSR1)

    async def imported(self) -> None:
        """Wait until it has imported the application, or has ended."""
        await self._imported.wait()

    async def over(self) -> None:
        """Wait until it has ended."""
        await asyncio.shield(self._over)

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.SubprocessProtocol."""
        self._transport = cast(asyncio.SubprocessTransport, transport)
        stdin = self._transport.get_pipe_transport(0)
        self._stdin = cast(asyncio.WriteTransport, stdin)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """See asyncio.SubprocessProtocol."""
        if fd == _WORDS:
            self.words.add(data.decode(errors="replace"))
            self._echo.say(data)
            return
        try:
            for body in self._frames.feed(data):
                self._take(body)
        except (NotOurs, msgspec.MsgspecError) as error:
            self.kill(f"it wrote what no child writes: {error}")

    def process_exited(self) -> None:
        """See asyncio.SubprocessProtocol; what its jobs have started may hold its pipes open."""
        asyncio.get_running_loop().call_later(DRAIN_S, self._close_pipes)

    def _close_pipes(self) -> None:
        if self._over.done():
            return
        assert self._transport is not None
        for fd in (_ANSWERS, _WORDS):
            pipe = self._transport.get_pipe_transport(fd)
            if pipe is not None:
                pipe.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.SubprocessProtocol: the process has ended and its pipes are drained."""
        if self._over.done():
            return  # uvloop says it again when the transport is closed before all its pipes are
        assert self._transport is not None
        code = self._transport.get_returncode()
        self._transport.close()
        self.retiring = True
        self._imported.set()
        self._over.set_result(None)
        jobs = list(self.assigned.values())
        self.assigned.clear()
        self._employer.died(self, jobs, self._autopsy(code))

    def _take(self, body: bytes) -> None:
        message = from_child.decode(body)
        if isinstance(message, Finished | Failed | PutOff):
            held = self.assigned.pop(message.run, None)
            if held is None:
                return  # it was taken away from this child, which is being killed
            self.ended += 1
            self.busy_since_s = asyncio.get_running_loop().time()
            self.words.clear()
            self._employer.answered(self, held, message)
        elif isinstance(message, Report):
            if message.run in self.assigned:
                self._employer.reported(self.assigned[message.run], message)
        elif isinstance(message, Recalled):
            jobs = [self.assigned.pop(run) for run in message.runs if run in self.assigned]
            self._employer.recalled(self, jobs)
        elif isinstance(message, Loaded):
            self.functions = message.functions
            self._imported.set()
            self._employer.loaded(self)

    def _autopsy(self, code: int | None) -> str:
        if self.killed_for:
            return self.killed_for
        if code is not None and code < 0:
            name = _signal_name(-code)
            likely = ", likely by the system for want of memory" if name == "SIGKILL" else ""
            return f"child process killed by {name}{likely}"
        return f"child process exited with code {code}"


def last_words(child: ChildProcess) -> str:
    """Return the end of what a child wrote since its last answer."""
    return child.words.text()[-LOG_CHARS_MAX:]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal has no name of its own
