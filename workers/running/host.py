"""A child that runs many jobs beside each other: coroutines in its event loop, others in threads.

It is a process of its own, so that nothing a job does can hold up the renewal of leases. A
coroutine that is cancelled or has reached its soft limit is told by CancelledError. A thread
cannot be told: its context's `cancelled` is set, and the hard limit ends the process.
"""

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from workers.running.attempt import Attempt, NotRunnable, begin, is_coroutine, not_runnable
from workers.running.capture import current
from workers.running.channel import Channel
from workers.running.functions import Functions
from workers.running.wire import Begin, Cancel, Outcome, Recall, Recalled, Run, ToChild


class Host:
    """Runs what comes through the channel until that closes."""

    def __init__(self, functions: Functions, channel: Channel, wanted: Begin) -> None:
        self._functions = functions
        self._channel = channel
        self._tell_rss = wanted.tell_rss
        self._threads = ThreadPoolExecutor(wanted.threads, thread_name_prefix="job")
        self._running: dict[int, tuple[Attempt, asyncio.Task[None]]] = {}
        self._idle = asyncio.Event()
        self._closed = asyncio.Event()

    async def serve(self) -> None:
        """Run jobs until the channel is closed and all that came has ended."""
        loop = asyncio.get_running_loop()

        def take(messages: list[ToChild] | None) -> None:
            loop.call_soon_threadsafe(self._take, messages)

        self._channel.listen(take)
        await self._closed.wait()
        await asyncio.gather(*(task for _, task in self._running.values()))
        self._threads.shutdown()

    def _take(self, messages: list[ToChild] | None) -> None:
        if messages is None:
            self._closed.set()
        for message in messages or ():
            if isinstance(message, Run):
                self._start(message)
            elif isinstance(message, Cancel):
                self._cancel(message)
            elif isinstance(message, Recall):
                self._channel.send(Recalled(()))

    def _start(self, run: Run) -> None:
        try:
            attempt = begin(self._functions, run, self._channel.send, tell_rss=self._tell_rss)
        except NotRunnable as error:
            self._channel.send(not_runnable(run, error))
            return
        task = asyncio.get_running_loop().create_task(self._run(attempt), name=f"job {run.id}")
        self._running[run.run] = (attempt, task)

    def _cancel(self, asked: Cancel) -> None:
        if asked.run in self._running:
            attempt, _ = self._running[asked.run]
            attempt.context.cancel_reason = asked.reason
            self._interrupt(asked.run)

    def _reach_soft_limit(self, run: int) -> None:
        if run in self._running:
            attempt, _ = self._running[run]
            attempt.soft_limited = True
            self._interrupt(run)

    def _interrupt(self, run: int) -> None:
        attempt, task = self._running[run]
        attempt.context.cancelled.set()
        if attempt.function.run_in == "loop":
            task.cancel()

    async def _run(self, attempt: Attempt) -> None:
        soft_limit_ms = attempt.job.soft_limit_ms
        loop, run = asyncio.get_running_loop(), attempt.run.run
        if soft_limit_ms:
            loop.call_later(soft_limit_ms / 1000, self._reach_soft_limit, run)
        outcome = await self._outcome(attempt)
        del self._running[run]
        self._channel.send(outcome)

    async def _outcome(self, attempt: Attempt) -> Outcome:
        current.set(attempt.tail)
        try:
            if attempt.function.run_in == "loop":
                found = attempt.call()
                result = await found if is_coroutine(found) else found  # type: ignore[misc]
            else:
                result = await self._in_thread(attempt)
            return attempt.finished(result)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is the cause
            return attempt.raised(error)

    async def _in_thread(self, attempt: Attempt) -> object:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, context.run, _call, attempt)


def _call(attempt: Attempt) -> object:
    found = attempt.call()
    if not is_coroutine(found):
        return found
    coroutine: Coroutine[Any, Any, object] = found  # type: ignore[assignment]
    return asyncio.run(coroutine)
