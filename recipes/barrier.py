"""Barriers: wait until somebody opens the way; and enter together, leave together.

Guarantee: `Barrier.wait` returns once the barrier was seen open. `DoubleBarrier.enter` returns at
all N participants or none: once N were inside at one revision; `leave` returns once all that
entered together have left or died. Who comes to a full one is refused; one that was left by all
can be entered again.

What breaks it: a barrier may be shut again before the waiter acts on its opening. A participant
that dies between `enter` and `leave` is counted as one that left.

Cost: barrier: one round trip to shut, open or pass an open one; waiting one read and one watch.
Double barrier: enter and leave two round trips and one watch each; as each of N watches all N, it
is meant for tens, not thousands. Not for: waiting for a number of things to be done, use a gate.
"""

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, MaybeDone, Misuse
from coord.model import KeyValue
from coord.requests import PutReply, RangeReply
from recipes.errors import BarrierFull, SessionLost
from recipes.hold import Hold, Holds
from recipes.line import Entered, Place, is_place, lease_name, line_of
from recipes.mirror import Mirror
from recipes.port import KeptLease, KeyStore, only
from recipes.waiting import check_timeout, until_gone, while_kept, within

PARTICIPANTS_MAX = 1000


class Barrier:
    """One barrier, named by the key whose presence shuts it."""

    def __init__(self, client: KeyStore, key: Text) -> None:
        self._client = client
        self._key = ops.key_bytes(key)

    async def shut(self, session: KeptLease | None = None) -> None:
        """Shut it; with a session it opens by itself when that ends."""
        lease = 0 if session is None else session.lease
        await self._client.put(self._key, lease=lease)

    async def open(self) -> None:
        """Open it; everybody who waits passes."""
        await self._client.txn(success=[ops.delete(self._key)])

    async def wait(self) -> None:
        """Return once it is open, or was in between."""
        reply = await self._client.get(self._key)
        found = only(reply)
        if found is not None:
            await until_gone(self._client, self._key, found.create_revision, reply.revision)


class DoubleBarrier:
    """One double barrier, by name: its keys are NAME/inside/LEASE and NAME/together.

    Args:
        client: whom to ask.
        name: of the barrier.
        participants: how many enter together, 1 to 1000; each under a session of its own.

    Raises:
        Misuse: a bad number, or a name that `recipes.line.line_of` refuses.
    """

    def __init__(self, client: KeyStore, name: Text, participants: int) -> None:
        if not 1 <= participants <= PARTICIPANTS_MAX:
            raise Misuse(
                f"participants {participants}; 1 to {PARTICIPANTS_MAX} are allowed",
                ErrorCode.INVALID_OPTION,
            )
        self._client = client
        self._participants = participants
        self._folder = line_of(name)
        self._inside = self._folder + b"inside/"
        self._together = self._folder + b"together"
        self._holds = Holds(client)

    async def enter(self, session: KeptLease, timeout_ms: float | None = None) -> "Inside":
        """Enter, and wait until all participants have; cancelled, one has not entered.

        Raises:
            BarrierFull: the others are together already.
            StillHeld: `timeout_ms` milliseconds passed; one has not entered.
            SessionLost: the session ended.
        """
        check_timeout(timeout_ms)
        rounds: list[int] = []

        async def turn_come(entered: Entered) -> bool:
            if entered.is_new:
                await self._check_room(entered)
            rounds.append(await self._gather(session, entered.place))
            return True

        key = self._inside + lease_name(session.lease)
        reads = [ops.get(self._together), ops.get(self._inside, prefix=True)]
        taking = self._holds.take(session, key, b"", reads, turn_come)
        hold = await within(timeout_ms, taking)
        return Inside(self._client, hold, rounds[-1], self._inside, self._together)

    async def _check_room(self, entered: Entered) -> None:
        together, inside = entered.answers
        assert isinstance(together, RangeReply)
        assert isinstance(inside, RangeReply)
        places = [kv for kv in inside.kvs if is_place(self._inside, kv.key)]
        if len(places) > self._participants:
            raise BarrierFull
        sign = only(together)
        if sign is None:
            return
        if any(kv.create_revision < sign.create_revision for kv in places):
            raise BarrierFull
        # The last to leave died before taking the sign down.
        await _take_down(self._client, self._together, sign.create_revision)

    async def _gather(self, session: KeptLease, place: Place) -> int:
        """Wait until all are together; return the revision that says so."""
        async with Mirror(self._client, self._folder) as mirror:
            while True:
                sign = mirror.keys.get(self._together)
                if sign is not None and sign.create_revision > place.token:
                    return sign.create_revision
                inside = [key for key in mirror.keys if is_place(self._inside, key)]
                if place.key not in inside:
                    raise SessionLost
                if sign is None and len(inside) >= self._participants:
                    return await self._say_together(place)
                await while_kept(session, mirror.change())

    async def _say_together(self, place: Place) -> int:
        while True:
            try:
                reply = await self._client.txn(
                    compare=[ops.missing(self._together), place.guard()],
                    success=[ops.put(self._together)],
                    failure=[ops.get(self._together)],
                )
            except MaybeDone:
                continue
            (found,) = reply.replies
            if isinstance(found, PutReply):
                return found.revision
            assert isinstance(found, RangeReply)
            sign = only(found)
            if sign is None:
                raise SessionLost
            return sign.create_revision


class Inside:
    """One participant between entering and leaving."""

    def __init__(
        self, client: KeyStore, hold: Hold, together_since: int, inside: bytes, together: bytes
    ) -> None:
        self._client = client
        self._hold = hold
        self._inside = inside
        self._together = together
        self.together_since = together_since
        """The revision at which all were together: the same for all, and growing."""

    async def leave(self) -> None:
        """Leave, and wait until all that entered together have left.

        Raises:
            NotHolder: left already.
            SessionLost: one had left with the session.
        """
        await self._hold.release()
        async with Mirror(self._client, self._inside) as mirror:
            while any(map(self._entered_with_us, mirror.keys.values())):
                await mirror.change()
        await _take_down(self._client, self._together, self.together_since)

    def _entered_with_us(self, kv: KeyValue) -> bool:
        return is_place(self._inside, kv.key) and kv.create_revision < self.together_since


async def _take_down(client: KeyStore, key: bytes, create_revision: int) -> None:
    while True:
        try:
            await client.txn(
                compare=[ops.created(key, "==", create_revision)], success=[ops.delete(key)]
            )
            return
        except MaybeDone:
            continue
