"""Software transactional memory: read and write keys in a function, as if nobody else did.

Guarantee, by isolation: SERIALIZABLE_SNAPSHOT (the default): reads are of one revision, and
neither what was read nor what is written has changed since. SERIALIZABLE: what was read has not
changed. REPEATABLE_READS: the same, but reads may be of different revisions. READ_COMMITTED:
nothing is checked at the end. Otherwise the function runs again.

What breaks it: effects of the function other than through the transaction: they repeat. Waiting
for people inside it: the longer, the likelier that it runs again. `MaybeDone`: it may have been
committed, once. No ranges: a key that appears under a prefix is not noticed.

Cost: a round trip per key read, one to commit; when it runs again, what it read last time comes
with the refusal. A function that only read at one revision commits nothing. Not for: what one
transaction with compares says plainly; keys that everybody writes all the time.
"""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

from attrs import define

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Misuse, Refused
from coord.model import KeyValue
from coord.requests import Compare, DeleteRange, Put, RangeReply, TxnOp
from recipes.errors import Contended
from recipes.port import KeyStore, only

T = TypeVar("T")
TRIES_MAX = 1000


class Isolation(Enum):
    """What is checked before a transaction counts; see the module."""

    SERIALIZABLE_SNAPSHOT = "serializable snapshot"
    SERIALIZABLE = "serializable"
    REPEATABLE_READS = "repeatable reads"
    READ_COMMITTED = "read committed"

    @property
    def reads_one_revision(self) -> bool:
        """Whether all reads show the store as it was at one moment."""
        return self in (Isolation.SERIALIZABLE_SNAPSHOT, Isolation.SERIALIZABLE)


@define
class _Read:
    kv: KeyValue | None

    @property
    def mod_revision(self) -> int:
        return 0 if self.kv is None else self.kv.mod_revision


class Transaction:
    """What the function of `transact` reads and writes through; of no use after it returned."""

    def __init__(
        self, client: KeyStore, isolation: Isolation, known: dict[bytes, _Read], revision: int
    ) -> None:
        self._client = client
        self._isolation = isolation
        self._known = known
        self._reads: dict[bytes, _Read] = {}
        self._writes: dict[bytes, Put | DeleteRange] = {}
        self._revision = revision
        self._over = False

    async def get(self, key: Text) -> bytes | None:
        """Return a key's value as this transaction sees it; None where there is no key.

        A key read twice reads the same; what was written here is what is read here.
        """
        self._check_open()
        name = ops.key_bytes(key)
        written = self._writes.get(name)
        if written is not None:
            return written.value if isinstance(written, Put) else None
        kv = (await self._read(name)).kv
        return None if kv is None else kv.value

    def put(self, key: Text, value: Text, *, lease: int = 0) -> None:
        """Write a key when the transaction is committed."""
        self._check_open()
        put = ops.put(key, value, lease=lease)
        self._writes[put.key] = put

    def delete(self, key: Text) -> None:
        """Delete a key when the transaction is committed."""
        self._check_open()
        deletion = ops.delete(key)
        self._writes[deletion.key] = deletion

    async def _read(self, key: bytes) -> _Read:
        found = self._reads.get(key)
        if found is None:
            found = self._known.get(key)
        if found is None:
            at = self._revision if self._isolation.reads_one_revision else 0
            reply = await self._client.get(key, revision=at)
            self._revision = self._revision or reply.revision
            found = _Read(only(reply))
        self._reads[key] = found
        return found

    async def _commit(self) -> tuple[bool, dict[bytes, _Read], int]:
        """Return whether it counts; if not, what its keys are now, and at which revision."""
        self._over = True
        if not self._writes and self._isolation.reads_one_revision:
            return True, {}, 0
        again: list[TxnOp] = [ops.get(key) for key in self._reads]
        reply = await self._client.txn(
            compare=self._conditions(), success=self._writes.values(), failure=again
        )
        if reply.succeeded:
            return True, {}, 0
        now = {}
        for key, found in zip(self._reads, reply.replies, strict=True):
            assert isinstance(found, RangeReply)
            now[key] = _Read(only(found))
        return False, now, reply.revision

    def _conditions(self) -> list[Compare]:
        if self._isolation is Isolation.READ_COMMITTED:
            return []
        unchanged = [
            ops.modified(key, "==", read.mod_revision) for key, read in self._reads.items()
        ]
        if self._isolation is not Isolation.SERIALIZABLE_SNAPSHOT or not self._reads:
            return unchanged
        blind = self._writes.keys() - self._reads.keys()
        return unchanged + [ops.modified(key, "<", self._revision + 1) for key in sorted(blind)]

    def _check_open(self) -> None:
        if self._over:
            raise Misuse("this transaction is over", ErrorCode.INVALID_OPTION)


async def transact(
    client: KeyStore,
    work: Callable[[Transaction], Awaitable[T]],
    isolation: Isolation = Isolation.SERIALIZABLE_SNAPSHOT,
    *,
    tries_max: int = TRIES_MAX,
) -> T:
    """Run `work` until what it did can be committed as one step.

    Args:
        client: whom to ask.
        work: reads and writes through the transaction it is given; may run several times. An
            exception from it ends everything, with nothing written.
        isolation: what others may have done meanwhile.
        tries_max: how often to run it; at least 1.

    Returns:
        What the run that was committed returned.

    Raises:
        Contended: others interfered each time; nothing was written.
        MaybeDone: the last run may have been committed.
    """
    if tries_max < 1:
        raise Misuse(f"tries_max {tries_max}; at least 1", ErrorCode.INVALID_OPTION)
    known: dict[bytes, _Read] = {}
    revision = 0
    for _ in range(tries_max):
        transaction = Transaction(client, isolation, known, revision)
        try:
            result = await work(transaction)
        except Refused as error:
            if error.code is not ErrorCode.COMPACTED:
                raise
            # The revision it read at is history by now: read anew.
            known, revision = {}, 0
            continue
        committed, known, revision = await transaction._commit()
        if committed:
            return result
    raise Contended
