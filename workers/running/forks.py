"""What jobs fork: processes that mind signals, and that never answer for the job."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

_HANDLERS: dict[signal.Signals, Callable[[int, FrameType | None], object] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGALRM: signal.SIG_DFL,
}


def mind_signals_in_forks() -> None:
    """Have processes that this one forks mind signals as those of any other program.

    `multiprocessing` ends its processes by TERM, and waits until they have ended.
    """
    forking = _Forking()
    os.register_at_fork(
        before=forking.begin, after_in_parent=forking.end, after_in_child=forking.begin_anew
    )


def end_copy(error: BaseException | None) -> NoReturn:
    """End a process that a job has forked and that came back from the job's function.

    Args:
        error: what it raised, None where it returned.
    """
    code = 0
    if isinstance(error, SystemExit) and isinstance(error.code, int | None):
        code = error.code or 0
    elif error is not None:
        code = 1
        traceback.print_exception(error)
    sys.stdout.flush()
    os._exit(code)


class _Forking:
    """One fork after the other; what is sent before a handler is in place waits for it."""

    def __init__(self) -> None:
        self._mask: set[int] = set()

    def begin(self) -> None:
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLERS)

    def end(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def begin_anew(self) -> None:
        for number, handler in _HANDLERS.items():
            signal.signal(number, handler)
        self.end()
