"""Election: of all candidates at most one leads, in order of arrival.

Guarantee: candidates stand in line by the revision at which they entered; the first in line
leads. What a leader writes together with `Leadership.guard()` is refused once it leads no more,
and `token` grows from leader to leader, so things outside the store can refuse an old one too.

What breaks it: acting on `campaign` having returned, without guard or token, after a pause longer
than the session's time to live. The old leader does not know yet; only the guard does.

Cost: entering one round trip, the check of who is ahead one. A waiting candidate watches only its
predecessor, so one resignation wakes one candidate. Proclaim and resign: one each.
"""

import contextlib
from collections.abc import AsyncGenerator

from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.model import KeyValue
from coord.requests import Compare
from recipes.errors import NotLeader, SessionLost
from recipes.line import Line, Place
from recipes.mirror import Mirror
from recipes.port import KeptLease, KeyStore
from recipes.waiting import until_gone, while_kept


@frozen
class Leader:
    """Who leads: its key, what it proclaimed, its fencing token and its lease."""

    key: bytes
    value: bytes
    token: int
    lease: int


class Leadership:
    """Office won by a campaign, held until resigned, taken away or lost with the session."""

    def __init__(self, client: KeyStore, session: KeptLease, line: Line, place: Place) -> None:
        self._client = client
        self._session = session
        self._line = line
        self._place = place

    @property
    def key(self) -> bytes:
        """The leader's key."""
        return self._place.key

    @property
    def token(self) -> int:
        """The fencing token: it grows from leader to leader."""
        return self._place.token

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail once this office has ended."""
        return self._place.guard()

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
        await self._line.leave(self._place)

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
        self._line = Line(client, prefix)

    async def campaign(self, session: KeptLease, value: Text = b"") -> Leadership:
        """Stand in line and wait until this session leads.

        Campaigning again under the same session keeps its place. When cancelled, the place in
        line is given up; when the cluster cannot be told within a second, it goes with the session.
        Any other error leaves the place: campaign again, or end the session.

        Raises:
            SessionLost: the session ended before its turn came, and the place in line with it.
        """
        place = await self._line.enter(session, ops.text_bytes(value))
        await self._line.wait(session, place)
        return Leadership(self._client, session, self._line, place)

    async def leader(self) -> Leader | None:
        """Return who leads now, or None. One linearizable read."""
        first = await self._line.first()
        return None if first is None else _leader(first)

    async def observe(self) -> AsyncGenerator[Leader, None]:
        """Yield the present leader, then each later leader and proclamation, in order.

        Proclamations made between two turns of the consumer may be passed over for the newest of
        their batch; the newest is never missed. Close the generator to stop.
        """
        last: Leader | None = None
        async with Mirror(self._client, self._line.prefix) as line:
            while True:
                first = min(line.keys.values(), key=lambda kv: kv.create_revision, default=None)
                found = None if first is None else _leader(first)
                if found is not None and found != last:
                    yield found
                last = found
                await line.change()


def _leader(kv: KeyValue) -> Leader:
    return Leader(kv.key, kv.value, kv.create_revision, kv.lease)
