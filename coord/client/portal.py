"""A thread with an event loop, to which other threads hand work and wait for what comes of it."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from coord.client.event_loop import new_event_loop
from coord.errors import ErrorCode, Misuse

R = TypeVar("R")


class _Errand(Generic[R]):
    """A coroutine on its way through the portal.

    What asyncio.run_coroutine_threadsafe does, at a third of its cost: one lock instead of two
    futures chained to each other, and it is over in the step in which the coroutine ends.
    """

    def __init__(self, work: Coroutine[Any, Any, R], loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._result: list[R] = []
        self._error: BaseException | None = None
        self.over = threading.Lock()
        """Held until it is done."""
        self.over.acquire()

    def begin(self) -> None:
        """Start it; on the loop's thread, as all but outcome()."""
        self._task = self._loop.create_task(self._carry_out())

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        if self._task is not None:
            self._task.add_done_callback(self._drop)  # it may not have begun
            self._task.cancel()

    def _drop(self, _task: asyncio.Task[None]) -> None:
        self._work.close()

    def outcome(self) -> R:
        """Return what it returned, or raise what it raised; once it is over."""
        if self._result:
            return self._result[0]
        error, self._error = self._error, None
        assert error is not None
        try:
            raise error
        finally:
            del error  # it holds this frame

    async def _carry_out(self) -> None:
        try:
            self._result.append(await self._work)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller is told
            self._error = error
        finally:
            self.over.release()


class Portal:
    """One thread with one event loop; takes coroutines from any thread, gives back results."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop = new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="coord-client", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    @property
    def alive(self) -> bool:
        """Whether this process may still use it."""
        return os.getpid() == self._pid and not self._loop.is_closed()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run `work` on the loop and wait for it; interrupting the wait cancels it."""
        if not self.alive:
            work.close()
            why = "is closed" if os.getpid() == self._pid else "belongs to the process that forked"
            raise Misuse(f"this client {why}; make a new one", ErrorCode.INVALID_OPTION)
        if threading.current_thread() is self._thread:
            work.close()
            raise Misuse("a callback of the client must not wait for it", ErrorCode.INVALID_OPTION)
        errand = _Errand(work, self._loop)
        self._loop.call_soon_threadsafe(errand.begin)
        try:
            errand.over.acquire()
        except BaseException:
            self._loop.call_soon_threadsafe(errand.cancel)
            raise
        return errand.outcome()

    def stop(self) -> None:
        """Stop the thread; does nothing in a forked child or the second time."""
        if self.alive:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
