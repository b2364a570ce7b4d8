"""A thread with an event loop, to which other threads hand work and wait for what comes of it."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from coord.client.event_loop import new_event_loop
from coord.errors import ErrorCode, Misuse

R = TypeVar("R")


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
        answer = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return answer.result()
        except BaseException:
            answer.cancel()
            raise

    def stop(self) -> None:
        """Stop the thread; does nothing in a forked child or the second time."""
        if self.alive:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
