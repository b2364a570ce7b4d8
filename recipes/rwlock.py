"""Read-write lock: any number read together, or one writes, in order of arrival.

Guarantee: at any revision either readers hold it or one writer does. Who comes later waits for
whoever came earlier and excludes it: readers for writers, a writer for everybody. So a stream of
readers does not starve a writer. `Hold.guard()` refuses what a former holder writes.

What breaks it: acting without guard after a pause longer than the session's time to live. Asking
to write while the same session reads is refused, as it would wait for itself for ever; reading
while it writes shares its place, which stays exclusive until both are released.

Cost: free one round trip, release one; waiting one read and one watch. A writer's release wakes
the readers behind it, a last reader's one writer. Not for: short holds; a plain lock is cheaper
to think about, and reading at one revision needs no lock at all.
"""

from collections.abc import Callable

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Misuse
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
from recipes.port import KeptLease, KeyStore, only
from recipes.waiting import check_timeout, within

READ = b"read/"
WRITE = b"write/"


class RWLock:
    """One read-write lock, by name: its keys are NAME/read/LEASE and NAME/write/LEASE.

    Releases are counted within one object, as with `Lock`.

    Raises:
        Misuse: a name that `recipes.line.line_of` refuses.
    """

    def __init__(self, client: KeyStore, name: Text, value: Text = b"") -> None:
        self._client = client
        self._folder = line_of(name)
        self._value = ops.text_bytes(value)
        self._holds = Holds(client)

    async def read(self, session: KeptLease, timeout_ms: float | None = None) -> Hold:
        """Wait until nobody who came before writes, or waits to, and hold it with other readers.

        Raises:
            StillHeld: `timeout_ms` milliseconds passed; no place in line is left.
            SessionLost: the session ended, and with it the place in line.
        """
        check_timeout(timeout_ms)
        return await within(timeout_ms, self._read(session, patient=True))

    async def try_read(self, session: KeptLease) -> Hold | None:
        """Hold it for reading if that needs no waiting, else return None with nothing left."""
        return await self._read(session, patient=False)

    async def write(self, session: KeptLease, timeout_ms: float | None = None) -> Hold:
        """Wait until nobody who came before is left, and hold it alone.

        Raises:
            StillHeld: `timeout_ms` milliseconds passed; no place in line is left.
            SessionLost: the session ended, and with it the place in line.
            Misuse: this session reads; release that first.
        """
        check_timeout(timeout_ms)
        await self._check_not_reading(session)
        return await within(timeout_ms, self._write(session, patient=True))

    async def try_write(self, session: KeptLease) -> Hold | None:
        """Hold it for writing if that needs no waiting, else return None with nothing left."""
        await self._check_not_reading(session)
        return await self._write(session, patient=False)

    async def _read(self, session: KeptLease, *, patient: bool) -> Hold | None:
        if self._holds.has(self._folder + WRITE + lease_name(session.lease)):
            # A place of its own might stand behind a writer that waits for ours.
            return await self._write(session, patient=patient)
        excluding = self._folder + WRITE

        def blocks(kv: KeyValue) -> bool:
            return is_place(excluding, kv.key)

        return await self._take(session, READ, excluding, blocks, patient=patient)

    async def _write(self, session: KeptLease, *, patient: bool) -> Hold | None:
        reading, writing = self._folder + READ, self._folder + WRITE

        def blocks(kv: KeyValue) -> bool:
            return is_place(reading, kv.key) or is_place(writing, kv.key)

        return await self._take(session, WRITE, self._folder, blocks, patient=patient)

    async def _take(
        self,
        session: KeptLease,
        kind: bytes,
        excluding: bytes,
        blocks: Callable[[KeyValue], bool],
        *,
        patient: bool,
    ) -> Hold | None:
        async def turn_come(entered: Entered) -> bool:
            place, (first,) = entered.place, entered.answers
            assert isinstance(first, RangeReply)
            found = only(first)
            if found is None or found.create_revision >= place.token:
                return True
            if not patient:
                return await nearest_ahead(self._client, place, excluding, blocks) is None
            await wait_in_line(self._client, session, place, excluding, blocks)
            return True

        key = self._folder + kind + lease_name(session.lease)
        return await self._holds.take(session, key, self._value, [first_of(excluding)], turn_come)

    async def _check_not_reading(self, session: KeptLease) -> None:
        reading = await self._client.get(self._folder + READ + lease_name(session.lease))
        if reading.kvs:
            raise Misuse("this session reads; it would wait for itself", ErrorCode.INVALID_OPTION)
