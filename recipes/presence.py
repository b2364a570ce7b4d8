"""Presence: a key that is there for as long as its holder lives, and comes back when it was lost.

Guarantee: while the holder lives and reaches the cluster, the key is there under a kept lease; it
is put again, under a new lease, whenever the lease was lost. When the holder stops, the key goes
at once; when it dies, within the time to live. With `exclusive` no two holders have it at once:
a later one waits until the key is free.

What breaks it: a holder that stands still longer than the time to live is gone until it wakes.
Without `exclusive` the last to come has the key. Deleted by hand, it stays away until the lease
is lost.

Cost: a lease and a put to appear, a renewal every third of the time to live.
"""

import asyncio
from types import TracebackType
from typing import Self

from coord.client import ops
from coord.client.ops import Text
from coord.errors import CoordError, MaybeDone, Misuse
from coord.requests import RangeReply
from recipes.errors import SessionLost, session_ends
from recipes.port import KeptLease, SessionStore
from recipes.waiting import until_gone, while_kept

RETRY_S = 0.2


class Presence:
    """Use as `async with Presence(client, "members/me", "10.0.0.7:80") as presence`.

    Entering returns once the key is there. It raises what the first attempt raised; later
    failures are retried, and told by `error`.
    """

    def __init__(
        self,
        client: SessionStore,
        key: Text,
        value: Text = b"",
        *,
        ttl_ms: int = 10_000,
        exclusive: bool = False,
    ) -> None:
        self._client = client
        self._value = ops.text_bytes(value)
        self._ttl_ms = ttl_ms
        self._exclusive = exclusive
        self._here = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._session: KeptLease | None = None
        self.key = ops.key_bytes(key)
        self.appearances = 0
        """How often the key was put: 1 at first, one more after each loss."""
        self.error: CoordError | None = None
        """Why it could not appear again so far; None when it is there."""

    @property
    def is_here(self) -> bool:
        """Whether the key is there, as far as this process knows."""
        return self._here.is_set()

    @property
    def lease(self) -> int:
        """The lease the key hangs on; 0 while it is not there."""
        return self._session.lease if self._session is not None and self.is_here else 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._stay(), name=f"presence {self.key!r}")
        here = asyncio.create_task(self._here.wait())
        try:
            await asyncio.wait((self._task, here), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._leave()
            raise
        finally:
            here.cancel()
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._leave()

    async def here(self) -> None:
        """Wait until the key is there."""
        await self._here.wait()

    async def update(self, value: Text) -> bool:
        """Change the value; one round trip.

        Returns:
            Whether it shows already. If not, as the lease is lost just now, it will with the next
            appearance.

        Raises:
            Misuse: it can be no value; the one before stays.
        """
        self._value = ops.put(self.key, value).value
        lease = self.lease
        if not lease:
            return False
        try:
            reply = await self._client.txn(
                compare=[ops.leased(self.key, "==", lease)],
                success=[ops.put(self.key, self._value, lease=lease)],
            )
        except MaybeDone:
            return False
        return reply.succeeded

    async def _leave(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait((self._task,))
        self._here.clear()

    async def _stay(self) -> None:
        while True:
            try:
                async with self._client.session(self._ttl_ms) as session:
                    await self._appear(session)
                    await session.lost.wait()
            except Misuse:
                raise
            except CoordError as error:
                self.error = error
                if not self.appearances:
                    raise
                await asyncio.sleep(RETRY_S)
            finally:
                self._here.clear()

    async def _appear(self, session: KeptLease) -> None:
        self._session = session
        while True:
            value = self._value
            try:
                with session_ends():
                    await self._put(session, value)
            except MaybeDone:
                # Putting it twice does no harm, as long as the lease is ours.
                if session.lost.is_set():
                    raise SessionLost from None
                continue
            if value == self._value:
                break
        self.error = None
        self.appearances += 1
        self._here.set()

    async def _put(self, session: KeptLease, value: bytes) -> None:
        if not self._exclusive:
            await self._client.put(self.key, value, lease=session.lease)
            return
        put = ops.put(self.key, value, lease=session.lease)
        while True:
            reply = await self._client.txn(
                compare=[ops.missing(self.key)],
                success=[put],
                failure=[
                    ops.get(self.key),
                    # An earlier try of ours may have got through and lost only its answer.
                    ops.txn([ops.leased(self.key, "==", session.lease)], [put]),
                ],
            )
            if reply.succeeded:
                return
            found = reply.replies[0]
            assert isinstance(found, RangeReply)
            other = found.kvs[0]
            if other.lease == session.lease:
                return
            gone = until_gone(self._client, self.key, other.create_revision, reply.revision)
            await while_kept(session, gone)
