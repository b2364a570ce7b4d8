"""Hold: something held under a session, and the care that nothing is held by accident.

What lock, read-write lock and semaphore share once a place in line is theirs: counting the tasks
that share one place, giving it up exactly when the last of them is done, and when a wait is
cancelled leaving no key behind, even if the cluster is away at that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

import attrs

from coord.client import ops
from coord.errors import CoordError, ErrorCode, MaybeDone, NotDone, Unavailable
from coord.requests import Compare, TxnOp
from recipes.errors import NotHolder, SessionLost
from recipes.line import Entered, Place, enter
from recipes.port import KeptLease, KeyStore
from recipes.waiting import until_gone, while_kept

LEAVE_TIMEOUT_S = 1.0  # that a cancelled wait stays to see its place given up
RETRY_S = 0.2

TurnCome = Callable[[Entered], Awaitable[bool]]
"""Waits for a place's turn; False when it will not wait for it."""


class Hold:
    """Something held until released, taken away or lost with the session.

    As `async with hold:` it is released at the end; that it was lost meanwhile is then told,
    unless another error is on its way.
    """

    def __init__(self, holds: Holds, session: KeptLease, place: Place) -> None:
        self._holds, self._session, self._place = holds, session, place
        self._released = False

    @property
    def key(self) -> bytes:
        """The key that stands for it."""
        return self._place.key

    @property
    def token(self) -> int:
        """The fencing token: larger than that of everyone who entered the line before."""
        return self._place.token

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail once this hold has ended."""
        return self._place.guard()

    async def release(self) -> None:
        """Let go. When entered several times, the last release counts.

        Raises:
            NotHolder: released already, or taken away; nothing was changed.
            SessionLost: it ended with the session, maybe long ago.
            Unavailable: the cluster is away; it is still held.
        """
        if self._released:
            raise NotHolder
        try:
            await self._holds.release(self._session, self._place)
        except (NotHolder, SessionLost):
            self._released = True
            raise
        self._released = True

    async def abandon(self) -> None:
        """Let go without asking what became of it: now if the cluster is there, else later."""
        if not self._released:
            self._released = True
            await self._holds.abandon(self._session, self.key)

    async def ended(self) -> None:
        """Return when the hold has ended, by whatever cause."""
        gone = until_gone(self._holds.client, self.key, self.token, self.token)
        with suppress(SessionLost):
            await while_kept(self._session, gone)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if not self._released:
                await self.release()
        except NotDone:
            if error is None:
                raise


@attrs.define(eq=False)
class _Share:
    """The tasks of this process that hold, or wait at, one place."""

    users: int = 0
    token: int = 0  # of the place as it was entered last
    turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)  # one enters or leaves at a time


class Holds:
    """The places that one recipe object has in lines."""

    def __init__(self, client: KeyStore) -> None:
        self.client = client
        self._shares: dict[bytes, _Share] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def take(
        self,
        session: KeptLease,
        key: bytes,
        value: bytes,
        reads: Iterable[TxnOp],
        turn_come: TurnCome,
    ) -> Hold | None:
        """Take the place `key` and wait for its turn; whatever goes wrong, no place is left.

        Args:
            session: whose lease the place hangs on.
            key: the place; the same key is shared by all tasks that take it.
            value: what the key says.
            reads: what to read in the transaction that enters.
            turn_come: waits for the turn.

        Returns:
            The hold; None when `turn_come` would not wait.
        """
        share = self._shares.setdefault(key, _Share())
        share.users += 1
        # Not cancelled with us: only a known outcome can be undone.
        entering = asyncio.ensure_future(self._enter(session, share, key, value, tuple(reads)))
        try:
            entered = await asyncio.shield(entering)
            if await turn_come(entered):
                if session.lost.is_set():
                    raise SessionLost
                return Hold(self, session, entered.place)
        except BaseException:
            await self._give_up(session, share, key, entering)
            raise
        await self._give_up(session, share, key, entering)
        return None

    async def abandon(self, session: KeptLease, key: bytes) -> None:
        """Give one share of a place up, whatever becomes of it; see `Hold.abandon`."""
        if (share := self._shares.get(key)) is not None:
            await self._give_up(session, share, key, None)

    def forget(self, key: bytes) -> None:
        """Note that a transaction of the caller's gave a place of a single user up."""
        if (share := self._shares.get(key)) is not None:
            share.users -= 1
            self._forget(key, share)

    def has(self, key: bytes) -> bool:
        """Tell whether a task of ours holds the place `key` or waits at it."""
        share = self._shares.get(key)
        return share is not None and share.users > 0

    async def release(self, session: KeptLease, place: Place) -> None:
        """Give one share of a place up; see `Hold.release`."""
        share = self._shares.get(place.key)
        if share is None:
            raise NotHolder
        async with share.turn:
            if share.users > 1:
                share.users -= 1
                return
            # Taken away and entered anew meanwhile, it is the new place that must not be left.
            known = await self._delete(session, Place(place.key, share.token))
            share.users -= 1
            self._forget(place.key, share)
        if not known or share.token != place.token:
            raise SessionLost if session.lost.is_set() else NotHolder

    async def _delete(self, session: KeptLease, place: Place) -> bool:
        """Return whether the place was there, or may have been."""
        in_doubt = False
        while True:
            try:
                reply = await self.client.txn([place.guard()], [ops.delete(place.key)])
            except MaybeDone:
                if session.lost.is_set():
                    return False
                in_doubt = True
                continue
            return reply.succeeded or in_doubt

    async def _enter(
        self,
        session: KeptLease,
        share: _Share,
        key: bytes,
        value: bytes,
        reads: tuple[TxnOp, ...],
    ) -> Entered:
        async with share.turn:
            entered = await enter(self.client, session, key, value, reads)
            share.token = entered.place.token
            return entered

    async def _give_up(
        self,
        session: KeptLease,
        share: _Share,
        key: bytes,
        entering: asyncio.Future[Entered] | None,
    ) -> None:
        share.users -= 1
        leaving = asyncio.create_task(self._leave(session, share, key, entering))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await asyncio.wait((leaving,), timeout=LEAVE_TIMEOUT_S)

    async def _leave(
        self,
        session: KeptLease,
        share: _Share,
        key: bytes,
        entering: asyncio.Future[Entered] | None,
    ) -> None:
        if entering is not None:
            await asyncio.wait((entering,))
            if not entering.cancelled():
                entering.exception()  # told to whoever waited for it
        async with share.turn:
            ours = ops.leased(key, "==", session.lease)
            while not share.users and not session.lost.is_set():
                try:
                    await self.client.txn(compare=[ours], success=[ops.delete(key)])
                    break
                except (Unavailable, MaybeDone) as error:
                    if error.code is ErrorCode.STOPPING:
                        break
                    await asyncio.sleep(RETRY_S)
                except CoordError:
                    break  # no client is left to say it with; the place goes with the session
            self._forget(key, share)

    def _forget(self, key: bytes, share: _Share) -> None:
        if not share.users and self._shares.get(key) is share:
            del self._shares[key]
