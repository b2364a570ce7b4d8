"""The soonest time under a prefix of times, told by watch: whoever sleeps until a time needs it.

Holds one number however many entries there are. What was there before the watch began has to be
read; what comes later is told here.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from coord.errors import CoordError, ErrorCode
from coord.model import KeyValue
from recipes.port import KeyStore, next_batch
from workers.timer import Timer

LONG_AGO = 0


class SoonerNews:
    """Run `follow` as a task; `clear` before reading, `sleep` after it."""

    def __init__(self, client: KeyStore, prefix: bytes, when: Callable[[KeyValue], int]) -> None:
        """Prepare.

        Args:
            client: to watch with.
            prefix: of the entries.
            when: tells an entry's time in unix milliseconds.
        """
        self._client = client
        self._prefix = prefix
        self._when = when
        self._soonest_unix_ms: int | None = None
        self._told = asyncio.Event()

    async def follow(self, revision: int) -> None:
        """Take in what is written after `revision`, until cancelled.

        Raises:
            Unavailable: there is nobody to follow.
        """
        while True:
            try:
                async with self._client.watch(
                    self._prefix, prefix=True, start_revision=revision + 1, no_delete=True
                ) as watch:
                    while True:
                        batch = await next_batch(watch)
                        for event in batch.events:
                            self._tell(self._when(event.kv))
                        revision = batch.revision
            except CoordError as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise
            revision = (await self._client.get(self._prefix)).revision
            self._tell(LONG_AGO)  # who sleeps shall look for itself, and see all up to here

    def clear(self) -> None:
        """Forget what was told: a read that begins now will see it."""
        self._soonest_unix_ms = None
        self._told.clear()

    async def sleep(self, until_unix_ms: int | None, timer: Timer) -> None:
        """Return when it is `until_unix_ms` (None: never), or the time of something told since."""
        while True:
            soonest = self._soonest_unix_ms
            if until_unix_ms is not None:
                soonest = until_unix_ms if soonest is None else min(soonest, until_unix_ms)
            if soonest is not None and timer.now_unix_ms() >= soonest:
                return
            self._told.clear()
            waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._told.wait())]
            if soonest is not None:
                waits.append(asyncio.ensure_future(timer.until(soonest)))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    def _tell(self, unix_ms: int) -> None:
        if self._soonest_unix_ms is None or unix_ms < self._soonest_unix_ms:
            self._soonest_unix_ms = unix_ms
            self._told.set()
