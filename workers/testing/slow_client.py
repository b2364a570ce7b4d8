"""A faulty client that is slow, too: by a few turns of the loop, drawn anew for each message.

So answers come after events that are newer than they are, and two watches are never equally far.
"""

import asyncio
import random
from collections.abc import Iterable
from typing import Any, Self

from coord.client.ops import Text
from coord.client.watch import WatchBatch
from coord.requests import Compare, RangeReply, TxnOp, TxnReply
from coord.testing.local import LocalCluster, LocalWatch
from workers.testing.faulty_client import FaultyClient

TURNS_MAX = 12


class SlowClient(FaultyClient):
    """Every request, every answer and every batch of a watch takes its time."""

    def __init__(self, cluster: LocalCluster, draw: random.Random) -> None:
        super().__init__(cluster)
        self._draw = draw

    async def pass_turns(self) -> None:
        """Let a few turns of the loop pass."""
        for _ in range(self._draw.randrange(TURNS_MAX)):
            await asyncio.sleep(0)

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        """See Client.txn."""
        await self.pass_turns()
        reply = await super().txn(compare, success, failure)
        await self.pass_turns()
        return reply

    async def get(self, key: Text, **options: Any) -> RangeReply:
        """See Client.get."""
        await self.pass_turns()
        reply = await super().get(key, **options)
        await self.pass_turns()
        return reply

    def watch(self, key: Text, **options: Any) -> LocalWatch:
        """See Client.watch."""
        return _SlowWatch(self, super().watch(key, **options))


class _SlowWatch(LocalWatch):
    """Another watch, later."""

    def __init__(self, client: SlowClient, watch: LocalWatch) -> None:
        self._client = client
        self._inner = watch

    async def cancel(self) -> None:
        await self._inner.cancel()

    async def __anext__(self) -> WatchBatch:
        batch = await anext(self._inner)
        await self._client.pass_turns()
        return batch

    async def __aenter__(self) -> Self:
        return self
