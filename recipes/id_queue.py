"""Id queue: a queue whose items have names of your own; a name is in it once at a time.

Guarantee: as `recipes.queue`, in order of arrival. An item whose name is in the queue already (in
line, in a consumer's hands or buried) is refused, or replaces the body of the one that waits, at
its place. `remove` takes an item out of line or grave, never out of somebody's hands. A name is
free again in the transaction that completes or removes its item.

What breaks it: completing by transactions of your own without `completing(item)`.

Cost: as the queue; to replace, find or remove one or two round trips.

Keys beside the queue's: name/NAME/ID. Values are the name and the body, packed together.
"""

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Misuse
from coord.model import KeyValue
from coord.requests import Put, PutReply, TxnOp
from recipes.errors import AlreadyQueued
from recipes.port import only
from recipes.queue import FIRST, Claimed, Queue

NAME_BYTES_MAX = 1000
_LENGTH_BYTES = 2


class IdQueue(Queue):
    """One queue; consumers are the queue's, and find the name in `Claimed.name`."""

    def putting(self, body: Text, *, first: bool = False) -> Put:
        """Not to be used: an item is put by more than one operation.

        Raises:
            Misuse: always.
        """
        raise Misuse("an id queue's items have names: use put", ErrorCode.NOT_SUPPORTED)

    async def put(
        self, body: Text, *, first: bool = False, name: str = "", replace: bool = False
    ) -> str:
        """Append an item called `name`, and return its id.

        Args:
            body: what to keep.
            first: put it before all that were not put so.
            name: not empty, without a slash, up to 1000 bytes of UTF-8.
            replace: give the item of that name that waits in line this body, at its place.

        Raises:
            AlreadyQueued: an item of that name is there, or is in somebody's hands; nothing was
                changed.
            Misuse: the name is none.
        """
        index = self._index(name)
        value = _packed(name, ops.text_bytes(body))
        line = self.ready + (FIRST if first else b"")
        stem = index + (FIRST if first else b"")
        while True:
            reply = await self.client.txn(
                compare=[ops.missing(index, prefix=True)],
                success=[
                    ops.put(line, value, sequence=True),
                    ops.put(stem, b"", same_sequence=True),
                ],
            )
            if reply.succeeded:
                put = reply.replies[0]
                assert isinstance(put, PutReply)
                return put.key.removeprefix(self.ready).decode()
            item = await self.find(name)
            if item is None:
                continue  # it has gone meanwhile
            if not replace or not await self._replaced(item, value):
                raise AlreadyQueued(f"{name!r} is in the queue as {item}")
            return item

    async def find(self, name: str) -> str | None:
        """Return the id of the item called `name`, wherever it is; None when there is none."""
        index = self._index(name)
        found = only(await self.client.get(index, prefix=True, limit=1))
        return None if found is None else found.key.removeprefix(index).decode()

    async def remove(self, name: str) -> bool:
        """Take the item called `name` out of the queue, if nobody holds it.

        Returns:
            Whether it is out now; False when there is none, or somebody holds it.
        """
        item = await self.find(name)
        if item is None:
            return False
        for place in (self.ready, self.dead):
            key = place + item.encode()
            reply = await self.client.txn(
                compare=[ops.exists(key)],
                success=[
                    ops.delete(key),
                    ops.delete(self._index(name) + item.encode()),
                    ops.delete(self.tries(item), prefix=True),
                ],
            )
            if reply.succeeded:
                return True
        return False

    def packed(self, item: Claimed) -> bytes:
        """Return the value an item is kept with."""
        return _packed(item.name, item.body) if item.name else item.body

    def unpacked(self, item: Claimed) -> Claimed:
        """Return an item as it is handed out, given it with the value it is kept with."""
        end = _LENGTH_BYTES + int.from_bytes(item.body[:_LENGTH_BYTES])
        try:
            name = item.body[_LENGTH_BYTES:end].decode()
        except UnicodeDecodeError:
            return item  # not put by an id queue
        return Claimed(item.id, item.key, item.body[end:], item.token, item.attempt, name)

    def completing(self, item: Claimed) -> list[TxnOp]:
        """Return what else there is to do when an item is completed: its name is free again."""
        return [ops.delete(self._index(item.name) + item.id.encode())] if item.name else []

    async def _replaced(self, item: str, value: bytes) -> bool:
        key = self.ready + item.encode()
        waiting: KeyValue | None = only(await self.client.get(key))
        if waiting is None:
            return False
        same = ops.created(key, "==", waiting.create_revision)
        return (await self.client.txn(compare=[same], success=[ops.put(key, value)])).succeeded

    def _index(self, name: str) -> bytes:
        if not name or "/" in name or len(name.encode()) > NAME_BYTES_MAX:
            raise Misuse(
                f"item name {name[:80]!r}; not empty, no slash, at most {NAME_BYTES_MAX} bytes",
                ErrorCode.INVALID_OPTION,
            )
        return self.prefix + b"name/" + name.encode() + b"/"


def _packed(name: str, body: bytes) -> bytes:
    encoded = name.encode()
    return len(encoded).to_bytes(_LENGTH_BYTES) + encoded + body
