"""Partitioner: items of a changing set divided over changing members; only what moves stops.

Guarantee: an item's work runs at one member at a time. It is held under its claim key, which hangs
on the member's lease: a member starts an item once it has the key, and gives the key up once the
work has stopped. When items and members stay as they are for a while, every item is held, by
nobody twice, and no member holds more than its even share, rounded up. Items that stay where they
are never stop.

What breaks it: a member that stood still longer than its time to live does not know yet that its
items are with others. What its work writes must carry `Share.guard()`; then it is refused.

Cost: a transaction to take an item and one to give it up; each member follows all keys by one
watch, and works out the division by itself: nobody leads.

Keys, under the prefix: items/ITEM, members/LEASE with the member's name, claims/ITEM.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, MaybeDone, Misuse, Unavailable, error_from
from coord.model import KeyValue
from coord.requests import Compare, PutReply, RangeReply
from recipes.division import divide
from recipes.errors import SessionLost, session_ends
from recipes.mirror import Mirror
from recipes.port import KeptLease, SessionStore
from recipes.waiting import while_kept

RETRY_S = 0.2


@frozen
class Share:
    """One item in a member's hands; `token` grows from holder to holder."""

    item: str
    value: bytes
    key: bytes
    token: int

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail once this hold has ended."""
        return ops.created(self.key, "==", self.token)


class _WorkFailed(Exception):
    """Carries an error of the work past those who handle errors of the cluster."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


Work = Callable[[Share], Coroutine[Any, Any, None]]


