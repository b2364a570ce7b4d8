"""Job functions for tests of workers; imported by their child processes."""

import os
import signal
import sys
from pathlib import Path

from workers.registry import JobContext, Registry

registry = Registry()


@registry.job("double")
def double(context: JobContext, *, number: int) -> dict[str, object]:
    """Answer, and print, which must not disturb the answer."""
    sys.stdout.write("printed by a job\n")
    context.report(1, 2, "half")
    return {"number": 2 * number, "attempt": context.attempt, "pid": os.getpid()}


@registry.job("raise")
def raise_error(context: JobContext) -> None:
    """Fail by an exception."""
    raise LookupError("nothing there")


@registry.job("die")
def die(context: JobContext, *, number: int) -> None:
    """Die by a signal."""
    os.kill(os.getpid(), number)
    signal.pause()


@registry.job("exit")
def leave(context: JobContext) -> None:
    """End the process."""
    os._exit(3)


@registry.job("hang")
def hang(context: JobContext, *, started: str) -> None:
    """Say that it has started, then go on for ever."""
    Path(started).write_text(str(os.getpid()))
    context.report(1, 0, "hanging")
    while True:
        signal.pause()


@registry.job("read")
def read(context: JobContext, *, pipe: str) -> str:
    """Answer with what somebody writes into a named pipe, once they do."""
    context.report(0, 1, "reading")
    return Path(pipe).read_text()


@registry.job("large")
def large(context: JobContext, *, size_bytes: int) -> str:
    """Answer with more than a value can hold."""
    return "x" * size_bytes


@registry.job("die-once")
def die_once(context: JobContext) -> str:
    """Die at the first attempt, answer at the second."""
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"
