"""What a worker knows of its own offers, transaction by transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import frozen

from coord.model import KeyValue
from coord.requests import TxnOp
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from recipes.claims import Claimer
from workers.model.job import Job
from workers.model.places import Places
from workers.running.claim import Claim, claim_of
from workers.running.offers import OFFERS_MAX, Offers
from workers.running.source import Source
from workers.store.jobs import JobStore

PLACES = Places()
AT = PLACES.queue("q")


@frozen
class Table:
    """A worker "w" and its offers, followed."""

    client: LocalClient
    session: LocalSession
    offers: Offers
    told: list[KeyValue]

    async def do(self, steps: list[TxnOp]) -> None:
        await self.client.txn(success=steps)

    async def offered(self) -> list[bytes]:
        kvs = (await self.client.get(AT.free, prefix=True, keys_only=True)).kvs
        return [kv.key.rpartition(b"/")[2] for kv in kvs]

    async def handed(self, jobs: int) -> list[Claim]:
        """Have jobs handed over; the store has to know of as many offers."""
        store = JobStore(self.client)
        await store.enqueue("q", Job("f"))
        await self.client.delete(AT.ready, prefix=True)
        for _ in range(jobs):
            await store.enqueue("q", Job("f"))
        await settle()
        return [claim_of(kv) for kv in self.told[-jobs:]]


@asynccontextmanager
async def table() -> AsyncIterator[Table]:
    client = LocalCluster().client()
    async with client.session() as session:
        made = Table(client, session, Offers(client, session, AT, "w"), [])
        following = asyncio.create_task(made.offers.follow(made.told.append))
        await settle()
        made.offers.standing = True
        yield made
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@in_loop
async def test_nothing_is_offered_before_anybody_listens_nor_more_than_is_allowed() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        assert Offers(client, session, AT, "w").making(3) == []
    async with table() as at:
        assert at.offers.making(-1) == []
        assert len(at.offers.making(10_000)) == OFFERS_MAX


@in_loop
async def test_entering_the_line_again_offers_the_same_slots_again() -> None:
    async with table() as at:
        for _ in range(20):
            await at.do(at.offers.making(2))
            assert await at.offered() == [b"0000", b"0001"]
            await at.do([at.offers.taking_away()])


@in_loop
async def test_a_slot_that_was_used_is_not_offered_until_its_job_is_settled() -> None:
    async with table() as at:
        await at.do(at.offers.making(2))
        (claim,) = await at.handed(1)
        assert await at.offered() == [b"0001"]
        await at.do(at.offers.making(2))
        assert await at.offered() == [b"0001", b"0002"]
        settling = at.offers.settling(claim, 3)
        assert settling == at.offers.settling(claim, 3)
        await at.do(settling)
        assert await at.offered() == [b"0000", b"0001", b"0002"]
        assert (await at.client.get(AT.handed_to("w"), prefix=True)).count == 0
        at.offers.let_go(claim)
        assert at.offers.settling(claim, 3) == []


@in_loop
async def test_a_job_that_was_claimed_frees_a_slot_too_while_fewer_are_offered_than_free() -> None:
    async with table() as at:
        await at.do(at.offers.making(1))
        claimed = (AT.held_by("w") + b"5" + b"0" * 20, 7)
        await at.do(at.offers.settling(claimed, 2))
        assert await at.offered() == [b"0000", b"0001"]
        at.offers.let_go(claimed)
        assert at.offers.settling(claimed, 2) == []


@in_loop
async def test_out_of_line_a_note_goes_and_nothing_is_offered() -> None:
    async with table() as at:
        await at.do(at.offers.making(1))
        (claim,) = await at.handed(1)
        at.offers.standing = False
        await at.do(at.offers.settling(claim, 5))
        assert await at.offered() == []
        assert (await at.client.get(AT.handed_to("w"), prefix=True)).count == 0


@in_loop
async def test_what_is_handed_over_is_never_taken_for_a_claim_in_doubt() -> None:
    async with table() as at:
        claimer = Claimer(at.client, at.session, AT.ready, AT.held_by("w"), notes=AT.handed_to("w"))
        await at.do(at.offers.making(1))
        await at.handed(1)
        assert await claimer.recover() == []
        assert claimer.note(at.told[0])
        assert not claimer.note(at.told[0])
        assert await claimer.recover() == at.told


@in_loop
async def test_closing_takes_every_offer_away_and_withdrawing_tells_what_was_not_heard() -> None:
    async with table() as at:
        await at.do(at.offers.making(2))
        await at.handed(1)
        await at.offers.close()
        assert await at.offered() == []
        late: list[KeyValue] = []
        await at.offers.withdraw(late.append)
        assert late == at.told


@in_loop
async def test_a_source_tells_of_a_job_once_however_often_it_hears_of_it() -> None:
    async with table() as at:
        source = Source(at.client, at.session, PLACES, "q", "w", lambda: 1, lambda: 1)
        await at.do(at.offers.making(1))
        await at.handed(1)
        (kv,) = at.told
        assert source.handed(kv).kvs == [kv]
        assert source.handed(kv).kvs == []
        assert source.unknown_to([claim_of(kv)]) == []
