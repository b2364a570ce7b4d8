"""Counter and atomic value: one key, changed only by whoever knows what it was.

Guarantee: each change that returned happened exactly once, from exactly the value it was computed
from. `Counter.add` of any number of sessions loses and doubles nothing.

What breaks it: `MaybeDone`. The change may have happened: read before repeating it.

Cost: a read, then one round trip for each try; a counter remembers what it saw last, so that a
lone user pays one. Others that write in between cost one more try each. Not for: many writers of
one key at a high rate (give each a key of its own and add up when reading), or for ids alone
(`put(..., sequence=True)` numbers keys in one round trip without ever being refused).
"""

from collections.abc import Callable

from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Misuse
from coord.model import KeyValue
from coord.requests import RangeReply
from recipes.errors import Contended, NotANumber
from recipes.port import KeyStore, only

TRIES_MAX = 1000


@frozen
class Versioned:
    """A value and the revision that wrote it; 0 and None where there is no key."""

    value: bytes | None
    revision: int


class AtomicValue:
    """One key that is only ever replaced by comparison.

    Raises:
        Misuse: a bad key.
    """

    def __init__(self, client: KeyStore, key: Text) -> None:
        self._client = client
        self._key = ops.key_bytes(key)
        self._seen: Versioned | None = None

    async def get(self) -> Versioned:
        """Return the value as it is now. One linearizable read."""
        self._seen = _versioned(only(await self._client.get(self._key)))
        return self._seen

    async def replace(self, seen: Versioned, value: Text) -> Versioned | None:
        """Write `value` if nobody has written, deleted or made the key since `seen`.

        Returns:
            The new state, for the next replacement; None when somebody has, and nothing was done.

        Raises:
            MaybeDone: it may have been replaced.
        """
        encoded = ops.text_bytes(value)
        reply = await self._client.txn(
            compare=[ops.modified(self._key, "==", seen.revision)],
            success=[ops.put(self._key, encoded)],
            failure=[ops.get(self._key)],
        )
        if reply.succeeded:
            self._seen = Versioned(encoded, reply.revision)
            return self._seen
        found = reply.replies[0]
        assert isinstance(found, RangeReply)
        self._seen = _versioned(only(found))
        return None

    async def update(self, change: Callable[[bytes | None], Text]) -> Versioned:
        """Replace the value by what `change` makes of it, again and again until nobody interferes.

        Args:
            change: from the value (None: no key) to the next; called once for each try.

        Raises:
            Contended: others were faster a thousand times; nothing was written.
            MaybeDone: the last try may have happened.
        """
        for _ in range(TRIES_MAX):
            seen = self._seen or await self.get()
            try:
                new = await self.replace(seen, change(seen.value))
            except BaseException:
                self._seen = None  # what is there now is not known
                raise
            if new is not None:
                return new
        raise Contended


class Counter:
    """A whole number of any size, kept in decimal digits; 0 where there is no key."""

    def __init__(self, client: KeyStore, key: Text) -> None:
        self._value = AtomicValue(client, key)

    async def get(self) -> int:
        """Return the number as it is now.

        Raises:
            NotANumber: the key holds something else.
        """
        return _number((await self._value.get()).value)

    async def add(self, by: int = 1) -> int:
        """Add `by`, which may be negative.

        Returns:
            The sum; no other `add` that returned was based on the same number.

        Raises:
            Contended: others were faster a thousand times; nothing was added.
            MaybeDone: it may have been added.
            NotANumber: the key holds something else; nothing was written.
            Misuse: `by` is no whole number.
        """
        if type(by) is not int:
            raise Misuse(f"{by!r} is no whole number", ErrorCode.INVALID_OPTION)
        new = await self._value.update(lambda value: str(_number(value) + by))
        return _number(new.value)


def _versioned(kv: KeyValue | None) -> Versioned:
    return Versioned(None, 0) if kv is None else Versioned(kv.value, kv.mod_revision)


def _number(value: bytes | None) -> int:
    try:
        return 0 if value is None else int(value)
    except ValueError:
        raise NotANumber(f"{value[:40]!r} is no whole number" if value else "") from None