class Partitioner:
    """One set of items, named by a prefix (best ended by a slash), and one member's part in it."""

    def __init__(
        self, client: SessionStore, prefix: Text, name: str, *, ttl_ms: int = 10_000
    ) -> None:
        self._client = client
        self._ttl_ms = ttl_ms
        self._prefix = ops.key_bytes(prefix)
        self._name = name
        self._held: dict[str, tuple[Share, asyncio.Task[None]]] = {}
        # Claims whose deletion was sent and not answered: it may still happen, at any time.
        self._leaving: set[int] = set()

    @property
    def held(self) -> Mapping[str, Share]:
        """What this member holds, by item."""
        return {item: share for item, (share, _) in sorted(self._held.items())}

    async def add(self, item: str, value: Text = b"") -> None:
        """Add an item, or change its value; whoever holds it then sees the new one when it moves.

        Raises:
            Misuse: an item without a name, or one too long for a key.
        """
        self._key("claims/", item)  # a little longer: whoever takes the item has to fit that
        await self._client.put(self._key("items/", item), value)

    async def remove(self, item: str) -> None:
        """Remove an item; its work stops."""
        await self._client.txn(success=[ops.delete(self._key("items/", item))])

    async def run(self, work: Work) -> None:
        """Take part until cancelled.

        Args:
            work: runs once for each item held, as a task of its own; cancelled when the item moves,
                and then awaited before anybody else can start it. Should it return, the item is
                held on.

        Raises:
            whatever `work` raised; everything held is stopped and given up first.
        """
        while True:
            try:
                async with self._client.session(self._ttl_ms) as session:
                    try:
                        await while_kept(session, self._take_part(session, work))
                    finally:
                        await self._stop(list(self._held))
            except SessionLost:
                continue  # and begin again, as a new member
            except _WorkFailed as failed:
                raise failed.error from None
            except (Unavailable, MaybeDone):
                await asyncio.sleep(RETRY_S)

    async def _take_part(self, session: KeptLease, work: Work) -> None:
        me = self._prefix + b"members/" + f"{session.lease:016x}".encode()
        self._leaving.clear()
        while True:
            try:
                with session_ends():
                    await self._client.put(me, self._name, lease=session.lease)
                async with Mirror(self._client, self._prefix) as mirror:
                    while True:
                        await self._settle(mirror, session, work)
                        await self._news(mirror)
            except (Unavailable, MaybeDone):
                # What is held stays held: the session tells when that is over.
                await asyncio.sleep(RETRY_S)

    async def _settle(self, mirror: Mirror, session: KeptLease, work: Work) -> None:
        """Stop and start what the keys, as the mirror shows them, say."""
        items = {
            item: kv for item, kv in self._under(mirror, b"items/").items() if self._can_take(item)
        }
        claims = self._under(mirror, b"claims/")
        members = {lease: _text(kv.value) for lease, kv in self._under(mirror, b"members/").items()}
        wanted = divide(items, members).get(f"{session.lease:016x}", [])
        taken_away = [
            item
            for item, (share, _) in self._held.items()
            if mirror.revision >= share.token
            and (item not in claims or claims[item].create_revision != share.token)
        ]
        await self._stop(taken_away)
        await self._give_up([item for item in self._held if item not in wanted])
        for item, kv in claims.items():
            if kv.lease == session.lease and item not in self._held and item not in wanted:
                await self._let_go(kv.key, kv.create_revision)
        for item in wanted:
            is_free = item not in claims or claims[item].lease == session.lease
            if item not in self._held and is_free:
                await self._claim(session, item, items[item].value, work)

    async def _news(self, mirror: Mirror) -> None:
        """Wait for a change of the keys, or for work that ended with an error."""
        change: asyncio.Future[Any] = asyncio.ensure_future(mirror.change())
        working: set[asyncio.Future[Any]] = {
            task for _, task in self._held.values() if not task.done()
        }
        try:
            while not change.done():
                done, working = await asyncio.wait(
                    {change, *working}, return_when=asyncio.FIRST_COMPLETED
                )
                _raise_errors(done - {change})
                working -= {change}
            change.result()
        finally:
            change.cancel()
            await asyncio.gather(change, return_exceptions=True)

    async def _claim(self, session: KeptLease, item: str, value: bytes, work: Work) -> None:
        key = self._key("claims/", item)
        with session_ends():
            reply = await self._client.txn(
                compare=[ops.missing(key), ops.exists(self._key("items/", item))],
                success=[ops.put(key, self._name, lease=session.lease)],
                failure=[ops.get(key)],
            )
        answer = reply.replies[0]
        if isinstance(answer, PutReply):
            token = answer.revision
        else:
            assert isinstance(answer, RangeReply)
            if not answer.kvs or answer.kvs[0].lease != session.lease:
                return  # somebody else has it still; its end is a change that wakes us
            token = answer.kvs[0].create_revision  # an earlier try of ours got through
            if token in self._leaving:
                await self._let_go(key, token)
                return  # its end is a change that wakes us, and the next claim is a new one
        share = Share(item, value, key, token)
        self._held[item] = share, asyncio.create_task(work(share), name=f"item {item}")

    async def _give_up(self, items: list[str]) -> None:
        shares = [self._held[item][0] for item in items]
        await self._stop(items)
        for share in shares:
            await self._let_go(share.key, share.token)

    async def _let_go(self, key: bytes, token: int) -> None:
        self._leaving.add(token)
        await self._client.txn(compare=[ops.created(key, "==", token)], success=[ops.delete(key)])
        self._leaving.discard(token)

    async def _stop(self, items: list[str]) -> None:
        """Cancel the work on items and see it end; only then are they held no more."""
        tasks = {self._held[item][1] for item in items}
        for task in tasks:
            if not task.cancelling():  # a second time would interrupt its tidying up
                task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for item in items:
            del self._held[item]
        _raise_errors(tasks)

    def _under(self, mirror: Mirror, place: bytes) -> dict[str, KeyValue]:
        start = self._prefix + place
        return {
            _text(key.removeprefix(start)): kv
            for key, kv in sorted(mirror.keys.items())
            if key.startswith(start)
        }

    def _can_take(self, item: str) -> bool:
        """Whether an item that somebody wrote down is one; one that is none stops nobody."""
        try:
            self._key("claims/", item)
        except Misuse:
            return False
        return True

    def _key(self, place: str, item: str) -> bytes:
        if not item:
            raise error_from(ErrorCode.INVALID_OPTION, "an item without a name")
        return ops.key_bytes(self._prefix + place.encode() + item.encode(errors="surrogateescape"))


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")


def _raise_errors(tasks: Iterable[asyncio.Future[Any]]) -> None:
    for task in tasks:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise _WorkFailed(error)
