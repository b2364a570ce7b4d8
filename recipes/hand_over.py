"""Hand-over: ask whoever holds something to yield it, without taking it by force.

Guarantee: a request reaches the very hold it is meant for, told by its token, as long as the
asker's session lives; a later holder is not bothered by it. Nothing is taken: the holder decides.

What breaks it: a holder that does not listen, or is gone: then its session's end frees it.

Cost: asking one round trip, withdrawing one; listening one read and one watch. Not for: stopping
a holder that hangs; revoke its lease for that.
"""

import contextlib

import msgspec
from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import CoordError
from recipes.decoding import UNREADABLE, encoded
from recipes.errors import session_ends
from recipes.hold import Hold
from recipes.line import lease_name
from recipes.lock import Lock
from recipes.mirror import Mirror
from recipes.port import KeptLease, KeyStore


class _Asked(msgspec.Struct, frozen=True):
    token: int
    message: str = ""


@frozen
class Request:
    """Somebody wants it: the asker's lease, and what it says."""

    lease: int
    message: str


class HandOver:
    """Requests about what is held under one name; their keys are NAME~asked/LEASE.

    Works with whatever has a token: holds of lock, semaphore and read-write lock, leaderships.
    """

    def __init__(self, client: KeyStore, name: Text) -> None:
        self._client = client
        self._prefix = ops.key_bytes(name) + b"~asked/"
        ops.key_bytes(self._prefix + lease_name(0))

    async def ask(self, session: KeptLease, token: int, message: str = "") -> None:
        """Ask the hold with this token to be yielded; replaces this session's last request.

        Raises:
            Misuse: the token is no int, or the message no text or too long; nobody is asked.
            SessionLost: the session has ended; nobody is asked.
        """
        value = encoded(_Asked(token, message))
        with session_ends():
            await self._client.put(self._key(session), value, lease=session.lease)

    async def withdraw(self, session: KeptLease) -> None:
        """Take this session's request back, if there is one."""
        await self._client.txn(success=[ops.delete(self._key(session))])

    async def asked(self, token: int) -> Request:
        """Return once somebody asks the hold with this token to be yielded; the first to ask."""
        async with Mirror(self._client, self._prefix) as requests:
            while True:
                for kv in sorted(requests.keys.values(), key=lambda kv: kv.mod_revision):
                    asked = _read(kv.value)
                    if asked is not None and asked.token == token:
                        return Request(kv.lease, asked.message)
                await requests.change()

    async def take_over(
        self, lock: Lock, session: KeptLease, message: str = "", timeout_ms: float | None = None
    ) -> Hold:
        """Acquire `lock`; if somebody holds it, ask that one to yield. Others in line go first.

        Raises:
            StillHeld: `timeout_ms` milliseconds passed; the request is withdrawn.
            SessionLost: the session ended.
        """
        line = await lock.contenders()
        if line and line[0].lease != session.lease:
            await self.ask(session, line[0].token, message)
        try:
            return await lock.acquire(session, timeout_ms)
        finally:
            with contextlib.suppress(CoordError):  # it goes with the session at the latest
                await self.withdraw(session)

    def _key(self, session: KeptLease) -> bytes:
        return self._prefix + lease_name(session.lease)


def _read(value: bytes) -> _Asked | None:
    try:
        return msgspec.json.decode(value, type=_Asked)
    except UNREADABLE:
        return None
