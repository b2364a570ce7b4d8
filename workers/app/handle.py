"""A handle on one job: how it is, what came of it, cancelling it; for asyncio, and blocking."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

import msgspec

from recipes.decoding import UNREADABLE
from recipes.port import only
from recipes.progress import Progress
from workers.app.results import result_of
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.states import State
from workers.store.finding import find_surely
from workers.store.found import Found
from workers.store.jobs import JobStore

R = TypeVar("R")
T = TypeVar("T")


class AsyncJobHandle(Generic[R]):
    """One job, for asyncio. `JobHandle` is the same, blocking."""

    def __init__(self, store: JobStore, job_id: JobId, returns: Any = Any) -> None:
        self._store = store
        self._returns = returns
        self.id = job_id

    async def status(self) -> Found:
        """Return how the job stands now.

        Raises:
            UnknownJob: nothing is known of it (any more).
        """
        return await find_surely(self._store.site, self.id)

    async def wait(self, timeout_s: float | None = None) -> Ending:
        """Wait until it has ended, for at most `timeout_s` seconds, and return how.

        Raises:
            TimeoutError: it has not; it goes on.
            UnknownJob: nothing is known of it (any more).
            NotKept: its ending is not kept.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._store.wait(self.id)
        except TimeoutError:
            raise TimeoutError(f"job {self.id} has not ended after {timeout_s} s") from None

    async def result(self, timeout_s: float | None = None) -> R:
        """Wait as `wait` does, and return what the function returned.

        Raises:
            JobFailed: it did not end well; says why.
            TimeoutError, UnknownJob, NotKept: see `wait`.
        """
        result: R = result_of(self.id, await self.wait(timeout_s), self._returns)
        return result

    async def cancel(self, reason: str = "") -> State:
        """Cancel it; see `JobStore.cancel`."""
        return await self._store.cancel(self.id, reason)

    async def progress(self) -> Progress | None:
        """Return how far it is, by its own last report; None while it does not run or say."""
        key = self._store.places.progress + str(self.id).encode()
        kv = only(await self._store.client.get(key))
        try:
            return msgspec.json.decode(kv.value, type=Progress) if kv else None
        except UNREADABLE:
            return None


class JobHandle(Generic[R]):
    """One job, for programs without an event loop: every method is AsyncJobHandle's, waited for."""

    def __init__(
        self, wait: Callable[[Coroutine[Any, Any, Any]], Any], handle: AsyncJobHandle[R]
    ) -> None:
        self._wait = wait
        self._handle = handle
        self.id = handle.id

    def status(self) -> Found:
        """See AsyncJobHandle.status."""
        found: Found = self._wait(self._handle.status())
        return found

    def wait(self, timeout_s: float | None = None) -> Ending:
        """See AsyncJobHandle.wait."""
        ending: Ending = self._wait(self._handle.wait(timeout_s))
        return ending

    def result(self, timeout_s: float | None = None) -> R:
        """See AsyncJobHandle.result."""
        result: R = self._wait(self._handle.result(timeout_s))
        return result

    def cancel(self, reason: str = "") -> State:
        """See AsyncJobHandle.cancel."""
        state: State = self._wait(self._handle.cancel(reason))
        return state

    def progress(self) -> Progress | None:
        """See AsyncJobHandle.progress."""
        progress: Progress | None = self._wait(self._handle.progress())
        return progress
