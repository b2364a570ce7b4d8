"""Multi-lock: several locks held together, or none of them.

Guarantee: `acquire` returns holding all, or raises holding none. Everybody takes locks in the
order of their names, so multi-locks never wait for each other in a circle. A transaction that
carries all `guards()` is refused once any of the holds has ended.

What breaks it: a lock taken on its own while a multi-lock of the same session is waited for: that
circle is nobody's to see. Acting without guards, as with any lock.

Cost: as many round trips as locks, and as many to release; waiting as for one lock, at the first
that is not free. The locks before it are held meanwhile. Not for: many locks for one change of
keys; one transaction, or `transact`, holds nothing while it waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Misuse, NotDone
from coord.requests import Compare
from recipes.errors import StillHeld
from recipes.hold import Hold
from recipes.lock import Lock
from recipes.port import KeptLease, KeyStore
from recipes.waiting import check_timeout


class MultiHold:
    """Several holds that are released together; `async with` does so at the end."""

    def __init__(self, holds: Iterable[Hold]) -> None:
        self.holds = tuple(holds)
        """In the order of the locks' names."""

    def guards(self) -> tuple[Compare, ...]:
        """Return the conditions that make a transaction fail once any of the holds has ended."""
        return tuple(hold.guard() for hold in self.holds)

    async def release(self) -> None:
        """Let go of all, the last one taken first.

        Raises:
            NotDone: what the first hold said that could not be released; the others are.
        """
        failed: NotDone | None = None
        for hold in reversed(self.holds):
            try:
                await hold.release()
            except NotDone as error:
                failed = failed or error
        if failed is not None:
            raise failed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.release()
        except NotDone:
            if error is None:
                raise


class MultiLock:
    """Several locks by name; each is the `Lock` of that name, which others may take alone.

    Raises:
        Misuse: no names, or a bad one. Names given twice count once.
    """

    def __init__(self, client: KeyStore, names: Iterable[Text], value: Text = b"") -> None:
        if isinstance(names, str | bytes):
            raise Misuse(f"names {names!r:.100}; a list of them", ErrorCode.INVALID_OPTION)
        ordered = sorted({ops.key_bytes(name) for name in names})
        if not ordered:
            raise Misuse("no names", ErrorCode.INVALID_OPTION)
        self._locks = [Lock(client, name, value) for name in ordered]

    async def acquire(self, session: KeptLease, timeout_ms: float | None = None) -> MultiHold:
        """Wait until all are held; cancelled, none is.

        Raises:
            StillHeld: `timeout_ms` milliseconds passed; none is held.
            SessionLost: the session ended; none is held.
        """
        check_timeout(timeout_ms)
        held: list[Hold] = []
        try:
            async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
                for lock in self._locks:
                    held.append(await lock.acquire(session))
        except TimeoutError:
            await _let_go(held)
            raise StillHeld from None
        except BaseException:
            await _let_go(held)
            raise
        return MultiHold(held)

    async def try_acquire(self, session: KeptLease) -> MultiHold | None:
        """Take all if each is free, else return None holding none."""
        held: list[Hold] = []
        try:
            for lock in self._locks:
                hold = await lock.try_acquire(session)
                if hold is None:
                    await _let_go(held)
                    return None
                held.append(hold)
        except BaseException:
            await _let_go(held)
            raise
        return MultiHold(held)


async def _let_go(held: list[Hold]) -> None:
    for hold in reversed(held):
        await hold.abandon()
