"""Membership: who belongs to a group now, in the order they joined.

Guarantee: a name belongs to at most one living member. A member is listed from the moment `join`
was entered until it leaves, or until its time to live has passed after it died; when it lost its
lease and lives it joins again, at the end of the line. All who follow see the same changes in the
same order, if not at the same moment; `revision` says which list is newer.

What breaks it: acting as if the list were true now. Two members may see different lists; what
only one of them may do needs an election or a claim.

Cost: a lease and a transaction to join, one read and one watch to follow.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import CoordError, ErrorCode, error_from
from coord.model import KeyValue
from recipes.live import Live
from recipes.mirror import read_all
from recipes.port import SessionStore
from recipes.presence import Presence


@frozen
class Member:
    """One member: its name, what it says of itself, its lease, and the revision it joined at."""

    name: str
    value: bytes
    lease: int
    joined: int


class Group:
    """One group, named by a prefix (best ended by a slash). Entered, it follows the members."""

    def __init__(self, client: SessionStore, prefix: Text) -> None:
        self._client = client
        self._prefix = ops.key_bytes(prefix)
        self._live = Live(client, prefix, lambda events: self._read())
        self._members: tuple[Member, ...] = ()
        self._told: tuple[Member, ...] = ()

    def join(self, name: str, value: Text = b"", *, ttl_ms: int = 10_000) -> Presence:
        """Build a membership, to be held with `async with`; entering waits until the name is free.

        Args:
            name: not empty, without a slash.
            value: what others shall know; `Presence.update` changes it.
            ttl_ms: for how long at most it stays a member when it dies.

        Raises:
            Misuse: a name that can never work; nothing was sent.
        """
        if not name or "/" in name:
            raise error_from(
                ErrorCode.INVALID_OPTION, f"member {name!r}; not empty and without a slash"
            )
        key = self._prefix + name.encode()
        return Presence(self._client, key, value, ttl_ms=ttl_ms, exclusive=True)

    async def list(self) -> tuple[Member, ...]:
        """Return the members there are now, the longest first; one read."""
        found, _ = await read_all(self._client, self._prefix, prefix=True)
        return self._in_order(found)

    @property
    def members(self) -> tuple[Member, ...]:
        """The members at `revision`, the longest first."""
        return self._members

    @property
    def revision(self) -> int:
        """The revision that `members` shows."""
        return self._live.revision

    @property
    def error(self) -> CoordError | None:
        """Why changes cannot be seen at present; None while all is well."""
        return self._live.error

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()`; asked again after every change."""
        await self._live.until(holds)

    async def change(self) -> tuple[Member, ...]:
        """Wait until the list differs from what this returned last (at first: from the start)."""
        await self._live.until(lambda: self._members != self._told)
        self._told = self._members
        return self._members

    async def __aenter__(self) -> Self:
        await self._live.__aenter__()
        self._read()
        self._told = self._members
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._live.__aexit__(kind, error, trace)

    def _read(self) -> None:
        self._members = self._in_order(self._live.keys)

    def _in_order(self, keys: Mapping[bytes, KeyValue]) -> tuple[Member, ...]:
        found = sorted(keys.values(), key=lambda kv: (kv.create_revision, kv.key))
        return tuple(
            Member(
                kv.key.removeprefix(self._prefix).decode(errors="replace"),
                kv.value,
                kv.lease,
                kv.create_revision,
            )
            for kv in found
        )
