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

from coord.client.watches import Receipt
from coord.errors import CoordError, ErrorCode, error_from
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
    When no node has taken it within the client's request timeout that raises Unavailable, and the
    watch is canceled, as it is when the wait is. Just iterating waits for as long as it takes.
    """

    def __init__(self, feed: WatchFeed) -> None:
        self._feed = feed

    @property
    def revision(self) -> int:
        """The store's revision when the watch was first made; 0 before that."""
        return self._feed.revision

    def __await__(self) -> Generator[object, None, Watch]:
        return self._stand().__await__()

    async def _stand(self) -> Watch:
        feed = self._feed
        try:
            async with asyncio.timeout(feed.timeout_ms / 1000.0):
                await feed.created.wait()
        except TimeoutError:
            feed.cancel()
            raise error_from(ErrorCode.TIMED_OUT, "no node took the watch") from None
        except asyncio.CancelledError:
            # Nobody may be left to hold it: unread, it would fill the connection's window and
            # hold up every other watch on it.
            feed.cancel()
            raise
        if feed.error is not None:
            raise feed.error
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
        return self._feed.ended and not self._feed.batches

    async def take(self, timeout_ms: float | None = None) -> WatchBatch | None:
        """Return the next batch, or None when the time passed or the watch has ended.

        Raises:
            Refused: HistoryCompacted, or why the cluster ended the watch; on every later call too.
        """
        feed = self._feed
        if timeout_ms is None:
            await feed.wait()
        elif not feed.batches:
            try:
                async with asyncio.timeout(timeout_ms / 1000.0):
                    await feed.wait()
            except TimeoutError:
                return None
        if not feed.batches:
            if feed.error is not None:
                raise feed.error
            return None
        return feed.pop()

    async def cancel(self) -> None:
        """Stop following. What was not yet taken is dropped; the iteration ends."""
        self._feed.cancel()


class WatchFeed:
    """Between the core and one Watch: what was handed over and is not taken yet."""

    def __init__(self, timeout_ms: float) -> None:
        self.timeout_ms = timeout_ms
        self.batches: deque[tuple[WatchBatch, tuple[Receipt, ...]]] = deque()
        self.created = asyncio.Event()
        self.error: CoordError | None = None
        self.ended = False
        self.revision = 0
        self._arrived = asyncio.Event()
        self._stop: Callable[[], None] | None = None
        self._consume: Callable[[Receipt], None] | None = None

    def attach(self, stop: Callable[[], None], consume: Callable[[Receipt], None]) -> None:
        """Learn how to stop the watch, and where receipts of consumed batches go."""
        self._stop = stop
        self._consume = consume

    # --- the core's side ---

    def stands(self, revision: int) -> None:
        """Note that the watch is made."""
        if not self.created.is_set():
            self.revision = revision
            self.created.set()

    def push(self, events: tuple[Event, ...], revision: int, receipts: tuple[Receipt, ...]) -> None:
        """Take whole revisions. Progress not taken yet gives way to what comes after it."""
        if self.batches and not self.batches[-1][0].events:
            self.batches.pop()
        self.batches.append((WatchBatch(events, revision), receipts))
        self._arrived.set()

    def end(self, error: CoordError | None) -> None:
        """Note that nothing more comes."""
        self.ended = True
        self.error = error
        self.created.set()
        self._arrived.set()

    # --- the application's side ---

    async def wait(self) -> None:
        """Wait until there is a batch or an end."""
        while not self.batches and not self.ended:
            self._arrived.clear()
            await self._arrived.wait()

    def pop(self) -> WatchBatch:
        """Take the oldest batch, and say that it is consumed."""
        batch, receipts = self.batches.popleft()
        self._give_back(receipts)
        return batch

    def cancel(self) -> None:
        """End the watch from this side."""
        waiting, self.batches = self.batches, deque()
        if not self.ended:
            self.end(None)
            if self._stop is not None:
                self._stop()
        for _, receipts in waiting:
            self._give_back(receipts)

    def _give_back(self, receipts: tuple[Receipt, ...]) -> None:
        if self._consume is not None:
            for receipt in receipts:
                self._consume(receipt)
