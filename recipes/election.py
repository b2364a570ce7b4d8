"""Election: of all candidates at most one leads, in order of arrival.

Guarantee: candidates stand in line by the revision at which they entered; the first in line
leads. What a leader writes together with `Leadership.guard()` is refused once it leads no more,
and `token` grows from leader to leader, so things outside the store can refuse an old one too.

What breaks it: acting on `campaign` having returned, without guard or token, after a pause longer
than the session's time to live. The old leader does not know yet; only the guard does.

Cost: entering one round trip, the check of who is ahead one. Candidates stand in a `recipes.line`:
each watches only its predecessor, so one resignation wakes one. Proclaim and resign: one each.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import CoordError
from coord.model import KeyValue
from coord.requests import Compare, RangeReply, SortOrder, SortTarget
from recipes.errors import NotLeader, SessionLost
from recipes.line import Place, first_of, is_place, lease_name, try_enter, wait_in_line
from recipes.mirror import Mirror
from recipes.port import KeptLease, KeyStore, only
from recipes.waiting import until_gone, while_kept

LEAVE_TIMEOUT_S = 1.0  # for giving up a place in line; beyond that it goes with the session


@frozen
class Leader:
    """Who leads: its key, what it proclaimed, its fencing token and its lease."""

    key: bytes
    value: bytes
    token: int
    lease: int


class Leadership:
    """Office won by a campaign, held until resigned, taken away or lost with the session."""

    def __init__(self, client: KeyStore, session: KeptLease, key: bytes, token: int) -> None:
        self._client = client
        self._session = session
        self.key = key
        self.token = token

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail once this office has ended."""
        return ops.created(self.key, "==", self.token)

    async def proclaim(self, value: Text) -> int:
        """Tell observers something new.

        Returns:
            The revision of the proclamation.

        Raises:
            NotLeader: the office has ended; nothing was written.
        """
        put = ops.put(self.key, value, lease=self._session.lease)
        reply = await self._client.txn(compare=[self.guard()], success=[put])
        if not reply.succeeded:
            raise NotLeader
        return reply.revision

    async def resign(self) -> None:
        """Give up the office; the next in line leads. Does nothing when it has ended already."""
        await self._client.txn(compare=[self.guard()], success=[ops.delete(self.key)])

    async def ended(self) -> None:
        """Return when the office has ended, by whatever cause."""
        with contextlib.suppress(SessionLost):
            await while_kept(
                self._session, until_gone(self._client, self.key, self.token, self.token)
            )


class Election:
    """One office, named by a prefix; everybody who uses the same prefix takes part."""

    def __init__(self, client: KeyStore, prefix: Text) -> None:
        self._client = client
        self._prefix = ops.key_bytes(prefix)

    async def campaign(self, session: KeptLease, value: Text = b"") -> Leadership:
        """Stand in line and wait until this session leads.

        Campaigning again under the same session keeps its place. When cancelled, the place in
        line is given up; when the cluster cannot be told within a second, it goes with the session.
        Any other error leaves the place: campaign again, or end the session.

        Raises:
            SessionLost: the session ended before its turn came, and the place in line with it.
        """
        key = self._prefix + lease_name(session.lease)
        # Shielded: cancelled half-way, we must still learn whether there is a place to give up.
        entering = asyncio.ensure_future(self._enter(session, key, ops.text_bytes(value)))
        try:
            place = await asyncio.shield(entering)
            await wait_in_line(self._client, session, place, self._prefix, self._is_place)
        except asyncio.CancelledError:
            with contextlib.suppress(CoordError, TimeoutError):
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    place = await entering
                    await Leadership(self._client, session, key, place.token).resign()
            raise
        return Leadership(self._client, session, key, place.token)

    async def leader(self) -> Leader | None:
        """Return who leads now, or None.

        One linearizable read; one more for each earlier candidate of an election called below.
        """
        reply = await self._client.get(
            self._prefix,
            prefix=True,
            limit=1,
            sort_target=SortTarget.CREATE,
            sort_order=SortOrder.ASCEND,
        )
        first = only(reply)
        while first is not None and not self._is_place(first):
            later = first_of(self._prefix, first.create_revision + 1)
            (found,) = (await self._client.txn(success=[later])).replies
            assert isinstance(found, RangeReply)
            first = only(found)
        return None if first is None else _leader(first)

    async def observe(self) -> AsyncGenerator[Leader, None]:
        """Yield the present leader, then each later leader and proclamation, in order.

        Proclamations made between two turns of the consumer may be passed over for the newest of
        their batch; the newest is never missed. Close the generator to stop.
        """
        last: Leader | None = None
        async with Mirror(self._client, self._prefix) as line:
            while True:
                places = filter(self._is_place, line.keys.values())
                first = min(places, key=lambda kv: kv.create_revision, default=None)
                found = None if first is None else _leader(first)
                if found is not None and found != last:
                    yield found
                last = found
                await line.change()

    async def _enter(self, session: KeptLease, key: bytes, value: bytes) -> Place:
        entered = await try_enter(self._client, session, key, value, [ops.get(key)])
        own = entered.answers[0]
        assert isinstance(own, RangeReply)
        place = entered.place
        if not entered.is_new and own.kvs[0].value != value:
            put = ops.put(key, value, lease=session.lease)
            await self._client.txn(compare=[place.guard()], success=[put])
        return place

    def _is_place(self, kv: KeyValue) -> bool:
        """Tell the places of this line from those of an election called PREFIX and more."""
        return is_place(self._prefix, kv.key)


def _leader(kv: KeyValue) -> Leader:
    return Leader(kv.key, kv.value, kv.create_revision, kv.lease)
