"""Where a test kit runs functions that are no coroutines: here, between turns of its loop.

So that they may use whatever they may use in a process of their own, also `asyncio.run` and the
blocking methods of the application: those let the loop go on, on behalf of the job that waits.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import attrs

from coord.errors import ErrorCode, Misuse
from workers.running.attempt import Attempt, is_coroutine
from workers.testing.kit_reach import CLOSED

R = TypeVar("R")


@attrs.frozen
class _Call:
    attempt: Attempt
    context: contextvars.Context
    answer: asyncio.Future[Callable[[], object]]


class Driver:
    """One loop, driven by whoever waits for something, and the calls made between its turns."""

    def __init__(self, nest: Callable[[int], None]) -> None:
        """Make a loop.

        Args:
            nest: told how many calls are under way, whenever that changes.
        """
        self._loop = asyncio.new_event_loop()
        self._calls: deque[_Call] = deque()
        self._stops: list[asyncio.Future[None]] = []
        self._nest = nest
        self._under_way = 0

    async def place(self, attempt: Attempt) -> object:
        """Have a function called as soon as the loop stops, which it does; see InlineCrew."""
        answer: asyncio.Future[Callable[[], object]] = self._loop.create_future()
        self._calls.append(_Call(attempt, contextvars.copy_context(), answer))
        _finish(self._stops[-1])
        return (await answer)()

    def drive(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine to its end, and the calls that are made meanwhile.

        Raises:
            RuntimeError: a loop runs in this thread.
            Misuse: after `close`.
        """
        if self._loop.is_closed():
            work.close()
            raise Misuse(CLOSED, ErrorCode.INVALID_OPTION)
        task = self._loop.create_task(work)
        try:
            while not task.done():
                if self._calls:
                    self._run_call(self._calls.popleft())
                else:
                    self._turn(task)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                self._loop.run_until_complete(asyncio.wait((task,)))

    def close(self) -> None:
        """Cancel whatever is left, and close the loop."""
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(_ended(left))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _turn(self, task: asyncio.Task[Any]) -> None:
        """Run the loop until a task has ended or a call is wanted."""
        stop: asyncio.Future[None] = self._loop.create_future()
        task.add_done_callback(lambda _: _finish(stop))
        self._stops.append(stop)
        try:
            self._loop.run_until_complete(stop)
        finally:
            self._stops.remove(stop)

    def _run_call(self, call: _Call) -> None:
        self._under_way += 1
        self._nest(self._under_way)
        try:
            answer = call.context.run(_called, call.attempt)
        finally:
            self._under_way -= 1
            self._nest(self._under_way)
        if not call.answer.done():
            call.answer.set_result(answer)


def _called(attempt: Attempt) -> Callable[[], object]:
    """Call the function of an attempt; what is returned returns or raises what that did."""
    try:
        found = attempt.call()
        if is_coroutine(found):
            found = asyncio.run(found)  # type: ignore[arg-type]  # it is one
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever user code raises is the cause
        return _raising(error)
    return lambda: found


def _raising(error: BaseException) -> Callable[[], object]:
    def answer() -> object:
        raise error

    return answer


def _finish(stop: asyncio.Future[None]) -> None:
    if not stop.done():
        stop.set_result(None)


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
