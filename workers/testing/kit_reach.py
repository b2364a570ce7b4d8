"""How an application reaches the world of a test kit: in place of a connection of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from coord.client.portal import Portal
from coord.errors import ErrorCode, Misuse
from workers.app.connections import Connections
from workers.store.jobs import JobStore

R = TypeVar("R")
CLOSED = "the test kit is closed"
Wait = Callable[[Coroutine[Any, Any, Any]], Any]


class KitPortal(Portal):
    """No thread: what is handed in is waited for in whatever way the kit does."""

    def __init__(self, wait: Wait) -> None:
        self._wait = wait
        self._open = True

    @property
    def alive(self) -> bool:
        """Whether the kit is open."""
        return self._open

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run `work` in the kit's loop and return what comes of it.

        Raises:
            Misuse: called by a coroutine, or after the end of the kit.
        """
        if not self._open:
            work.close()
            raise Misuse(CLOSED, ErrorCode.INVALID_OPTION)
        try:
            refuse_in_a_loop()
            answer: R = self._wait(work)
        finally:
            work.close()  # nothing happens to one that was run
        return answer

    def stop(self) -> None:
        """Take nothing more."""
        self._open = False


class KitConnections(Connections):
    """One store for everybody, whichever loop or thread asks; see Connections."""

    def __init__(self, store: JobStore, portal: KitPortal) -> None:
        self._store = store
        self._kit_portal = portal

    async def store(self) -> JobStore:
        """Return the store of the world."""
        return self._store

    def wait(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine and return what comes of it."""
        return self._kit_portal.run(work)

    @property
    def portal(self) -> Portal:
        """What waits."""
        return self._kit_portal

    async def leave(self) -> None:
        """Close nothing: the kit does."""

    def close(self) -> None:
        """Close nothing: the kit does."""


def refuse_in_a_loop() -> None:
    """Raise Misuse where a coroutine calls what waits.

    Raises:
        Misuse: this thread runs an event loop.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    detail = "this would block the event loop; in coroutines use the methods that end in _async"
    raise Misuse(detail, ErrorCode.INVALID_OPTION)


def waiting_in(loop: asyncio.AbstractEventLoop) -> Wait:
    """Return a way for functions in threads to wait for what runs in `loop`."""

    def wait(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    return wait
