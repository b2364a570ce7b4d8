"""A child that runs one job after another, on its main thread.

Jobs wait in the order they came until they are started or taken back; with none waiting, the main
thread reads what comes. The soft limit is an alarm,
which Python delivers between two steps of the job's own code as an exception.
"""

import asyncio
import signal
import threading
from collections import deque
from types import FrameType

from workers.running.attempt import Attempt, NotRunnable, begin, is_coroutine, not_runnable
from workers.running.capture import current
from workers.running.channel import Channel
from workers.running.errors import SoftLimitExceeded
from workers.running.functions import Functions
from workers.running.listener import Listener
from workers.running.wire import Begin, Cancel, Outcome, Recall, Recalled, Run, ToChild


class Sequence:
    """Runs what comes through the channel until that closes."""

    def __init__(self, functions: Functions, channel: Channel, wanted: Begin) -> None:
        self._functions = functions
        self._channel = channel
        self._tell_rss = wanted.tell_rss
        self._waiting: deque[Run] = deque()
        self._closed = False
        self._guard = threading.Lock()
        self._listener = Listener(channel, self._take)
        self._running: Attempt | None = None
        self._starting = 0
        self._asked: dict[int, str] = {}
        self._alarm_armed = False

    def serve(self) -> None:
        """Run jobs until the channel is closed and all that came has been run."""
        while (run := self._next()) is not None:
            self._channel.send(self._run(run))

    def _take(self, messages: list[ToChild] | None) -> None:
        recalled: list[int] | None = None
        with self._guard:
            if messages is None:
                self._closed = True
            for message in messages or ():
                if isinstance(message, Run):
                    self._waiting.append(message)
                elif isinstance(message, Cancel):
                    self._cancel(message)
                elif isinstance(message, Recall):
                    recalled = [run.run for run in self._waiting]
                    self._waiting.clear()
        if recalled is not None:
            self._channel.send(Recalled(tuple(recalled)))

    def _cancel(self, asked: Cancel) -> None:
        running = self._running
        if running is not None and running.run.run == asked.run:
            running.context.cancel_reason = asked.reason
            running.context.cancelled.set()
        elif self._starting == asked.run or any(run.run == asked.run for run in self._waiting):
            self._asked[asked.run] = asked.reason

    def _next(self) -> Run | None:
        self._running = None
        while (run := self._start_next()) is None:
            if self._closed:
                return None
            self._listener.end()
            # What the listener took last may have been a job.
            if not (self._waiting or self._closed):
                self._take(self._channel.read())
        self._listener.begin()
        return run

    def _start_next(self) -> Run | None:
        with self._guard:
            if not self._waiting:
                return None
            run = self._waiting.popleft()
            self._starting = run.run
            return run

    def _run(self, run: Run) -> Outcome:
        try:
            attempt = begin(self._functions, run, self._channel.send, tell_rss=self._tell_rss)
        except NotRunnable as error:
            return not_runnable(run, error)
        with self._guard:
            self._running, self._starting = attempt, 0
            reason = self._asked.pop(run.run, None)
        if reason is not None:
            attempt.context.cancel_reason = reason
            attempt.context.cancelled.set()
        before = current.set(attempt.tail)
        try:
            return attempt.finished(self._call(attempt))
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is the cause
            return attempt.raised(error)
        finally:
            current.reset(before)

    def _call(self, attempt: Attempt) -> object:
        soft_limit_s = attempt.job.soft_limit_ms / 1000
        if not soft_limit_s:
            return _result(attempt)
        try:
            self._alarm_armed = True
            signal.signal(signal.SIGALRM, self._on_alarm)  # a job before may have had its own
            signal.setitimer(signal.ITIMER_REAL, soft_limit_s)
            return _result(attempt)
        finally:
            self._alarm_armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if self._alarm_armed:
            self._alarm_armed = False
            raise SoftLimitExceeded


def _result(attempt: Attempt) -> object:
    found = attempt.call()
    return asyncio.run(found) if is_coroutine(found) else found  # type: ignore[arg-type]
