"""Mirror: a local copy of a key or prefix that follows every change.

Guarantee: `keys` is what the store held at `revision`, exactly; each `change` moves it forward by
whole revisions, in order, none skipped, over disconnects and leader changes. After compaction
overtook it the mirror reads anew, and `change` returns the difference as events: steps in between
are then lost, the end state is not.

What breaks it: nothing but its own age. It is a copy: what it shows was true at `revision`.

Cost: one range read (one more per thousand keys), then one watch. Memory for every key.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from coord.client import ops
from coord.client.ops import Text
from coord.errors import CoordError, ErrorCode, Refused
from coord.model import Cause, Event, EventKind, KeyValue
from recipes.port import Following, KeyStore, next_batch

PAGE_KEYS = 1000


class Mirror:
    """Use as `async with Mirror(client, "config/") as mirror`; read `keys`, await `change`."""

    def __init__(self, client: KeyStore, key: Text, *, prefix: bool = True) -> None:
        self._client = client
        self._key = ops.key_bytes(key)
        self._prefix = prefix
        self._keys: dict[bytes, KeyValue] = {}
        self._watch: Following | None = None
        self._watching = AsyncExitStack()
        self.revision = 0
        """The revision that `keys` shows."""

    @property
    def keys(self) -> Mapping[bytes, KeyValue]:
        """What the store held at `revision`; in no particular order."""
        return self._keys

    async def __aenter__(self) -> Self:
        await self._read_anew()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._watching.aclose()

    async def change(self) -> tuple[Event, ...]:
        """Wait for the next changes and take them into `keys`.

        Returns:
            The events just taken in; never empty.

        Raises:
            Unavailable: there is nobody to follow; the next call tries again, skipping nothing.
        """
        assert self.revision, "enter the mirror first"
        while True:
            events = await self._next()
            if events:
                return events

    async def _next(self) -> tuple[Event, ...]:
        if self._watch is None:
            return await self._read_anew()
        try:
            batch = await next_batch(self._watch)
        except CoordError as error:
            # An ended watch tells nothing more: this call or the next one reads anew.
            self._watch = None
            if error.code is not ErrorCode.COMPACTED:
                raise
            return await self._read_anew()
        self._apply(batch.events)
        self.revision = batch.revision
        return batch.events

    async def _read_anew(self) -> tuple[Event, ...]:
        while True:
            try:
                return await self._read_and_watch()
            except Refused as error:
                # Compaction was faster than the watch from what was read: what is there now?
                if error.code is not ErrorCode.COMPACTED:
                    raise

    async def _read_and_watch(self) -> tuple[Event, ...]:
        self._watch = None
        await self._watching.aclose()
        found, revision = await read_all(self._client, self._key, prefix=self._prefix)
        watch = await self._watching.enter_async_context(
            self._client.watch(self._key, prefix=self._prefix, start_revision=revision + 1)
        )
        events = _difference(self._keys, found, revision)
        self._keys, self.revision, self._watch = found, revision, watch
        return events

    def _apply(self, events: tuple[Event, ...]) -> None:
        for event in events:
            if event.kind is EventKind.PUT:
                self._keys[event.kv.key] = event.kv
            else:
                self._keys.pop(event.kv.key, None)


async def read_all(
    client: KeyStore, key: bytes, *, prefix: bool
) -> tuple[dict[bytes, KeyValue], int]:
    """Read a key or prefix page by page, all of it as of one revision.

    Returns:
        The keys and that revision.
    """
    if not prefix:
        reply = await client.get(key)
        return {kv.key: kv for kv in reply.kvs}, reply.revision
    while True:
        try:
            return await _read_pages(client, key)
        except Refused as error:
            # Compaction was faster than the pages: from the beginning, as of a later revision.
            if error.code is not ErrorCode.COMPACTED:
                raise


async def _read_pages(client: KeyStore, key: bytes) -> tuple[dict[bytes, KeyValue], int]:
    reply = await client.get(key, prefix=True, limit=PAGE_KEYS)
    revision = reply.revision
    found = {kv.key: kv for kv in reply.kvs}
    end = ops.prefix_end(key)
    while reply.more:
        after = reply.kvs[-1].key + b"\0"
        reply = await client.get(after, range_end=end, limit=PAGE_KEYS, revision=revision)
        found.update((kv.key, kv) for kv in reply.kvs)
    return found, revision


def _difference(
    old: Mapping[bytes, KeyValue], new: Mapping[bytes, KeyValue], revision: int
) -> tuple[Event, ...]:
    """Return events that turn `old` into `new`; deletes are stamped with `revision`."""
    gone = [
        Event(EventKind.DELETE, Cause.DELETED, KeyValue(key, b"", 0, revision, 0))
        for key in sorted(old.keys() - new.keys())
    ]
    written = [
        Event(EventKind.PUT, Cause.WRITTEN, kv)
        for key, kv in sorted(new.items())
        if key not in old or old[key].mod_revision != kv.mod_revision
    ]
    return (*gone, *written)
