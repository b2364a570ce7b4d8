"""What a recipe asks of its client: the few requests all of them are made of.

The asyncio client of coord fits, and so may anything else with the same meanings, a test's
in-process store or another engine. What matters and types cannot say: reads are linearizable, a
write whose outcome is unknown raises MaybeDone, a watch neither skips nor repeats a revision.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from coord.client.ops import Text
from coord.client.watch import WatchBatch
from coord.errors import ErrorCode, Unavailable
from coord.model import KeyValue
from coord.requests import (
    ClaimReply,
    Compare,
    GiveBackReply,
    PutReply,
    RangeReply,
    SortOrder,
    SortTarget,
    TxnOp,
    TxnReply,
)


class KeptLease(Protocol):
    """A session: a lease renewed for as long as its holder lives."""

    @property
    def lease(self) -> int:
        """The lease's id."""
        ...

    @property
    def lost(self) -> asyncio.Event:
        """Set once the lease has ended, at the latest when others may act on that."""
        ...


Following = AsyncIterator[WatchBatch]
"""A watch: whole revisions, in order; raises Refused COMPACTED when it fell behind."""


class KeyStore(Protocol):
    """The requests recipes make; each means what coord.client.Client says it means."""

    async def put(
        self, key: Text, value: Text = b"", *, lease: int = 0, sequence: bool = False
    ) -> PutReply:
        """Write one key."""
        ...

    async def get(
        self,
        key: Text,
        *,
        range_end: Text | None = None,
        prefix: bool = False,
        limit: int = 0,
        revision: int = 0,
        sort_order: SortOrder = SortOrder.NONE,
        sort_target: SortTarget = SortTarget.KEY,
        count_only: bool = False,
        max_create_revision: int = 0,
    ) -> RangeReply:
        """Read a key or a range."""
        ...

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        """If every compare holds do `success`, else `failure`."""
        ...

    async def claim(self, source: Text, target: Text, lease: int, limit: int = 1) -> ClaimReply:
        """Take the first keys of a prefix to another prefix under a lease."""
        ...

    async def give_back(self, key: Text, create_revision: int) -> GiveBackReply:
        """Return a claimed key to where it was."""
        ...

    def watch(
        self,
        key: Text,
        *,
        range_end: Text | None = None,
        prefix: bool = False,
        start_revision: int = 0,
        no_delete: bool = False,
    ) -> AbstractAsyncContextManager[Following]:
        """Follow a key or a prefix from a revision on; 0 means from now."""
        ...


class Gate(Protocol):
    """A condition that holds something back until it is true."""

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail while the gate is shut."""
        ...

    async def wait(self) -> object:
        """Return when the gate is open."""
        ...


@runtime_checkable
class Batches(Gate, Protocol):
    """A gate that lets through batch by batch."""

    async def arrival(self, arrival: Callable[[], Awaitable[None]]) -> None:
        """Return when the batch may have grown by `arrival`, or another was let through."""
        ...


class SessionStore(KeyStore, Protocol):
    """A KeyStore that also makes sessions."""

    def session(self, ttl_ms: int = 10_000) -> AbstractAsyncContextManager[KeptLease]:
        """Make a lease of `ttl_ms` milliseconds on entry, keep it, revoke it on exit."""
        ...


async def next_batch(watch: Following) -> WatchBatch:
    """Wait for a watch's next batch.

    Raises:
        Unavailable: the watch has ended, as when its client is closed.
        Refused: COMPACTED; it fell behind.
    """
    try:
        return await anext(watch)
    except StopAsyncIteration:
        raise Unavailable("the watch has ended", ErrorCode.STOPPING) from None


def only(reply: RangeReply) -> KeyValue | None:
    """Return the first key of an answer, if it has one."""
    return reply.kvs[0] if reply.kvs else None
