"""A watch as the application holds it: an endless iterator of changes, on asyncio.

The protocol (resuming, reassembly, credit) is in `watches.py`; this file only waits for what that
hands over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from types import TracebackType

import attrs

from coord.errors import CoordError
from coord.model import Event


@attrs.frozen(slots=True)
class WatchBatch:
    """Whole revisions of changes, in order.

    Attributes:
        events: what happened; empty only for progress, when that was asked for.
        revision: the watch is complete up to here; a later watch that starts at `revision` + 1
            misses and repeats nothing.
    """

    events: tuple[Event, ...]
    revision: int


class Watch:
    """Follows keys; made by `Client.watch`. An async iterator of WatchBatch.

    It survives disconnects and leader changes: every event arrives once, in order. It ends when
    cancelled, when the client is closed, or with the error the iteration raises:

    * HistoryCompacted (a Refused, with `compact_revision`): it fell behind compaction, so events
      are missing; read again and watch from there.

    `await watch` or `async with watch` waits until it stands: every change made after that is seen.
    """

    def __init__(self, cancel: Callable[[], None], consumed: Callable[[int], None]) -> None:
        self._cancel = cancel
        self._consumed = consumed
        self._batches: deque[tuple[WatchBatch, int]] = deque()
        self._arrived = asyncio.Event()
        self._created = asyncio.Event()
        self._error: CoordError | None = None
        self._ended = False
        self.revision = 0
        """The store's revision when the watch was first made; 0 before that."""

    # --- the application's side ---

    def __await__(self) -> Generator[object, None, Watch]:
        yield from self._created.wait().__await__()
        if self._error is not None:
            raise self._error
        return self

    async def __aenter__(self) -> Watch:
        return await self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.cancel()

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> WatchBatch:
        batch = await self.take()
        if batch is None:
            raise StopAsyncIteration
        return batch

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended and not self._batches

    async def take(self, timeout_ms: float | None = None) -> WatchBatch | None:
        """Return the next batch, or None when the time passed or the watch has ended.

        Raises:
            Refused: HistoryCompacted, or why the cluster ended the watch; on every later call too.
        """
        if not self._batches:
            try:
                async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000.0):
                    await self._wait()
            except TimeoutError:
                return None
        if not self._batches:
            if self._error is not None:
                raise self._error
            return None
        batch, size_bytes = self._batches.popleft()
        self._consumed(size_bytes)
        return batch

    async def _wait(self) -> None:
        while not self._batches and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()

    async def cancel(self) -> None:
        """Stop following. What was not yet taken is dropped; the iteration ends."""
        if not self._ended:
            self._ended = True
            self._cancel()
        self._batches.clear()
        self._wake()

    # --- the client's side ---

    def _stands(self, revision: int) -> None:
        self.revision = self.revision or revision
        self._created.set()

    def _push(self, batch: WatchBatch, size_bytes: int) -> None:
        self._batches.append((batch, size_bytes))
        self._arrived.set()

    def _end(self, error: CoordError | None) -> None:
        self._ended = True
        self._error = error
        self._wake()

    def _wake(self) -> None:
        self._created.set()
        self._arrived.set()
