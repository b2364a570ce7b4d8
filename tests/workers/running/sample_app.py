"""Jobs that worker tests run in children."""

import asyncio
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from workers.app.app import App
from workers.app.context import Context
from workers.app.control import Retry, Snooze
from workers.running.errors import SoftLimitExceeded

app = App("tcp://127.0.0.1:1")


@app.job
def double(ctx: Context, number: int) -> dict[str, int]:
    ctx.progress(1, 2, "half")
    return {"number": 2 * number, "pid": os.getpid(), "attempt": ctx.attempt}


@app.job
def noop() -> None:
    """Do nothing."""


@app.job
def fail(message: str = "nothing there") -> None:
    raise LookupError(message)


@app.job
def fail_until(ctx: Context, attempt: int) -> int:
    if ctx.attempt < attempt:
        raise LookupError(f"attempt {ctx.attempt}")
    return ctx.attempt


@app.job
def ask_again(ctx: Context, after_ms: int) -> int:
    if ctx.attempt == 1:
        raise Retry("not yet", after_ms=after_ms)
    return ctx.attempt


@app.job
def put_off(ctx: Context, folder: str) -> int:
    marker = Path(folder) / "put-off"
    if not marker.exists():
        marker.touch()
        raise Snooze(5)
    return ctx.attempt


@app.job
def die(number: int) -> None:
    print("about to die", flush=True)  # noqa: T201
    os.kill(os.getpid(), number)
    signal.pause()


@app.job
def leave() -> None:
    os._exit(3)


@app.job
def quit_politely() -> None:
    sys.exit(4)


@app.job
def hang(ctx: Context, started: str) -> str:
    """Hang until killed; looks at nothing."""
    Path(started).write_text(str(os.getpid()))
    ctx.progress(0, 1, "hanging")
    while True:
        signal.pause()


@app.job
def hang_with_others(folder: str) -> None:
    """Hang until killed, beside two processes, one of which leads a session of its own."""
    near = subprocess.Popen(["sleep", "600"])
    far = subprocess.Popen(["sleep", "600"], start_new_session=True)
    (Path(folder) / "near").write_text(str(near.pid))
    (Path(folder) / "far").write_text(str(far.pid))
    signal.pause()


@app.job
def terminate_another() -> int | None:
    other = multiprocessing.get_context("fork").Process(target=signal.pause)
    other.start()
    other.terminate()
    other.join()
    return other.exitcode


@app.job
def fork_and_return(code: int | None) -> str:
    """Return from both processes; or have the one that was forked exit with a code."""
    pid = os.fork()
    if pid == 0:
        if code is not None:
            sys.exit(code)
        return "forked"
    _, status = os.waitpid(pid, 0)
    return f"own {os.waitstatus_to_exitcode(status)}"


@app.job(run_in="thread")
def fork_in_thread() -> str:
    pid = os.fork()
    if pid == 0:
        return "forked"
    os.waitpid(pid, 0)
    return "own 0"


@app.job
def take_alarm() -> None:
    """Leave the signal of the soft limit to nobody."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)


@app.job
def wait_for_cancel(ctx: Context, started: str) -> str:
    Path(started).write_text(str(os.getpid()))
    ctx.progress(0, 1, "waiting")
    ctx.cancelled.wait(60)
    return "tidied up"


@app.job
def fail_on_cancel(ctx: Context) -> None:
    ctx.progress(0, 1, "waiting")
    ctx.cancelled.wait(60)
    raise RuntimeError("told to end")


@app.job
def read(ctx: Context, pipe: str) -> str:
    """Hang until somebody writes to a named pipe, which shows up as progress."""
    ctx.progress(0, 1, "reading")
    return Path(pipe).read_text()


@app.job
def spin(folder: str) -> str:
    try:
        while True:
            pass
    except SoftLimitExceeded:
        (Path(folder) / "tidied").touch()
        raise


@app.job
def catch_soft_limit() -> str:
    try:
        signal.pause()
    except SoftLimitExceeded:
        return "stopped in time"
    return "never"


@app.job
def talk() -> None:
    print("printed")  # noqa: T201
    print("to stderr", file=sys.stderr)  # noqa: T201
    logging.getLogger("some").warning("logged")
    subprocess.run(["echo", "of a subprocess"], check=True)


@app.job
def chatter(lines: int) -> None:
    for number in range(lines):
        print(f"line {number:06}")  # noqa: T201


@app.job
def unkeepable() -> object:
    return threading.Lock()


@app.job
def large(size_bytes: int) -> str:
    return "x" * size_bytes


@app.job
def raw() -> dict[str, bytes]:
    return {"raw": b"\x00\xff"}


@app.job
def hog(megabytes: int) -> int:
    return len(bytearray(megabytes * 1024 * 1024))


_kept: list[bytearray] = []


@app.job
def leak(megabytes: int) -> int:
    _kept.append(bytearray(b"x") * (megabytes * 1024 * 1024))
    return os.getpid()


@app.job
def spawn(ctx: Context, number: int) -> None:
    ctx.spawn(double.call(number=number))


@app.job
def spawn_many(ctx: Context, number: int, text: str) -> None:
    for _ in range(number):
        ctx.spawn(fail.options(queue="later").call(text))


@app.job(run_in="thread")
def in_thread(number: int) -> dict[str, object]:
    print("in a thread")  # noqa: T201
    return {"number": number, "thread": threading.current_thread().name, "pid": os.getpid()}


@app.job
async def in_loop(number: int) -> int:
    print("in the loop")  # noqa: T201
    return os.getpid()


_met = asyncio.Condition()
_there: set[str] = set()


@app.job
async def meet(name: str, others: int) -> int:
    """End once so many run beside each other."""
    async with _met:
        _there.add(name)
        _met.notify_all()
        await _met.wait_for(lambda: len(_there) >= others)
    return os.getpid()


@app.job
async def sleep_for_ever(ctx: Context) -> None:
    ctx.progress(0, 1, "sleeping")
    await asyncio.Event().wait()


@app.job
async def block_loop(ctx: Context) -> None:
    ctx.progress(0, 1, "blocking")
    threading.Event().wait(600)


KILL = int(signal.SIGKILL)


@app.job
def odd_words() -> None:
    """Say what UTF-8 cannot, as the name of an odd file does."""
    print("printed \udcff")  # noqa: T201
    raise ValueError("an odd name: \udcff")
