"""Which limits to look at, and when: those something happened to, and those whose time comes."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from workers.timer import Timer


class Attention:
    """Names told by one loop and taken by another."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._names: dict[str, None] = {}
        self._times: dict[str, int] = {}
        self._told = asyncio.Event()

    def call(self, names: Iterable[str]) -> None:
        """Have names looked at as soon as can be."""
        self._names.update(dict.fromkeys(names))
        self._told.set()

    def call_at(self, times: Mapping[str, int]) -> None:
        """Have names looked at at their times, in unix milliseconds."""
        self._times.update(times)
        self._told.set()

    async def next(self, count: int) -> list[str]:
        """Wait until there is something to look at, and take it: at most `count` names."""
        while True:
            self._take_times()
            if self._names:
                names = list(self._names)[:count]
                for name in names:
                    del self._names[name]
                    self._times.pop(name, None)
                return names
            self._told.clear()
            await self._wait()

    async def _wait(self) -> None:
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._told.wait())]
        if self._times:
            soonest = min(self._times.values())
            waits.append(asyncio.ensure_future(self._timer.until(soonest)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _take_times(self) -> None:
        now_unix_ms = self._timer.now_unix_ms()
        come = [name for name, unix_ms in self._times.items() if unix_ms <= now_unix_ms]
        self._names.update(dict.fromkeys(come))
        for name in come:
            del self._times[name]
