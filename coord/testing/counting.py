"""A local client that counts what is asked of it and how often a watch wakes somebody.

For tests of what a recipe costs: that a release, say, makes as many requests with a thousand
waiters as with one.
"""

from typing import Any, TypeVar

from coord.client import ops
from coord.client.ops import Text
from coord.client.watch import WatchBatch
from coord.requests import ReadOp, WriteOp
from coord.testing.local import LocalClient, LocalCluster, LocalWatch

R = TypeVar("R")


class CountingClient(LocalClient):
    """One client; give it to everybody whose requests are to be counted together."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.requests = 0
        self.watches = 0
        self.wake_ups = 0

    def take_counts(self) -> tuple[int, int, int]:
        """Return requests, watches made and wake-ups by watches since the last call."""
        counts = (self.requests, self.watches, self.wake_ups)
        self.requests = self.watches = self.wake_ups = 0
        return counts

    def watch(self, key: Text, **options: Any) -> LocalWatch:
        """See Client.watch."""
        self.watches += 1
        start, end = ops.key_range(
            key, options.get("range_end"), options.get("prefix", False), False
        )
        first, no_delete = options.get("start_revision", 0), options.get("no_delete", False)
        return _CountedWatch(self, start, end, first, no_delete)

    def _write(self, op: WriteOp, kind: type[R]) -> R:
        self.requests += 1
        return super()._write(op, kind)

    def _read(self, op: ReadOp, kind: type[R]) -> R:
        self.requests += 1
        return super()._read(op, kind)


class _CountedWatch(LocalWatch):
    def __init__(
        self, client: CountingClient, key: bytes, end: bytes, start_revision: int, no_delete: bool
    ) -> None:
        super().__init__(client.cluster, key, end, start_revision, no_delete)
        self._client = client

    async def __anext__(self) -> WatchBatch:
        batch = await super().__anext__()
        self._client.wake_ups += 1
        return batch
