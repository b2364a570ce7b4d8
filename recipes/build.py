"""Elected build: one of many computes, all receive the result; published once, whoever dies.

Guarantee: of all who take part only the elected leader computes; a leader lost half-way is
replaced by the next in line. The result is published once, in a transaction that holds only while
the office does and nothing is published yet, so two leaders who each believe to be the one cannot
both. Everybody who takes part or waits returns that one result.

What breaks it: a computation may be begun more than once, one after the other or, when a leader
stood still beyond its time to live, side by side. Its own effects must bear that, or carry
`Leadership.guard()`.

Cost: an election to take part, two watches while waiting, a read and a transaction to publish.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import CoordError, ErrorCode, MaybeDone, Refused
from coord.model import EventKind, KeyValue
from coord.requests import RangeReply
from recipes.election import Election, Leadership
from recipes.errors import NotLeader
from recipes.port import KeptLease, KeyStore, next_batch, only
from recipes.waiting import while_kept

LEAVE_TIMEOUT_S = 1.0
T = TypeVar("T")


@frozen
class Built:
    """A published result, and the revision that published it."""

    value: bytes
    revision: int


Compute = Callable[[Leadership], Coroutine[Any, Any, Text]]


class Build:
    """One build, named by a prefix (best ended by a slash); another build takes another prefix."""

    def __init__(self, client: KeyStore, prefix: Text) -> None:
        self._client = client
        prefix = ops.key_bytes(prefix)
        self.key = prefix + b"result"
        """Where the result is."""
        self._election = Election(client, prefix + b"line/")

    async def result(self) -> Built | None:
        """Return the result if it is published; one read."""
        found = only(await self._client.get(self.key))
        return None if found is None else _built(found)

    async def wait(self) -> Built:
        """Wait for the result without taking part."""
        while True:
            reply = await self._client.get(self.key)
            found = only(reply)
            if found is not None:
                return _built(found)
            try:
                return await self._published(reply.revision + 1)
            except Refused as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise

    async def take_part(self, session: KeptLease, compute: Compute, name: Text = b"") -> Built:
        """Return the result: computed here, if this session is elected, or received.

        Args:
            session: this participant's.
            compute: makes the result, at most 1 MiB; larger ones are stored elsewhere, and where
                is the result. Cancelled when the office ends before it does.
            name: what others see of who is building.

        Raises:
            SessionLost: the session ended first.
            whatever `compute` raised; the next in line tries then.
        """
        return await while_kept(session, self._race(session, compute, name))

    async def _race(self, session: KeptLease, compute: Compute, name: Text) -> Built:
        received = asyncio.ensure_future(self.wait())
        building = asyncio.ensure_future(self._lead(session, compute, name))
        try:
            await asyncio.wait((received, building), return_when=asyncio.FIRST_COMPLETED)
            return building.result() if building.done() else received.result()
        finally:
            received.cancel()
            building.cancel()
            await asyncio.gather(received, building, return_exceptions=True)

    async def _lead(self, session: KeptLease, compute: Compute, name: Text) -> Built:
        while True:
            try:
                leadership = await self._election.campaign(session, name)
            except MaybeDone:
                continue  # asked again, the place in line is found
            try:
                return await self._result_of(leadership, compute)
            except NotLeader:
                continue
            finally:
                with contextlib.suppress(CoordError, TimeoutError):
                    async with asyncio.timeout(LEAVE_TIMEOUT_S):
                        await leadership.resign()

    async def _result_of(self, leadership: Leadership, compute: Compute) -> Built:
        # Published by whoever led before: this read is newer than the end of that office.
        built = await self.result()
        if built is not None:
            return built
        value = await _while_leading(leadership, compute(leadership))
        while True:
            try:
                return await self._publish(leadership, value)
            except MaybeDone:
                continue  # published already, it is found

    async def _publish(self, leadership: Leadership, value: Text) -> Built:
        reply = await self._client.txn(
            compare=[leadership.guard(), ops.missing(self.key)],
            success=[ops.put(self.key, value)],
            failure=[ops.get(self.key)],
        )
        if reply.succeeded:
            return Built(ops.text_bytes(value), reply.revision)
        answer = reply.replies[0]
        assert isinstance(answer, RangeReply)
        found = only(answer)
        if found is None:
            raise NotLeader
        return _built(found)

    async def _published(self, start_revision: int) -> Built:
        async with self._client.watch(self.key, start_revision=start_revision) as watch:
            while True:
                for event in (await next_batch(watch)).events:
                    if event.kind is EventKind.PUT:
                        return _built(event.kv)


async def _while_leading(leadership: Leadership, awaited: Coroutine[Any, Any, T]) -> T:
    """Await `awaited`; NotLeader, and it is cancelled, when the office ends first."""
    work = asyncio.ensure_future(awaited)
    ended = asyncio.ensure_future(leadership.ended())
    try:
        await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        ended.result()
        raise NotLeader
    finally:
        work.cancel()
        ended.cancel()
        await asyncio.gather(work, ended, return_exceptions=True)


def _built(kv: KeyValue) -> Built:
    return Built(kv.value, kv.mod_revision)
