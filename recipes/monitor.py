"""Monitor: notices who comes, who leaves, and who vanishes.

Guarantee: whoever keeps a key under the prefix (a registration, a membership, any leased key) is
noticed when it comes, when it leaves in order, and when it vanishes: at once when its lease is
revoked or its key deleted, within its time to live when its heart-beats stop coming. Which of the
two it was is told. Each change is told once, in order, through reconnects and leader changes.

What breaks it: a monitor that is cut off notices nothing; `error` is set then. After compaction
overtook it changes in between are lost, and those gone are told as LEFT: nobody knows how.

Cost: one read and one watch, however many are watched. Heart-beats are lease renewals: they cost
the monitored, not the monitor.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Self

from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import CoordError
from coord.model import Cause, Event, EventKind
from recipes.live import Live
from recipes.port import KeyStore


class What(Enum):
    """What happened to somebody watched."""

    CAME = "came"
    CHANGED = "changed"  #: its value did
    LEFT = "left"  #: in order: its key was deleted or its lease revoked
    VANISHED = "vanished"  #: its heart-beats stopped for its time to live


@frozen
class Sighting:
    """One change: who, what, its value (the last known one when it is gone), and when."""

    name: str
    what: What
    value: bytes
    revision: int


Handler = Callable[[Sighting], None]


class Monitor:
    """Use as `async with Monitor(client, "services/") as monitor`."""

    def __init__(self, client: KeyStore, prefix: Text) -> None:
        self._prefix = ops.key_bytes(prefix)
        self._live = Live(client, prefix, self._take)
        self._handlers: list[tuple[frozenset[What], Handler]] = []
        self._seen: dict[bytes, tuple[int, bytes]] = {}

    @property
    def present(self) -> tuple[str, ...]:
        """Who is there, by name."""
        return tuple(self._name(key) for key in sorted(self._seen))

    @property
    def error(self) -> CoordError | None:
        """Why nothing can be noticed at present; None while all is well."""
        return self._live.error

    def on(self, handler: Handler, *whats: What) -> None:
        """Have `handler` called on the event loop for each sighting (of the kinds named).

        One that raises is reported by the loop's exception handler, and disturbs nobody. Those who
        are there at the start are not told; see `present`.
        """
        self._handlers.append((frozenset(whats or What), handler))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()`; asked again after every change."""
        await self._live.until(holds)

    async def __aenter__(self) -> Self:
        await self._live.__aenter__()
        self._seen = {
            key: (kv.create_revision, kv.value) for key, kv in sorted(self._live.keys.items())
        }
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._live.__aexit__(kind, error, trace)

    def _take(self, events: tuple[Event, ...]) -> None:
        for event in events:
            kv = event.kv
            known = self._seen.get(kv.key)
            if event.kind is EventKind.PUT:
                self._seen[kv.key] = (kv.create_revision, kv.value)
                if known is not None and known[0] != kv.create_revision:
                    # It went and came back while nobody could see: only a reading anew shows this.
                    self._tell(kv.key, What.LEFT, known[1], kv.mod_revision)
                    known = None
                what = What.CAME if known is None else What.CHANGED
                self._tell(kv.key, what, kv.value, kv.mod_revision)
            elif known is not None:
                del self._seen[kv.key]
                what = What.VANISHED if event.cause is Cause.EXPIRED else What.LEFT
                self._tell(kv.key, what, known[1], kv.mod_revision)

    def _tell(self, key: bytes, what: What, value: bytes, revision: int) -> None:
        sighting = Sighting(self._name(key), what, value, revision)
        for wanted, handler in self._handlers:
            if what in wanted:
                asyncio.get_running_loop().call_soon(handler, sighting)

    def _name(self, key: bytes) -> str:
        return key.removeprefix(self._prefix).decode(errors="replace")
