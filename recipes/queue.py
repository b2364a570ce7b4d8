"""Queue: items in order of arrival, each held by one consumer at a time, completed at most once.

Guarantee: `put` keeps strict order of arrival. `take` moves the first items to the consumer, under
its session's lease, in one step of the store; when the session ends they are back in their old
place in line. `complete` is one transaction guarded by the claim's token: of all consumers that
ever held an item exactly one completes it. Delivery is at least once.

What breaks it: effects outside the store before `complete`: they may happen again. Strict order of
processing with more than one consumer, or after an item came back.

Cost: put 1, take 1, complete 1, fail 1; going idle 1 more. An item wakes one of all idle consumers.

Keys, under its prefix: ready/ID, held/CONSUMER/ID, done/ID, dead/ID, tries/ID/ATTEMPT, idle/.
An ID is 20 hexadecimal digits, in order of arrival; with a "!" before them for those put first.
"""

from collections.abc import Iterable

import msgspec
from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Misuse, error_from
from coord.requests import Claim, Compare, Put, PutReply, TxnOp
from recipes.port import KeyStore

FIRST = b"!"
"""Sorts before every digit."""
ATTEMPTS_MAX = 1000
_KEY_BYTES_BEHIND = 256  # a place, a consumer, an ID: what comes behind the prefix


def id_text(raw: bytes) -> str:
    """Return an item's id, as it ends a key, as a text: any bytes, which `id_bytes` gives back."""
    return raw.decode(errors="surrogateescape")


def id_bytes(item: str) -> bytes:
    """Return an item's id as it ends a key.

    Raises:
        Misuse: an id that `id_text` never returned and UTF-8 cannot say.
    """
    try:
        return item.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise error_from(ErrorCode.INVALID_OPTION, f"item id {item!r:.100}; of UTF-8") from None


@frozen
class Claimed:
    """An item in a consumer's hands.

    `token` is its claim's; `attempt` counts from 1; `name` is set where items have names.
    """

    id: str
    key: bytes
    body: bytes
    token: int
    attempt: int
    name: str = ""

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail once this claim has ended."""
        return ops.created(self.key, "==", self.token)


class Done(msgspec.Struct, frozen=True):
    """What is kept of a completed item: by whom, at which attempt, and what came of it."""

    token: int
    consumer: str
    attempt: int
    result: msgspec.Raw = msgspec.Raw(b"null")


@frozen
class QueueSettings:
    """How a queue treats its items.

    Attributes:
        attempts_max: claims of one item before it is buried instead of handed out; 1 to 1000.

    Raises:
        Misuse: a number out of bounds.
    """

    attempts_max: int = 5

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.attempts_max <= ATTEMPTS_MAX:
            raise Misuse(
                f"attempts_max {self.attempts_max}; 1 to {ATTEMPTS_MAX}", ErrorCode.INVALID_OPTION
            )


@frozen
class Counts:
    """How many items are where, at one revision."""

    ready: int
    held: int
    done: int
    dead: int
    revision: int


class Queue:
    """One queue, named by a prefix (best ended by a slash).

    Attributes:
        in_order: whether items are numbered in order of arrival and taken so.

    Raises:
        Misuse: no prefix, or one too long to put keys under.
    """

    in_order = True

    def __init__(
        self, client: KeyStore, prefix: Text, settings: QueueSettings | None = None
    ) -> None:
        self.client = client
        self.prefix = ops.key_bytes(prefix)
        ops.key_bytes(self.prefix + bytes(_KEY_BYTES_BEHIND))
        self.settings = settings or QueueSettings()

    @property
    def ready(self) -> bytes:
        """The prefix of items that wait."""
        return self.prefix + b"ready/"

    @property
    def held(self) -> bytes:
        """The prefix of items in consumers' hands: held/CONSUMER/ID."""
        return self.prefix + b"held/"

    @property
    def done(self) -> bytes:
        """The prefix of completed items' records."""
        return self.prefix + b"done/"

    @property
    def dead(self) -> bytes:
        """The prefix of buried items, each with its body; why is told under `tries`."""
        return self.prefix + b"dead/"

    @property
    def idle(self) -> bytes:
        """The prefix of the line of consumers that wait."""
        return self.prefix + b"idle/"

    def tries(self, item: str) -> bytes:
        """Return the prefix of one item's failed attempts, the cause of each: tries/ID/ATTEMPT."""
        return self.prefix + b"tries/" + id_bytes(item) + b"/"

    def putting(self, body: Text, *, first: bool = False) -> Put:
        """Return the operation that appends an item, for use in a transaction of yours.

        With `first`, the item goes before all that were not put so, behind those that were.
        """
        return ops.put(self.ready + (FIRST if first else b""), body, sequence=True)

    async def put(self, body: Text, *, first: bool = False) -> str:
        """Append an item and return its id; with `first`, before all that were not put so."""
        put = self.putting(body, first=first)
        reply = await self.client.put(put.key, put.value, sequence=True)
        return reply.key.removeprefix(self.ready).decode()

    async def put_all(self, bodies: Iterable[Text]) -> list[str]:
        """Append items, all or none (at most 1024), in one revision; return their ids."""
        if isinstance(bodies, str | bytes):
            raise Misuse(f"bodies {bodies!r:.100}; a list of them", ErrorCode.INVALID_OPTION)
        reply = await self.client.txn(success=[self.putting(body) for body in bodies])
        puts = [answer for answer in reply.replies if isinstance(answer, PutReply)]
        return [put.key.removeprefix(self.ready).decode() for put in puts]

    def claiming(self, claim: Claim, consumer: str) -> TxnOp:
        """Return how a consumer claims from this queue."""
        return claim

    def packed(self, item: Claimed) -> bytes:
        """Return the value an item is kept with."""
        return item.body

    def unpacked(self, item: Claimed) -> Claimed:
        """Return an item as it is handed out, given it with the value it is kept with."""
        return item

    def completing(self, item: Claimed) -> list[TxnOp]:
        """Return what else there is to do when an item is completed."""
        return []

    async def counts(self) -> Counts:
        """Count items by place, all at one revision."""
        places = (self.ready, self.held, self.done, self.dead)
        reads: list[TxnOp] = [ops.get(place, prefix=True, count_only=True) for place in places]
        reply = await self.client.txn(success=reads)
        ready, held, done, dead = (getattr(answer, "count", 0) for answer in reply.replies)
        return Counts(ready, held, done, dead, reply.revision)

    async def revive(self, item: str) -> bool:
        """Put a buried item back at its old place in line, its attempts counted from 0 again.

        Returns:
            False when no such item is buried; nothing was changed.
        """
        key = self.dead + id_bytes(item)
        found = await self.client.get(key)
        if not found.kvs:
            return False
        reply = await self.client.txn(
            compare=[ops.created(key, "==", found.kvs[0].create_revision)],
            success=[
                ops.put(self.ready + id_bytes(item), found.kvs[0].value),
                ops.delete(key),
                ops.delete(self.tries(item), prefix=True),
            ],
        )
        return reply.succeeded
