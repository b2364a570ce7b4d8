"""A worker's place on the roll, under its session: what it says of itself, the orders it gets."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from coord.client import ops
from coord.errors import CoordError, ErrorCode, MaybeDone, Refused, Unavailable
from coord.model import EventKind
from coord.requests import RangeReply
from recipes.errors import SessionLost, session_ends
from recipes.port import KeptLease, KeyStore, next_batch
from recipes.waiting import until_gone, while_kept
from workers.model.places import Places
from workers.running.roll import Order, WorkerEntry, read_order

UPDATE_S = 1.0  # between two looks whether there is anything new to say
RETRY_S = 0.2

log = structlog.get_logger("workers")


class Registration:
    """One worker on the roll."""

    def __init__(
        self,
        client: KeyStore,
        session: KeptLease,
        places: Places,
        look: Callable[[], WorkerEntry],
        obey: Callable[[Order], None],
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            client: to reach the store.
            session: it is on the roll for as long as that lasts.
            places: of the space.
            look: tells how the worker is now.
            obey: called with each order.
        """
        self._client = client
        self._session = session
        self._look = look
        self._obey = obey
        self._name = look().name
        self._key = places.workers + self._name.encode()
        self._order = places.order(self._name)
        self._said = b""
        self._revision = 0

    async def enter(self) -> bool:
        """Get on the roll, waiting until no other living worker has the name.

        Returns:
            True.

        Raises:
            SessionLost: the session ended first.
        """
        while True:
            ours = msgspec.json.encode(self._look())
            put = ops.put(self._key, ours, lease=self._session.lease)
            ours_already = ops.leased(self._key, "==", self._session.lease)
            with session_ends():
                reply = await self._client.txn(
                    [ops.missing(self._key)],
                    [put, ops.delete(self._order)],
                    [ops.get(self._key), ops.txn([ours_already], [put])],
                )
            found = None if reply.succeeded else reply.replies[0]
            assert found is None or isinstance(found, RangeReply)
            if found is None or found.kvs[0].lease == self._session.lease:
                self._said, self._revision = ours, reply.revision
                return True
            log.warning("another worker has this name; waiting for its end", worker=self._name)
            gone = until_gone(self._client, self._key, found.kvs[0].create_revision, reply.revision)
            await while_kept(self._session, gone)

    async def keep(self) -> None:
        """Say what is new, now and then, until cancelled.

        Raises:
            SessionLost: the session ended.
        """
        while True:
            await asyncio.sleep(UPDATE_S)
            ours = msgspec.json.encode(self._look())
            if ours == self._said:
                continue
            try:
                with session_ends():
                    await self._client.put(self._key, ours, lease=self._session.lease)
                self._said = ours
            except (Unavailable, MaybeDone) as error:
                log.warning("cannot update the roll", worker=self._name, error=str(error))
            if self._session.lost.is_set():
                raise SessionLost

    async def follow_orders(self) -> None:
        """Hand over each order given since `enter`, until cancelled."""
        while True:
            try:
                await self._obey_orders()
            except (Unavailable, MaybeDone) as error:
                log.warning("cannot follow orders", worker=self._name, error=str(error))
                await asyncio.sleep(RETRY_S)

    async def _obey_orders(self) -> None:
        """Hand over each order from here on; return where compaction overtook that."""
        start = self._revision + 1
        try:
            async with self._client.watch(self._order, start_revision=start) as watch:
                while True:
                    batch = await next_batch(watch)
                    self._revision = batch.revision
                    for event in batch.events:
                        if event.kind is EventKind.PUT:
                            await self._take(event.kv.value)
        except Refused as error:
            if error.code is not ErrorCode.COMPACTED:
                raise
            await self._look_for_order()

    async def say_under(self, key: bytes, value: bytes) -> None:
        """Put a key that vanishes with the worker; what goes wrong is logged."""
        try:
            await self._client.put(key, value, lease=self._session.lease)
        except CoordError as error:
            log.warning("cannot answer", worker=self._name, error=str(error))

    async def _look_for_order(self) -> None:
        reply = await self._client.get(self._order)
        self._revision = reply.revision
        for kv in reply.kvs:
            await self._take(kv.value)

    async def _take(self, value: bytes) -> None:
        order = read_order(value)
        log.info("ordered", worker=self._name, order=value.decode(errors="replace"))
        if order is not None:
            self._obey(order)
        await self._client.txn(success=[ops.delete(self._order)])
