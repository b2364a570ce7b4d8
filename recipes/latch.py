"""Leader latch: stand for an office for as long as the program runs, and be told of each change.

Guarantee: that of `recipes.election`: of all latches of a prefix at most one leads, in order of
arrival. When the session is lost or the cluster away, the latch stands again under a new session.
`leadership` is None as soon as this process could know that it leads no more.

What breaks it: acting on a callback, or on `leadership` read earlier, without `guard()` or token.
A callback runs on the event loop: it must be short; what it raises ends the latch.

Cost: as an election; one session for each latch. Not for: leading once, then leaving; campaign.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, MaybeDone, Misuse, Unavailable
from recipes.election import Election, Leadership
from recipes.errors import SessionLost
from recipes.port import KeptLease, SessionStore

RETRY_S = 0.2


class Latch:
    """Use as `async with Latch(client, "office/", "worker-7") as latch`.

    Args:
        client: whom to ask.
        prefix: of the office, as for `Election`.
        value: what is proclaimed while leading.
        ttl_ms: of the session; so long after its death another leads at the latest.
        on_leading: called with each leadership that begins.
        on_ended: called when it has ended.
    """

    def __init__(
        self,
        client: SessionStore,
        prefix: Text,
        value: Text = b"",
        *,
        ttl_ms: int = 10_000,
        on_leading: Callable[[Leadership], object] | None = None,
        on_ended: Callable[[], object] | None = None,
    ) -> None:
        self._client = client
        self._election = Election(client, prefix)
        self._value = ops.text_bytes(value)
        self._ttl_ms = ttl_ms
        self._on_leading = on_leading
        self._on_ended = on_ended
        self._session: KeptLease | None = None
        self._leadership: Leadership | None = None
        self._leads = asyncio.Event()
        self._standing: asyncio.Task[None] | None = None

    @property
    def leadership(self) -> Leadership | None:
        """The office if it is held, as far as this process can know."""
        if self._session is None or self._session.lost.is_set():
            return None
        return self._leadership

    async def wait(self) -> Leadership:
        """Wait until this latch leads.

        Raises:
            Misuse: it was not entered, or is closed.
            Exception: what a callback raised.
        """
        while True:
            if self._standing is None:
                raise Misuse("the latch is not open", ErrorCode.INVALID_OPTION)
            if self._standing.done():
                self._standing.result()
            leadership = self.leadership
            if leadership is not None:
                return leadership
            if self._leads.is_set():
                # Lost, and the standing task is about to notice.
                await asyncio.sleep(0)
                continue
            leads = asyncio.ensure_future(self._leads.wait())
            try:
                await asyncio.wait((leads, self._standing), return_when=asyncio.FIRST_COMPLETED)
            finally:
                leads.cancel()

    async def __aenter__(self) -> Self:
        if self._standing is not None:
            raise Misuse("the latch is open already", ErrorCode.INVALID_OPTION)
        self._standing = asyncio.create_task(self._stand_for_ever(), name="leader latch")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        standing, self._standing = self._standing, None
        assert standing is not None
        standing.cancel()
        await asyncio.wait((standing,))
        if not standing.cancelled() and error is None:
            standing.result()

    async def _stand_for_ever(self) -> None:
        while True:
            try:
                async with self._client.session(self._ttl_ms) as session:
                    await self._stand(session)
            except SessionLost:
                continue
            except (Unavailable, MaybeDone):
                await asyncio.sleep(RETRY_S)

    async def _stand(self, session: KeptLease) -> None:
        leadership = await self._election.campaign(session, self._value)
        self._session, self._leadership = session, leadership
        self._leads.set()
        try:
            if self._on_leading is not None:
                self._on_leading(leadership)
            await leadership.ended()
        finally:
            self._session = self._leadership = None
            self._leads.clear()
            if self._on_ended is not None:
                self._on_ended()
