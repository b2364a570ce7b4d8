"""A worker's child process: imports the application, then runs one job after another.

Started as `python -m workers.child PARENT_PID APP`. Jobs come in on standard input, answers leave
on what was standard output; what job functions print goes to standard error. It knows nothing of
the cluster: an exception is an answer, and when the pipe closes it ends.
"""

import os
import signal
import sys
import traceback
from typing import BinaryIO

import msgspec

from coord.cli.parent_death import die_with_parent
from workers.jobs import Failed, Finished, Outcome
from workers.registry import Registry, load_registry
from workers.wire import ChildMessage, Loaded, Report, Run, pack, read_run

CAUSE_CHARS_MAX = 8000


class _Context:
    """The JobContext of one run."""

    def __init__(self, run: Run, answers: BinaryIO) -> None:
        self.id = run.id
        self.attempt = run.attempt
        self._answers = answers

    def report(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far the job is."""
        _send(self._answers, Report(done, total, message))


def main(arguments: list[str]) -> None:
    """Serve jobs until the worker closes the pipe."""
    parent, app = arguments
    die_with_parent(int(parent), signal.SIGKILL)
    # Ctrl-C reaches the whole terminal group: what it means for a job, the worker decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    registry = load_registry(app)
    _send(answers, Loaded())
    while (run := read_run(sys.stdin.buffer)) is not None:
        _send(answers, run_job(registry, run, answers))


def run_job(registry: Registry, run: Run, answers: BinaryIO) -> Outcome:
    """Run one job function and say how that ended; never raises for what the function does."""
    function = registry.find(run.name)
    if function is None:
        known = ", ".join(registry.names) or "none"
        return Failed(f"no job function named {run.name!r}; there are: {known}", again=False)
    try:
        result = function(_Context(run, answers), **run.args)
        return Finished(msgspec.json.encode(result))
    except Exception:  # noqa: BLE001 - whatever user code raises is this attempt's cause
        return Failed(traceback.format_exc()[-CAUSE_CHARS_MAX:])


def _send(answers: BinaryIO, message: ChildMessage) -> None:
    left = memoryview(pack(message))
    while left:
        left = left[answers.write(left) :]


if __name__ == "__main__":
    main(sys.argv[1:])
