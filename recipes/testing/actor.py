"""What a program of the campaign works with: a client, luck, a journal, and when to stop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Protocol

from coord.client import ops
from coord.client.client import Client
from coord.errors import CoordError, MaybeDone, Unavailable
from coord.requests import Compare
from coord.testing.process import Process
from coord.testing.violation import Violation
from recipes.errors import NotHolder, SessionLost
from recipes.testing.journal import Guarded, Journal, Tenure

EFFECTS = b"effect/"
_TO_LIVE_WITH = (Unavailable, MaybeDone, SessionLost, NotHolder)
_LOOK_S = 0.05


class Held(Protocol):
    """A hold, an office, a share: whatever has a key, a token and a guard."""

    @property
    def key(self) -> bytes:
        """The key that stands for it."""
        ...

    @property
    def token(self) -> int:
        """Its fencing token."""
        ...

    def guard(self) -> Compare:
        """Return what makes a transaction fail once it has ended."""
        ...


class Oracle(Protocol):
    """What the world knows and no client does: the newest state of any node."""

    @property
    def revision(self) -> int:
        """Its revision."""
        ...

    def keys(self, prefix: bytes) -> int | None:
        """How many keys there are under a prefix; None when no node is up."""
        ...


class Actor:
    """One program in one process.

    Args:
        name: unique in the run.
        client: its process's.
        process: where it runs.
        luck: its own.
        journal: the run's.
        think_ms: mean of its pauses.
        ttl_ms: of its sessions.
        is_over: tells whether it should come to an end.
        oracle: what nobody in the world can know.
    """

    def __init__(
        self,
        name: str,
        client: Client,
        process: Process,
        luck: Random,
        journal: Journal,
        think_ms: float,
        ttl_ms: int,
        is_over: Callable[[], bool],
        oracle: Oracle,
    ) -> None:
        self.name = name
        self.client = client
        self.luck = luck
        self.journal = journal
        self.ttl_ms = ttl_ms
        self.oracle = oracle
        self._process = process
        self._think_ms = think_ms
        self.is_over = is_over
        """Whether to begin nothing new."""

    @property
    def now_ms(self) -> float:
        """True time, for the journal only."""
        return self._process.now_ms

    def count(self, what: str) -> None:
        """Note that something happened."""
        self.journal.counts[what] += 1

    @contextmanager
    def at_work(self, kind: str) -> Iterator[None]:
        """Let the others know that one more of a kind is at work."""
        self.journal.at_work[kind] += 1
        try:
            yield
        finally:
            self.journal.at_work[kind] -= 1

    def failed(self, error: CoordError) -> None:
        """Note an error that a program must live with; any other is a finding."""
        if not isinstance(error, _TO_LIVE_WITH):
            raise Violation(f"{self.name} was told {error!r}") from error
        self.count(f"told {type(error).__name__}")

    async def think(self, times: float = 1.0) -> None:
        """Pause."""
        await asyncio.sleep(self.luck.expovariate(1.0 / (times * self._think_ms)) / 1_000.0)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that only the world knows."""
        while not holds():  # noqa: ASYNC110 - nobody in the world can tell
            await asyncio.sleep(_LOOK_S)

    def begins(self, what: str, held: Held) -> Tenure:
        """Note that something is held from now on."""
        tenure = Tenure(what, held.key, held.token, self.now_ms)
        self.journal.tenures.append(tenure)
        return tenure

    def ends(self, tenure: Tenure) -> None:
        """Note that it is held no more, or about to be let go."""
        if tenure.until_ms is None:
            tenure.until_ms = self._process.believed_ms()

    async def write(self, tenure: Tenure, guard: Compare) -> None:
        """Write something that may happen only while a tenure lasts, and note the answer."""
        put = ops.put(EFFECTS + tenure.what.encode(), str(tenure.token))
        try:
            reply = await self.client.txn([guard], [put])
        except MaybeDone as error:
            self.failed(error)
            return
        self.journal.guarded.append(Guarded(tenure, reply.revision, reply.succeeded))


Program = Callable[[Actor], Awaitable[None]]
