"""How an application reaches its cluster: one client for each event loop it is used from.

Programs without a loop get one of their own, on a thread. Nothing connects before it is needed, and
a forked process makes its own.
"""

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

from attrs import frozen

from coord.client.portal import Portal
from workers.model.places import Places
from workers.port import JobClient
from workers.store.jobs import JobStore
from workers.timer import Timer

R = TypeVar("R")
Connect = Callable[[], AbstractAsyncContextManager[JobClient]]


@frozen
class _Connected:
    """A client that was entered, and what leaves it."""

    store: JobStore
    leaving: AsyncExitStack


class Connections:
    """The clients of one application in one process."""

    def __init__(self, connect: Connect, places: Places, timer: Timer) -> None:
        self._connect = connect
        self._places = places
        self._timer = timer
        self._by_loop: dict[asyncio.AbstractEventLoop, asyncio.Task[_Connected]] = {}
        self._portal: Portal | None = None
        self._opening = threading.Lock()

    async def store(self) -> JobStore:
        """Return the job store of the running loop, connected now if it was not.

        Raises:
            CoordError: it could not be; the next call tries again.
        """
        loop = asyncio.get_running_loop()
        entering = self._by_loop.get(loop)
        if entering is None:
            self._forget_closed()
            entering = loop.create_task(self._enter(), name="connect the application")
            self._by_loop[loop] = entering
        try:
            # Shielded: others may wait for the same client.
            return (await asyncio.shield(entering)).store
        except BaseException:
            if entering.done() and self._by_loop.get(loop) is entering:
                del self._by_loop[loop]
            raise

    def wait(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the application's own thread and wait for what comes of it."""
        return self.portal.run(work)

    @property
    def portal(self) -> Portal:
        """The application's own thread, started now if it was not."""
        with self._opening:
            if self._portal is None or not self._portal.alive:
                self._portal = Portal()
                atexit.register(self.close)
            return self._portal

    async def leave(self) -> None:
        """Close the client of the running loop, if there is one."""
        entering = self._by_loop.pop(asyncio.get_running_loop(), None)
        if entering is not None:
            await (await entering).leaving.aclose()

    def close(self) -> None:
        """Close the client of the application's own thread, and end that; twice does nothing."""
        atexit.unregister(self.close)
        with self._opening:
            portal, self._portal = self._portal, None
        if portal is not None and portal.alive:
            portal.run(self.leave())
            portal.stop()

    def _forget_closed(self) -> None:
        """Let go of clients whose loops ended without `leave`: they went with those."""
        for loop in [loop for loop in self._by_loop if loop.is_closed()]:
            del self._by_loop[loop]

    async def _enter(self) -> _Connected:
        leaving = AsyncExitStack()
        client = await leaving.enter_async_context(self._connect())
        return _Connected(JobStore(client, self._places, self._timer), leaving)
