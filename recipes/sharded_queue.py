"""Sharded queue: several lines side by side; each consumer keeps to one and helps out elsewhere.

Guarantee: as `recipes.queue`, with order of arrival within a shard. `put` goes round the shards, or
to the one a `key` stands for, so that what has one key stays in order. A consumer takes from its
own shard for as long as there is something, then from the first other one that has something: no
item waits while a consumer is idle. Which shard is whose follows from the consumer's name.

What breaks it: order across shards, as that is not kept; items of one key are taken in order, yet
handled at once by two consumers when both find them.

Cost: as the queue, with two conditions more to a claim. IDs are SHARD/NUMBER.
"""

import itertools
import zlib

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Misuse
from coord.requests import Claim, Put, Txn, TxnOp
from recipes.port import KeyStore
from recipes.queue import FIRST, Queue, QueueSettings

SHARDS_MAX = 256


class ShardedQueue(Queue):
    """One queue of `shards` lines, the same number for everybody; consumers are the queue's.

    Raises:
        Misuse: fewer shards than 1 or more than 256.
    """

    in_order = False

    def __init__(
        self,
        client: KeyStore,
        prefix: Text,
        shards: int,
        settings: QueueSettings | None = None,
    ) -> None:
        if not 1 <= shards <= SHARDS_MAX:
            raise Misuse(f"{shards} shards; 1 to {SHARDS_MAX}", ErrorCode.INVALID_OPTION)
        super().__init__(client, prefix, settings)
        self.shards = shards
        self._turn = itertools.count()

    def putting(self, body: Text, *, first: bool = False, key: Text | None = None) -> Put:
        """Return the operation that puts an item, for use in a transaction of yours."""
        shard = next(self._turn) % self.shards if key is None else self.shard_of(key)
        line = self.ready + _shard(shard) + (FIRST if first else b"")
        return ops.put(line, body, sequence=True)

    async def put(self, body: Text, *, first: bool = False, key: Text | None = None) -> str:
        """Append an item to the shard of `key`, or to the next one, and return its id."""
        put = self.putting(body, first=first, key=key)
        reply = await self.client.put(put.key, put.value, sequence=True)
        return reply.key.removeprefix(self.ready).decode()

    def shard_of(self, key: Text) -> int:
        """Return the shard that `key` stands for, or a consumer's name."""
        return zlib.crc32(ops.text_bytes(key)) % self.shards

    def claiming(self, claim: Claim, consumer: str) -> TxnOp:
        """Return a claim from the consumer's own shard, or where that is empty from all."""
        own = _shard(self.shard_of(consumer))
        source, target = claim.source + own, claim.target + own
        mine = ops.claim(source, target, claim.lease, claim.limit)
        return Txn((ops.missing(source, prefix=True),), (claim,), (mine,))


def _shard(number: int) -> bytes:
    return f"{number:02x}/".encode()
