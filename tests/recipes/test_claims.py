"""Claimer: every claim accounted for, whatever became of its answer or its caller."""

import asyncio
from collections.abc import Iterable

import pytest

from coord import ops
from coord.errors import ErrorCode, Unavailable
from coord.requests import ClaimReply, Compare, TxnOp, TxnReply
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from recipes.claims import Claimer
from recipes.errors import SessionLost


def claimer_of(client: LocalClient, session: LocalSession) -> Claimer:
    return Claimer(client, session, b"from/", b"to/me/")


async def where(client: LocalClient) -> dict[bytes, int]:
    """Return the places of all keys of these tests, and how often each was claimed."""
    found = [*(await client.get("from/", prefix=True)).kvs]
    found += (await client.get("to/", prefix=True)).kvs
    return {kv.key: kv.claims for kv in found}


class SlowClaims(LocalClient):
    """Carries claims out at once, and answers when let through."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.through = asyncio.Event()
        self.unavailable = 0

    async def claim(
        self, source: str | bytes, target: str | bytes, lease: int, limit: int = 1
    ) -> ClaimReply:
        reply = await super().claim(source, target, lease, limit)
        await self.through.wait()
        return reply

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        if self.unavailable:
            self.unavailable -= 1
            raise Unavailable("nobody there", ErrorCode.NO_LEADER)
        return await super().txn(compare, success, failure)


@in_loop
async def test_a_claim_cancelled_before_its_answer_came_is_given_back() -> None:
    client = SlowClaims(LocalCluster())
    await client.put("from/a")
    async with client.session() as session:
        claimer = claimer_of(client, session)
        claiming = asyncio.create_task(claimer.try_claim())
        await settle()
        assert list(await where(client)) == [b"to/me/a"]
        client.unavailable = 1
        claiming.cancel()
        await asyncio.gather(claiming, return_exceptions=True)
        client.through.set()
        async with asyncio.timeout(5), client.watch("from/", prefix=True, start_revision=1) as back:
            while b"from/a" not in await where(client):
                await anext(back)
        assert await where(client) == {b"from/a": 1}
        assert not claimer.holding


class LateClaims(LocalClient):
    """Carries claims out when let through, whether or not anybody still waits for them."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.through = asyncio.Event()

    async def claim(
        self, source: str | bytes, target: str | bytes, lease: int, limit: int = 1
    ) -> ClaimReply:
        async def later() -> ClaimReply:
            await self.through.wait()
            return await super(LateClaims, self).claim(source, target, lease, limit)

        return await asyncio.shield(asyncio.ensure_future(later()))


@in_loop
async def test_a_cancelled_claim_that_later_writes_overtake_is_given_back() -> None:
    client = LateClaims(LocalCluster())
    await client.put("from/a")
    async with client.session() as session:
        claimer = claimer_of(client, session)
        claiming = asyncio.create_task(claimer.try_claim())
        await settle()
        claiming.cancel()
        await asyncio.gather(claiming, return_exceptions=True)
        await settle()
        client.through.set()
        await settle()
        assert await where(client) == {b"from/a": 1}
        assert not claimer.holding


@in_loop
async def test_a_claim_after_a_cancelled_one_takes_over_what_that_had_taken() -> None:
    client = SlowClaims(LocalCluster())
    await client.put("from/a")
    async with client.session() as session:
        claimer = claimer_of(client, session)
        claiming = asyncio.create_task(claimer.try_claim())
        await settle()
        claiming.cancel()
        client.through.set()
        client.unavailable = 1
        await asyncio.gather(claiming, return_exceptions=True)
        assert [kv.key for kv in await claimer.try_claim()] == [b"to/me/a"]
        await settle()
        assert await where(client) == {b"to/me/a": 1}


@in_loop
async def test_operations_beside_the_claim_happen_with_it_and_in_order() -> None:
    client = LocalCluster().client()
    await client.put("from/a")
    async with client.session() as session:
        claimer = claimer_of(client, session)
        found = await claimer.try_claim(1, before=[ops.put("from/b")], after=[ops.put("noted")])
        assert [kv.key for kv in found] == [b"to/me/a"]
        noted = (await client.get("noted")).kvs[0]
        assert noted.mod_revision == found[0].create_revision


@in_loop
async def test_a_guard_that_does_not_hold_stops_the_claim_and_is_told() -> None:
    client = LocalCluster().client()
    await client.put("from/a")
    await client.put("shut/by-hand")
    async with client.session() as session:
        claimer = Claimer(
            client, session, b"from/", b"to/me/", lambda: [ops.missing("shut/", prefix=True)]
        )
        assert await claimer.try_claim(1, after=[ops.put("noted")]) == []
        assert claimer.shut
        assert (await client.get("noted")).count == 0
        await client.delete("shut/by-hand")
        assert len(await claimer.try_claim()) == 1
        assert not claimer.shut


@in_loop
async def test_a_claim_made_in_a_foreign_transaction_is_known_when_handed_in_or_in_doubt() -> None:
    client = LocalCluster().client()
    for name in ("a", "b"):
        await client.put(f"from/{name}")
    async with client.session() as session:
        claimer = claimer_of(client, session)
        reply = await client.txn(success=[ops.put("done"), claimer.claiming()])
        claimed = reply.replies[1]
        assert isinstance(claimed, ClaimReply)
        assert [kv.key for kv in claimer.taken(claimed)] == [b"to/me/a"]
        assert claimer.taken(claimed) == []
        await client.txn(success=[claimer.claiming()])
        claimer.doubt()
        assert [kv.key for kv in await claimer.try_claim()] == [b"to/me/b"]
        claimer.let_go(b"to/me/a")
        assert list(claimer.holding) == [b"to/me/b"]


@in_loop
async def test_what_is_held_is_recovered_though_every_answer_was_lost() -> None:
    client = LocalCluster().client()
    await client.put("from/a")
    async with client.session() as session, client.session() as other:
        await client.claim("from/", "to/me/", session.lease)
        await client.put("from/b")
        await client.claim("from/", "to/me/", other.lease)
        claimer = claimer_of(client, session)
        assert [kv.key for kv in await claimer.recover()] == [b"to/me/a"]


@in_loop
async def test_nothing_is_claimed_for_a_session_that_was_lost() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    await client.put("from/a")
    async with client.session(ttl_ms=1000) as session:
        claimer = claimer_of(client, session)
        await client.revoke(session.lease)
        with pytest.raises(SessionLost):
            await claimer.try_claim()
        cluster.notice_lost_sessions()
        with pytest.raises(SessionLost):
            await claimer.try_claim()
