"""Wishes to cancel jobs, which anybody may write down, told to the worker that holds them."""

import asyncio
from collections.abc import Callable
from typing import Self

from coord.errors import MaybeDone, Unavailable
from coord.model import EventKind
from recipes.mirror import Mirror
from workers.model.ids import JobId
from workers.model.places import Places
from workers.port import JobClient

RETRY_S = 0.2


class Cancels:
    """A copy of all wishes there are; to be entered before it is asked or followed."""

    def __init__(self, client: JobClient, places: Places) -> None:
        self._places = places
        self._mirror = Mirror(client, places.cancels)

    async def __aenter__(self) -> Self:
        await self._mirror.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._mirror.__aexit__(None, None, None)

    def reason(self, job: JobId) -> str | None:
        """Return why this job is to be cancelled; None if nobody wishes it."""
        if not self._mirror.keys:
            return None
        wish = self._mirror.keys.get(self._places.cancel(job))
        return None if wish is None else wish.value.decode(errors="replace")

    async def follow(self, tell: Callable[[str, str], None]) -> None:
        """Tell each new wish, a job's id and a reason, until cancelled; outlives outages."""
        while True:
            try:
                events = await self._mirror.change()
            except (Unavailable, MaybeDone):
                await asyncio.sleep(RETRY_S)
                continue
            for event in events:
                if event.kind is EventKind.PUT:
                    job = event.kv.key.removeprefix(self._places.cancels).decode()
                    tell(job, event.kv.value.decode(errors="replace"))
