"""A session: a lease kept alive in the background for as long as its holder lives, on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Protocol

from coord.errors import CoordError, ErrorCode, Misuse, error_from
from coord.requests import LeaseGrantReply, LeaseKeepAliveReply, LeaseRevokeReply


class LeaseClient(Protocol):
    """What a session needs of its client."""

    async def grant(
        self, ttl_ms: int, lease: int = 0, *, timeout_ms: float | None = None
    ) -> LeaseGrantReply:
        """Make a lease."""
        ...

    async def revoke(self, lease: int, *, timeout_ms: float | None = None) -> LeaseRevokeReply:
        """End a lease."""
        ...

    async def keep_alive(
        self, lease: int, *, timeout_ms: float | None = None
    ) -> LeaseKeepAliveReply:
        """Renew a lease once."""
        ...

    def _keep(self, session: Session, sent_ms: float, lose: Callable[[], None]) -> None: ...

    def _release(self, session: Session) -> None: ...

    def _now_ms(self) -> float: ...


class Session:
    """A lease that is renewed until closed or lost; made by `Client.session`.

    Keys put under `lease` vanish when the session ends. `lost` is set at once when the cluster
    says the lease is gone, and at the latest when its time to live has passed on this machine's
    monotonic clock since the last renewal that succeeded was *sent*: never later than the cluster
    lets others in, clock rates being equal. Whoever acts under the session must stop then.

    Use as `async with client.session() as session`, or `session = await client.session()`.

    A program that means to come back within the time to live calls `suspend` instead of `close`,
    and resumes the session by its lease: what hangs on it is still held then.
    """

    CLOSE_TIMEOUT_MS = 1_000

    def __init__(
        self,
        client: LeaseClient,
        ttl_ms: int,
        lease: int,
        on_lost: Callable[[], None] | None,
        resume: bool = False,
    ) -> None:
        if resume and lease <= 0:
            raise Misuse("a session is resumed by its lease", ErrorCode.INVALID_OPTION)
        self._client = client
        self._on_lost = on_lost
        self._open = False
        self._resume = resume
        self.ttl_ms = ttl_ms
        self.lease = lease
        self.lost = asyncio.Event()

    def __await__(self) -> Generator[object, None, Session]:
        return self._start().__await__()

    async def __aenter__(self) -> Session:
        return await self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _start(self) -> Session:
        if self._open or self.lost.is_set():
            return self
        sent_ms = self._client._now_ms()
        granted = await self._granted()
        self.lease = granted.lease
        self.ttl_ms = granted.ttl_ms
        self._open = True
        self._client._keep(self, sent_ms, self._lose)
        return self

    async def _granted(self) -> LeaseGrantReply | LeaseKeepAliveReply:
        if not self._resume:
            return await self._client.grant(self.ttl_ms, self.lease)
        renewed = await self._client.keep_alive(self.lease)
        if renewed.ttl_ms <= 0:
            raise error_from(ErrorCode.LEASE_NOT_FOUND, f"lease {self.lease} has ended")
        return renewed

    def suspend(self) -> None:
        """Stop renewing and leave the lease as it is: it ends unless resumed within its time.

        Suspending twice, or after the end, does nothing.
        """
        if self._open:
            self._open = False
            self._client._release(self)

    async def close(self) -> None:
        """Stop renewing and revoke the lease; its keys go at once.

        When the cluster cannot be reached within a second the lease is left to run out. Closing
        twice, or after the loss, does nothing.
        """
        if not self._open:
            return
        self._open = False
        self._client._release(self)
        try:
            await self._client.revoke(self.lease, timeout_ms=self.CLOSE_TIMEOUT_MS)
        except CoordError:
            # Not reachable, or gone already: either way it ends without us.
            return

    def _lose(self) -> None:
        if not self._open:
            return
        self._open = False
        self._client._release(self)
        self.lost.set()
        if self._on_lost is not None:
            self._on_lost()
