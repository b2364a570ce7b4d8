"""Election: one leader, in order of arrival, guarded, no herd."""

import asyncio
from typing import Any

import pytest

from coord import ops
from coord.requests import Put, TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.election import Election, Leader
from recipes.errors import NotLeader, SessionLost


@in_loop
async def test_a_lone_candidate_leads_at_once() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        leadership = await Election(client, "office/").campaign(session, "me")
        leader = await Election(client, "office/").leader()
        assert leader == Leader(leadership.key, b"me", leadership.token, session.lease)


@in_loop
async def test_nobody_leads_an_office_without_candidates() -> None:
    assert await Election(LocalCluster().client(), "office/").leader() is None


@in_loop
async def test_candidates_lead_in_the_order_they_came_with_growing_tokens() -> None:
    client = LocalCluster().client()
    election = Election(client, "office/")
    async with client.session() as s1, client.session() as s2, client.session() as s3:
        first = await election.campaign(s1, "1")
        second = asyncio.create_task(election.campaign(s2, "2"))
        await settle()
        third = asyncio.create_task(election.campaign(s3, "3"))
        await settle()
        assert not second.done()
        await first.resign()
        await settle()
        assert not third.done()
        leadership = await second
        await leadership.resign()
        assert first.token < leadership.token < (await third).token


@in_loop
async def test_the_next_in_line_leads_when_the_leaders_lease_runs_out() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    election = Election(client, "office/")
    async with client.session(ttl_ms=1000) as s1, client.session(ttl_ms=1000) as s2:
        first = await election.campaign(s1)
        second = asyncio.create_task(election.campaign(s2))
        await settle()
        s1.stall()
        cluster.advance(1100)
        await second
        with pytest.raises(NotLeader):
            await first.proclaim("still me")


@in_loop
async def test_a_candidate_that_leaves_the_line_does_not_promote_those_behind_it() -> None:
    client = LocalCluster().client()
    election = Election(client, "office/")
    async with client.session() as s1, client.session() as s2, client.session() as s3:
        await election.campaign(s1)
        second = asyncio.create_task(election.campaign(s2))
        await settle()
        third = asyncio.create_task(election.campaign(s3))
        await settle()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await settle()
        assert not third.done()
        assert (await client.get("office/", prefix=True)).count == 2
        third.cancel()
        await asyncio.gather(third, return_exceptions=True)


