"""How a worker is told to end: gently, within a time, or now. It can only become more urgent."""

import asyncio
from enum import IntEnum


class Urgency(IntEnum):
    """What to do about jobs that run."""

    NONE = 0  #: go on
    DRAIN = 1  #: claim nothing more, let them end, however long that takes
    STOP = 2  #: the same, for as long as the grace lasts; then kill and hand back
    NOW = 3  #: kill and hand back


class Notice:
    """The notice a worker has been given."""

    def __init__(self) -> None:
        self.urgency = Urgency.NONE
        self._changed = asyncio.Event()

    def give(self, urgency: Urgency) -> None:
        """Raise the urgency; a lower one than before changes nothing."""
        if urgency > self.urgency:
            self.urgency = urgency
            self._changed.set()
            self._changed = asyncio.Event()

    async def at_least(self, urgency: Urgency) -> None:
        """Wait until it is that urgent."""
        while self.urgency < urgency:
            await self._changed.wait()
