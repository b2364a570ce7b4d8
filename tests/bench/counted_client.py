"""A client of a real cluster that counts: requests made, watches made, batches that woke somebody.

Give it to everybody whose requests are to be counted together. Renewals of sessions are not
counted: they go on whether anything happens or not.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from coord import aio
from coord.client.ops import Text
from coord.client.watch import WatchBatch
from coord.requests import (
    ClaimReply,
    Compare,
    GiveBackReply,
    PutReply,
    RangeReply,
    TxnOp,
    TxnReply,
)


class CountedClient:
    """The requests of recipes, as `recipes.port.KeyStore` has them, counted and passed on."""

    def __init__(self, client: aio.Client) -> None:
        self._client = client
        self.requests = 0
        self.watches = 0
        self.wake_ups = 0

    @property
    def counts(self) -> tuple[int, int, int]:
        """Requests, watches made and wake-ups so far."""
        return self.requests, self.watches, self.wake_ups

    async def put(self, key: Text, value: Text = b"", **options: Any) -> PutReply:
        """See Client.put."""
        self.requests += 1
        return await self._client.put(key, value, **options)

    async def get(self, key: Text, **options: Any) -> RangeReply:
        """See Client.get."""
        self.requests += 1
        return await self._client.get(key, **options)

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        """See Client.txn."""
        self.requests += 1
        return await self._client.txn(compare, success, failure)

    async def claim(self, source: Text, target: Text, lease: int, limit: int = 1) -> ClaimReply:
        """See Client.claim."""
        self.requests += 1
        return await self._client.claim(source, target, lease, limit)

    async def give_back(self, key: Text, create_revision: int) -> GiveBackReply:
        """See Client.give_back."""
        self.requests += 1
        return await self._client.give_back(key, create_revision)

    def watch(self, key: Text, **options: Any) -> "CountedWatch":
        """See Client.watch."""
        self.watches += 1
        return CountedWatch(self, self._client.watch(key, **options))


class CountedWatch:
    """A watch whose batches are counted as they are handed over."""

    def __init__(self, client: CountedClient, watch: aio.Watch) -> None:
        self._client = client
        self._watch = watch

    async def __aenter__(self) -> Self:
        await self._watch.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._watch.__aexit__(kind, error, trace)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchBatch:
        batch = await anext(self._watch)
        self._client.wake_ups += 1
        return batch