class SlowClient(LocalClient):
    """Transactions are carried out at once and answered when let through."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.through = asyncio.Event()

    async def txn(self, *args: Any, **options: Any) -> TxnReply:
        reply = await super().txn(*args, **options)
        await self.through.wait()
        return reply


@in_loop
async def test_a_candidate_cancelled_before_its_answer_came_leaves_no_place_behind() -> None:
    client = SlowClient(LocalCluster())
    async with client.session() as session:
        campaign = asyncio.create_task(Election(client, "office/").campaign(session))
        await settle()
        assert (await client.get("office/", prefix=True)).count == 1
        campaign.cancel()
        await settle()
        client.through.set()
        await asyncio.gather(campaign, return_exceptions=True)
        assert campaign.cancelled()
        assert (await client.get("office/", prefix=True)).count == 0


@in_loop
async def test_a_candidate_whose_session_ends_is_told_so() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    election = Election(client, "office/")
    async with client.session() as s1, client.session(ttl_ms=1000) as s2:
        await election.campaign(s1)
        waiting = asyncio.create_task(election.campaign(s2))
        await settle()
        await client.revoke(s2.lease)
        cluster.notice_lost_sessions()
        with pytest.raises(SessionLost):
            await waiting


@in_loop
async def test_campaigning_under_a_lease_that_is_gone_is_refused_as_a_lost_session() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        await client.revoke(session.lease)
        with pytest.raises(SessionLost):
            await Election(client, "office/").campaign(session)


@in_loop
async def test_campaigning_again_under_the_same_session_keeps_the_place_and_renames() -> None:
    client = LocalCluster().client()
    election = Election(client, "office/")
    async with client.session() as session:
        first = await election.campaign(session, "old")
        again = await election.campaign(session, "new")
        leader = await election.leader()
        assert again.token == first.token
        assert leader is not None
        assert leader.value == b"new"


@in_loop
async def test_a_write_guarded_by_an_office_that_ended_is_refused() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        leadership = await Election(client, "office/").campaign(session)
        write = [ops.put("index", "1")]
        assert (await client.txn([leadership.guard()], write)).succeeded
        await leadership.resign()
        assert not (await client.txn([leadership.guard()], write)).succeeded


@in_loop
async def test_an_office_taken_away_has_ended_though_the_session_lives() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        leadership = await Election(client, "office/").campaign(session)
        ended = asyncio.create_task(leadership.ended())
        await settle()
        assert not ended.done()
        await client.delete(leadership.key)
        await ended


@in_loop
async def test_of_several_candidates_the_first_to_come_is_the_leader() -> None:
    client = LocalCluster().client()
    election = Election(client, "office/")
    async with client.session() as s1, client.session() as s2:
        first = await election.campaign(s2, "first")
        second = asyncio.create_task(election.campaign(s1, "second"))
        await settle()
        leader = await election.leader()
        assert leader is not None
        assert (leader.value, leader.token) == (b"first", first.token)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)


@in_loop
async def test_one_resignation_wakes_one_candidate_and_a_proclamation_none() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    election = Election(client, "office/")
    sessions = [await client.session() for _ in range(5)]
    first = await election.campaign(sessions[0])
    waiting = []
    for session in sessions[1:]:
        waiting.append(asyncio.create_task(election.campaign(session)))
        await settle()
    before = len(cluster.applied)
    await first.proclaim("still here")
    await settle()
    assert len(cluster.applied) - before == 1
    await first.resign()
    await settle()
    assert [task.done() for task in waiting] == [True, False, False, False]
    assert len(cluster.applied) - before == 3  # proclaim, resign, the second's look ahead
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@in_loop
async def test_a_candidate_whose_place_was_taken_over_by_another_write_does_not_lead() -> None:
    client = LocalCluster().client()
    election = Election(client, "office/")
    async with client.session() as s1, client.session() as s2:
        first = await election.campaign(s1)
        waiting = asyncio.create_task(election.campaign(s2))
        await settle()
        place = f"office/{s2.lease:016x}"
        await client.delete(place)
        await client.put(place, "somebody else")
        await first.resign()
        with pytest.raises(SessionLost):
            await waiting


@in_loop
async def test_an_observer_sees_leaders_and_proclamations_in_order() -> None:
    client = LocalCluster().client()
    election = Election(client, "office/")
    observer = election.observe()
    async with client.session() as s1, client.session() as s2:
        first = await election.campaign(s1, "a")
        assert (await anext(observer)).value == b"a"
        second = asyncio.create_task(election.campaign(s2, "b"))
        await settle()
        await first.proclaim("a2")
        assert (await anext(observer)).value == b"a2"
        await first.resign()
        assert (await anext(observer)).value == b"b"
        await second
    await observer.aclose()


@in_loop
async def test_entering_an_empty_office_costs_one_write() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with client.session() as session:
        before = len(cluster.applied)
        await Election(client, "office/").campaign(session)
        wrote = [op for op in cluster.applied[before:] if not _reads_only(op)]
        assert len(wrote) == 1


def _reads_only(op: object) -> bool:
    return not any(isinstance(step, Put) for step in getattr(op, "success", ()))


@in_loop
async def test_an_election_called_below_another_does_not_stand_in_its_way() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        await Election(client, "a/b/").campaign(session, "below")
        await Election(client, "a/b/c/").campaign(session, "further below")
        above = Election(client, "a/")
        observer = above.observe()
        seeing = asyncio.ensure_future(anext(observer))
        assert await above.leader() is None
        await settle()
        assert not seeing.done()
        await asyncio.wait_for(above.campaign(session, "above"), 5)
        leader = await above.leader()
        assert leader is not None
        assert leader.value == b"above"
        assert await seeing == leader
        await observer.aclose()
