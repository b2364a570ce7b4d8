"""A worker's child process: imports the application, then runs jobs, in sequence or side by side.

Started as `python -m workers.running.child PARENT_PID APP [MEMORY_BYTES_MAX]`. Jobs come in on
standard input, answers leave on what was standard output; what jobs print goes to standard error.
It knows nothing of the cluster: an exception is an answer, and when the pipe closes it ends.
"""

import asyncio
import faulthandler
import gc
import logging
import os
import resource
import signal
import sys
import traceback
from types import FrameType

from coord.cli.parent_death import die_with_parent
from workers.running.capture import Tee
from workers.running.channel import Channel
from workers.running.forks import mind_signals_in_forks
from workers.running.functions import Functions, load_functions
from workers.running.host import Host
from workers.running.memory import address_space_bytes
from workers.running.sequence import Sequence
from workers.running.wire import Begin, Loaded

NOT_LOADED = 3
"""Exit code: the application could not be imported."""


def main(arguments: list[str]) -> None:
    """Serve jobs until the worker closes the pipe."""
    parent, app, *memory = arguments
    die_with_parent(int(parent), signal.SIGKILL)
    os.setpgid(0, 0)  # for the worker to kill it with what its jobs start
    # These may come from anybody: what they mean for a job, the worker decides.
    # Not ignored but passed over: what is ignored would stay so in programs that jobs start.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _pass_over)
    mind_signals_in_forks()
    channel = Channel(os.dup(sys.stdin.fileno()), os.dup(sys.stdout.fileno()))
    _part_from_worker()
    functions = _load(app)
    if memory:
        _limit_memory(int(memory[0]), app)
    found = {
        name: function.run_in for name in functions.names if (function := functions.find(name))
    }
    gc.collect()
    gc.freeze()  # what was imported stays; no need to look through it again and again
    channel.send(Loaded(found))
    wanted = channel.first()
    if isinstance(wanted, Begin):
        _serve(functions, channel, wanted)
    sys.stdout.flush()


def _pass_over(number: int, frame: FrameType | None) -> None:
    """Do nothing."""


def _serve(functions: Functions, channel: Channel, wanted: Begin) -> None:
    if wanted.concurrent:

        async def serve() -> None:
            await Host(functions, channel, wanted).serve()

        asyncio.run(serve())
    else:
        Sequence(functions, channel, wanted).serve()


def _limit_memory(limit_bytes: int, app: str) -> None:
    """Set the bound; end where the application alone is beyond it, so that no job could run."""
    used_bytes = address_space_bytes()
    if used_bytes > limit_bytes:
        words = f"{app} alone takes {used_bytes} bytes of memory, {limit_bytes} are allowed"
        sys.stderr.write(f"{words}\n")
        sys.exit(NOT_LOADED)
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def _part_from_worker() -> None:
    """Keep what jobs read and print apart from what we and the worker say to each other."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True)
    beyond = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    sys.stdout = sys.stderr = Tee(beyond)


def _load(app: str) -> Functions:
    sys.path.insert(0, "")  # as `python -m` does: the application may lie in the current folder
    try:
        functions = load_functions(app)
    except Exception:  # noqa: BLE001 - whatever importing user code raises is told, then it ends
        traceback.print_exc()
        sys.exit(NOT_LOADED)
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    return functions


if __name__ == "__main__":
    main(sys.argv[1:])
