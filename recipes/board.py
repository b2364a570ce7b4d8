"""Notice board: a console writes, many readers act; each sees each change once and in order.

Guarantee: a reader gets every change after its bookmark once, in the order of revisions, whole
revisions at a time, through reconnects and leader changes. Appended notices keep a key each, so
they are never lost while they hang; of a subject written over and over a reader that compaction
has overtaken gets the newest word only, marked `caught_up`.

What breaks it: acting and then dying before the bookmark is kept: the change comes again. Put the
bookmark into the transaction that acts, where that must not be. What was taken down while a
reader was away, and compacted since, it is never told of.

Cost: a put to write; one watch for each reader, a read more when compaction overtook it.
"""

from collections.abc import AsyncGenerator

from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Refused, error_from
from coord.model import Event, EventKind, KeyValue
from recipes.mirror import read_all
from recipes.port import KeyStore, next_batch


@frozen
class Notice:
    """One change of the board.

    Attributes:
        subject: the notice's key without the board's prefix.
        body: what it says; None when it was taken down.
        revision: when it was written; the reader's bookmark once it has acted on all of that.
        caught_up: read from the board, not from history: earlier words of the same subject, and
            what was taken down, may have been passed over.
    """

    subject: str
    body: bytes | None
    revision: int
    caught_up: bool = False


class NoticeBoard:
    """One board, named by a prefix (best ended by a slash); notices are the keys under it."""

    def __init__(self, client: KeyStore, prefix: Text) -> None:
        self._client = client
        self._prefix = ops.key_bytes(prefix)

    async def write(self, subject: str, body: Text, *, lease: int = 0) -> int:
        """Say something on a subject, in place of what was said before; return the revision.

        Repeating it, when the answer was lost, tells readers twice.
        """
        if not subject:
            raise error_from(ErrorCode.INVALID_OPTION, "a subject is needed")
        put = await self._client.put(self._prefix + subject.encode(), body, lease=lease)
        return put.revision

    async def append(self, body: Text, *, lease: int = 0) -> int:
        """Hang a notice of its own beside all others; return the revision."""
        put = await self._client.put(self._prefix, body, lease=lease, sequence=True)
        return put.revision

    async def take_down(self, subject: str) -> bool:
        """Take a notice down; return whether it was there."""
        key = self._prefix + subject.encode()
        reply = await self._client.txn(compare=[ops.exists(key)], success=[ops.delete(key)])
        return reply.succeeded

    async def read(self) -> tuple[tuple[Notice, ...], int]:
        """Return what hangs now, oldest first, and the bookmark to follow from."""
        found, revision = await read_all(self._client, self._prefix, prefix=True)
        return self._in_order(list(found.values()), caught_up=False), revision

    async def follow(self, bookmark: int = 0) -> AsyncGenerator[tuple[Notice, ...], None]:
        """Yield the changes after `bookmark`, in order, as they happen.

        Each tuple is whole revisions: `notices[-1].revision` is the bookmark once all of it is
        acted on. Close the generator to stop.

        Args:
            bookmark: the last revision acted on; 0 starts with all that hangs.

        Raises:
            Unavailable: there was nobody to follow; go on from the bookmark.
        """
        if not bookmark:
            notices, bookmark = await self.read()
            if notices:
                yield notices
        while True:
            watching = self._client.watch(self._prefix, prefix=True, start_revision=bookmark + 1)
            try:
                async with watching as watch:
                    while True:
                        batch = await next_batch(watch)
                        bookmark = batch.revision
                        if batch.events:
                            yield tuple(self._notice(event) for event in batch.events)
            except Refused as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise
            found, revision = await read_all(self._client, self._prefix, prefix=True)
            new = [kv for kv in found.values() if kv.mod_revision > bookmark]
            bookmark = revision
            if new:
                yield self._in_order(new, caught_up=True)

    def _in_order(self, found: list[KeyValue], *, caught_up: bool) -> tuple[Notice, ...]:
        found.sort(key=lambda kv: (kv.mod_revision, kv.key))
        return tuple(
            Notice(self._subject(kv.key), kv.value, kv.mod_revision, caught_up) for kv in found
        )

    def _notice(self, event: Event) -> Notice:
        body = event.kv.value if event.kind is EventKind.PUT else None
        return Notice(self._subject(event.kv.key), body, event.kv.mod_revision)

    def _subject(self, key: bytes) -> str:
        return key.removeprefix(self._prefix).decode(errors="replace")
