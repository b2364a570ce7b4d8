"""One attempt as a child sees it: from a job's bytes to an outcome, whatever user code does."""

import os
import sys
import time
import traceback
from collections.abc import Coroutine
from typing import Any

from attrs import define, field

from workers.app import hooks
from workers.app.control import Retry, Snooze
from workers.errors import BadArguments
from workers.model.job import Job, decode_job
from workers.running.capture import Tail, sendable
from workers.running.context import JobContext, Send
from workers.running.errors import SoftLimitExceeded
from workers.running.forks import end_copy
from workers.running.functions import Functions, JobFunction
from workers.running.memory import rss_bytes
from workers.running.results import BadResult, encode_result
from workers.running.wire import Failed, Finished, Outcome, PutOff, Run

CAUSE_CHARS_MAX = 8000
_LINE_CHARS_MAX = 2000  # a message may hold all of somebody's data


class NotRunnable(Exception):
    """The attempt cannot even begin; no other could."""


@define
class Attempt:
    """A job function about to be called, or being called."""

    run: Run
    job: Job
    function: JobFunction
    context: JobContext
    tail: Tail = field(factory=Tail)
    tell_rss: bool = False
    started_s: float = field(factory=time.perf_counter)
    soft_limited: bool = False

    def call(self) -> object:
        """Call the job function; an async one gives a coroutine."""
        pid = os.getpid()
        try:
            return self.function.call(self.context, self.job.args)
        finally:
            if os.getpid() != pid:
                end_copy(sys.exception())

    def finished(self, result: object) -> Outcome:
        """Return the outcome of a function that returned."""
        self.context.close()
        try:
            as_json, as_msgpack = encode_result(result)
        except BadResult as error:
            return self.failed(str(error), again=False)
        return Finished(
            self.run.run,
            self._took_us(),
            as_json,
            as_msgpack,
            self.tail.text(),
            tuple(self.context.spawned),
            self._rss_bytes(),
        )

    def raised(self, error: BaseException) -> Outcome:
        """Return the outcome of a function that raised."""
        self.context.close()
        if isinstance(error, Snooze):
            return self.put_off(error.after_ms)
        if isinstance(error, Retry):
            after_ms = -1 if error.after_ms is None else error.after_ms
            return self.failed(str(error), after_ms=after_ms)
        if isinstance(error, BadArguments):
            return self.failed(f"bad arguments: {error}", again=False)
        if isinstance(error, SoftLimitExceeded) or self.soft_limited:
            limit = f"soft limit of {self.job.soft_limit_ms} ms exceeded"
            return self.failed(f"{limit}\n{_told(error)}")
        if isinstance(error, MemoryError):
            return self.failed(f"out of memory\n{_told(error)}")
        return self.failed(_told(error))

    def failed(self, cause: str, *, again: bool = True, after_ms: int = -1) -> Failed:
        """Return a failure of this attempt."""
        return Failed(
            self.run.run,
            self._took_us(),
            sendable(_shortened(cause)),
            again,
            after_ms,
            self.tail.text(),
            self._rss_bytes(),
        )

    def put_off(self, after_ms: int) -> PutOff:
        """Return that the job wants to be run later."""
        rss_bytes = self._rss_bytes()
        return PutOff(self.run.run, self._took_us(), after_ms, self.tail.text(), rss_bytes)

    def _took_us(self) -> int:
        return round(1e6 * (time.perf_counter() - self.started_s))

    def _rss_bytes(self) -> int:
        return rss_bytes() if self.tell_rss else 0


def begin(functions: Functions, run: Run, send: Send, *, tell_rss: bool = False) -> Attempt:
    """Make an attempt out of what the worker sent.

    Raises:
        NotRunnable: the value is no job, or nobody registered its name; says which names there are.
    """
    job = decode_job(run.value)
    if job is None:
        raise NotRunnable("this item is no job")
    function = functions.find(job.name)
    if function is None:
        known = ", ".join(functions.names) or "none"
        raise NotRunnable(f"no job function named {job.name!r}; there are: {known}")
    return Attempt(run, job, function, JobContext(run, job, send), tell_rss=tell_rss)


def not_runnable(run: Run, error: NotRunnable) -> Failed:
    """Return the outcome of an attempt that could not begin."""
    return Failed(run.run, 0, str(error), again=False)


def is_coroutine(found: object) -> bool:
    """Tell whether a call gave a coroutine, to be awaited for the result."""
    return isinstance(found, Coroutine)


def _shortened(cause: str) -> str:
    """Return the end of a cause; of a line too long for people, both ends."""
    if len(cause) <= CAUSE_CHARS_MAX:
        return cause
    half = _LINE_CHARS_MAX // 2
    lines = (
        line if len(line) <= _LINE_CHARS_MAX else f"{line[:half]} … {line[-half:]}"
        for line in cause.splitlines()
    )
    return "\n".join(lines)[-CAUSE_CHARS_MAX:]


def _told(error: BaseException) -> str:
    """Return a traceback that opens in the application, not in here."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    lines: Any = traceback.format_exception(type(error), error, trace)
    return "".join(lines).rstrip()


_OURS = (os.path.dirname(__file__) + os.sep, os.path.dirname(hooks.__file__) + os.sep)
