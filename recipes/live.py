"""Live: a mirror followed in the background, through every outage, for whoever looks now and then.

Guarantee: what a `Mirror` guarantees; besides, following goes on when the cluster was away, and
`error` tells for how long as it is. Whoever waits with `until` misses no state that lasts.

What breaks it: nothing but its age; while `error` is set nobody knows what has changed since.

Cost: that of a mirror, and one task.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from coord.client.ops import Text
from coord.errors import CoordError
from coord.model import Event, KeyValue
from recipes.mirror import Mirror
from recipes.port import KeyStore

RETRY_S = 0.2
Take = Callable[[tuple[Event, ...]], None]


class Live:
    """Use as `async with Live(client, "members/") as live`.

    Args:
        client: whom to ask.
        key: the key, or the prefix.
        take: called with the events of each step, after they were taken into `keys`; not for what
            is there at the start. It must not raise.
        prefix: whether `key` is a prefix.
    """

    def __init__(
        self, client: KeyStore, key: Text, take: Take | None = None, *, prefix: bool = True
    ) -> None:
        self._mirror = Mirror(client, key, prefix=prefix)
        self._take = take
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.error: CoordError | None = None
        """Why nothing can be followed at present; None while all is well."""

    @property
    def keys(self) -> Mapping[bytes, KeyValue]:
        """What the store held at `revision`; in no particular order."""
        return self._mirror.keys

    @property
    def revision(self) -> int:
        """The revision that `keys` shows."""
        return self._mirror.revision

    async def __aenter__(self) -> Self:
        await self._mirror.__aenter__()
        self._task = asyncio.create_task(self._follow(), name="live view")
        self._task.add_done_callback(lambda task: self._moved.set())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait((self._task,))
        await self._mirror.__aexit__(kind, error, trace)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()`; asked again after every step."""
        while not holds():
            assert self._task is not None, "enter it first"
            if self._task.done():
                self._task.result()
                raise asyncio.CancelledError
            await self._moved.wait()

    async def _follow(self) -> None:
        while True:
            try:
                events = await self._mirror.change()
            except CoordError as error:
                self.error = error
                await asyncio.sleep(RETRY_S)
                continue
            self.error = None
            if self._take is not None:
                self._take(events)
            self._moved.set()
            self._moved = asyncio.Event()
