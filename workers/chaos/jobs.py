"""The application whose jobs a campaign runs: each writes down that it began and that it ended.

Those lines are the side effects: whole lines appended to one file, so a kill loses none that was
written. What the store records is compared with them afterwards.
"""

import os
import signal
import time
from pathlib import Path

from workers.app.app import App
from workers.app.context import Context
from workers.model.job import Backoff

EFFECTS = "COORD_CHAOS_EFFECTS"
QUEUE = "chaos"
PACED_QUEUE = "paced"
LIMIT = "few"
QUICKLY = Backoff(base_ms=50, factor=1.5, max_ms=500)

app = App()


@app.job(queue=QUEUE, attempts_max=100, backoff=QUICKLY)
def work(ctx: Context, number: int, sleep_ms: int = 0, failures: int = 0) -> int:
    """Take `sleep_ms`, fail at the first `failures` attempts, return the number."""
    _note("begin", number, ctx)
    time.sleep(sleep_ms / 1000)
    if ctx.attempt <= failures:
        raise RuntimeError(f"attempt {ctx.attempt} of {failures} that fail")
    _note("end", number, ctx)
    return number


@app.job(queue=QUEUE, attempts_max=3, backoff=QUICKLY)
def hopeless(ctx: Context, number: int) -> None:
    """Fail at every attempt."""
    _note("begin", number, ctx)
    raise RuntimeError("this job never succeeds")


@app.job(queue=QUEUE, attempts_max=100, backoff=QUICKLY)
def crashing(ctx: Context, number: int) -> int:
    """Kill the process it runs in at its first attempt."""
    _note("begin", number, ctx)
    if ctx.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    _note("end", number, ctx)
    return number


@app.job(queue=QUEUE, attempts_max=100, backoff=QUICKLY, result_ttl_ms=600_000)
def tick(ctx: Context) -> None:
    """What the schedule runs."""
    _note("begin", -1, ctx)
    _note("end", -1, ctx)


def _note(what: str, number: int, ctx: Context) -> None:
    line = f"{what} {number} {ctx.id} {ctx.attempt} {time.time_ns() // 1_000_000}\n"
    target = os.open(Path(os.environ[EFFECTS]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(target, line.encode())
    finally:
        os.close(target)
