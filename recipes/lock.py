"""Lock: of all sessions at most one holds it, in order of arrival.

Guarantee: who came first holds first. A transaction that carries `Hold.guard()` is refused once
the hold has ended, and `Hold.token` grows from holder to holder, so things outside the store can
refuse an old one too. Only a hold's own `release` frees it, and the end of its session does.
A session that holds it may take it again; it is free after as many releases.

What breaks it: acting without guard or token after a pause longer than the session's time to
live. Tasks that share one session share the hold: the lock is between sessions.

Cost: a free lock one round trip, release one. Waiting: one read and one watch, on the predecessor
alone, however long the line; being next one read more. Not for: what a transaction can do alone.
"""

from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.model import KeyValue
from coord.requests import RangeReply
from recipes.hold import Hold, Holds
from recipes.line import (
    Entered,
    first_of,
    is_place,
    lease_name,
    line_of,
    nearest_ahead,
    wait_in_line,
)
from recipes.port import KeptLease, KeyStore
from recipes.waiting import check_timeout, within

PAGE_KEYS = 1000


@frozen
class Contender:
    """One session in the line of a lock, with what it said of itself."""

    key: bytes
    value: bytes
    token: int
    lease: int


class Lock:
    """One lock, by name: its keys are NAME/LEASE, the layout of etcd's lock.

    Releases are counted within one Lock object: use one per name and process.

    Raises:
        Misuse: a name that `recipes.line.line_of` refuses.
    """

    def __init__(self, client: KeyStore, name: Text, value: Text = b"") -> None:
        self._client = client
        self._folder = line_of(name)
        self._value = ops.text_bytes(value)
        self._holds = Holds(client)

    async def acquire(self, session: KeptLease, timeout_ms: float | None = None) -> Hold:
        """Stand in line until it is held; cancelled, no place in line is left.

        Args:
            session: under whose lease; one that stands or holds already keeps its place.
            timeout_ms: milliseconds to wait at most; None for ever.

        Raises:
            StillHeld: the time passed; no place in line is left.
            SessionLost: the session ended, and with it the place in line.
        """
        check_timeout(timeout_ms)
        return await within(timeout_ms, self._take(session, patient=True))

    async def try_acquire(self, session: KeptLease) -> Hold | None:
        """Take it if nobody holds it or stands in line, else return None with nothing left.

        Raises:
            SessionLost: the session has ended.
        """
        return await self._take(session, patient=False)

    async def contenders(self) -> tuple[Contender, ...]:
        """Return the holder and, behind it, who stands in line (the first thousand keys)."""
        found = await self._client.get(self._folder, prefix=True, limit=PAGE_KEYS)
        line = sorted(filter(self._is_place, found.kvs), key=lambda kv: kv.create_revision)
        return tuple(Contender(kv.key, kv.value, kv.create_revision, kv.lease) for kv in line)

    async def _take(self, session: KeptLease, *, patient: bool) -> Hold | None:
        async def turn_come(entered: Entered) -> bool:
            (first,) = entered.answers
            assert isinstance(first, RangeReply)
            if first.kvs and first.kvs[0].create_revision == entered.place.token:
                return True
            if not patient:
                ahead = await nearest_ahead(
                    self._client, entered.place, self._folder, self._is_place
                )
                return ahead is None
            await wait_in_line(self._client, session, entered.place, self._folder, self._is_place)
            return True

        key = self._folder + lease_name(session.lease)
        reads = [first_of(self._folder)]
        return await self._holds.take(session, key, self._value, reads, turn_come)

    def _is_place(self, kv: KeyValue) -> bool:
        """Tell the places of this line from keys of a lock called NAME/something."""
        return is_place(self._folder, kv.key)
