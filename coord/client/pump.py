"""Moves bytes and time between the core and the event loop: the only asyncio in the client's engine."""

import time
from collections.abc import Callable
from typing import Any

from coord.client.settings import Settings
from coord.client.watch import Watch
from coord.errors import NotDone
from coord.requests import ReadOp, WriteOp


class Pump:
    """Runs one core on one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def start(self) -> None:
        raise NotDone("the client's engine is not in place yet")

    async def close(self) -> None:
        return

    async def write(self, request: WriteOp, timeout_ms: float | None) -> Any:
        raise NotDone("the client's engine is not in place yet")

    async def read(
        self,
        request: ReadOp,
        timeout_ms: float | None,
        serializable: bool = False,
        endpoint: str | None = None,
    ) -> Any:
        raise NotDone("the client's engine is not in place yet")

    def watch(
        self,
        key: bytes,
        range_end: bytes,
        start_revision: int,
        prev_kv: bool,
        no_put: bool,
        no_delete: bool,
        progress: bool,
    ) -> Watch:
        raise NotDone("the client's engine is not in place yet")

    def endpoints(self) -> list[str]:
        return []

    def keep(self, lease: int, ttl_ms: int, sent_ms: float, lose: Callable[[], None]) -> None:
        return

    def release(self, lease: int) -> None:
        return

    def now_ms(self) -> float:
        return time.monotonic() * 1000.0
