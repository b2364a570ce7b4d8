"""The asyncio face over a real store in the same process."""

import asyncio
import random

import pytest

from coord.client import ops
from coord.client.client import Client
from coord.client.settings import Settings
from coord.errors import (
    CoordError,
    ErrorCode,
    HistoryCompacted,
    Misuse,
    NotDone,
    Refused,
    Unavailable,
)
from coord.frames import WriteFrame
from coord.requests import LeaseRevoke, LeaseTimeToLive, LeaseTimeToLiveReply, RangeReply
from coord.testing.instant_node import InstantDialer, InstantNode
from coord.testing.local import settle
from tests.coord.client.with_node import NOBODY, NODE, run, until


def test_what_is_put_can_be_read() -> None:
    async def script(client: Client, _: InstantNode) -> None:
        put = await client.put("k", "v")
        got = await client.get("k")
        assert (got.kvs[0].key, got.kvs[0].value) == (b"k", b"v")
        assert got.kvs[0].mod_revision == put.revision

    run(script)


def test_requests_before_any_await_connect_by_themselves() -> None:
    async def main() -> None:
        node = InstantNode(lambda: 0.0)
        settings = Settings(
            endpoints=(NODE,),
            make_dialer=lambda: InstantDialer({NODE: node}),
            draw=random.Random(7).randint,
        )
        client = Client(settings)
        await asyncio.gather(*(client.put(f"k{at}") for at in range(10)))
        assert (await client.get("k", prefix=True, count_only=True)).count == 10
        await client.close()

    asyncio.run(main())


def test_a_thousand_puts_at_once_share_few_frames() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        await client.put("first")
        frames_before = node.frames_taken
        await asyncio.gather(*(client.put(f"k{at}", "v") for at in range(1000)))
        assert node.frames_taken - frames_before <= 2
        assert (await client.get("k", prefix=True, count_only=True)).count == 1000

    run(script)


def test_deletes_transactions_claims_and_leases_reach_the_store() -> None:
    async def script(client: Client, _: InstantNode) -> None:
        lease = (await client.grant(60_000)).lease
        await client.txn(
            compare=[ops.missing("jobs/1")],
            success=[ops.put("jobs/1", "a"), ops.put("jobs/2", "b")],
        )
        claimed = await client.claim("jobs/", "taken/", lease)
        assert [kv.key for kv in claimed.kvs] == [b"taken/1"]
        back = await client.give_back("taken/1", claimed.kvs[0].create_revision)
        assert back.moved
        assert (await client.delete("jobs/", prefix=True)).deleted == 2
        assert (await client.time_to_live(lease)).granted_ms == 60_000
        assert (await client.keep_alive(lease)).ttl_ms == 60_000
        assert (await client.leases()).leases == (lease,)
        await client.revoke(lease)
        assert (await client.leases()).leases == ()
        revision = (await client.put("x")).revision
        await client.compact(revision)
        with pytest.raises(Refused) as refused:
            await client.get("x", revision=revision - 2)
        assert refused.value.code is ErrorCode.COMPACTED

    run(script)


def test_a_transaction_that_only_reads_makes_no_entry() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        await client.put("k", "v")
        entries = node.store.applied_index
        answer = await client.txn([ops.exists("k")], [ops.get("k")])
        assert answer.succeeded
        assert isinstance(answer.replies[0], RangeReply)
        assert answer.replies[0].kvs[0].value == b"v"
        assert node.store.applied_index == entries

    run(script)


def test_misuse_is_told_before_anything_is_sent() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        await client.put("k")
        frames_before = node.frames_taken
        for wrong in (
            client.put(""),
            client.put("k", "v", ignore_value=True),
            client.get("k", prefix=True, from_key=True),
            client.txn(success=[ops.put("k", bytes(1 << 20)), ops.put("l", bytes(1 << 20))]),
            client.claim("a", "b", 0),
        ):
            with pytest.raises(Misuse):
                await wrong
        assert node.frames_taken == frames_before

    run(script)


def test_a_watch_sees_what_happens_after_it_stands() -> None:
    async def script(client: Client, _: InstantNode) -> None:
        async with client.watch("k", prefix=True) as watch:
            await client.put("k1", "a")
            await client.put("other", "b")
            await client.delete("k1")
            first = await anext(watch)
            second = await anext(watch)
            assert [e.kv.key for e in (*first.events, *second.events)] == [b"k1", b"k1"]

    run(script)


def test_a_watch_goes_on_over_a_broken_connection() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        watch = await client.watch("k")
        seen: list[bytes] = []
        for at in range(20):
            await client.put("k", f"{at}")
            if at % 3 == 0:
                node.channels[0].cut()
        while len(seen) < 20:
            batch = await watch.take(2_000)
            assert batch is not None
            seen += [e.kv.value for e in batch.events]
        assert seen == [b"%d" % at for at in range(20)]

    run(script)


def test_a_watch_behind_compaction_says_where_to_start() -> None:
    async def script(client: Client, _: InstantNode) -> None:
        for at in range(5):
            await client.put("k", f"{at}")
        await client.compact(5)
        watch = client.watch("k", start_revision=2)
        with pytest.raises(HistoryCompacted) as ended:
            await anext(watch)
        assert ended.value.compact_revision == 5
        with pytest.raises(HistoryCompacted):
            await anext(watch)

    run(script)


def test_a_watch_no_node_takes_is_given_up_by_who_waits_for_it() -> None:
    async def script(client: Client, _: InstantNode) -> None:
        watch = client.watch("k")
        with pytest.raises(Unavailable):
            await watch
        assert watch.ended

    run(script, at=NOBODY, timeout_ms=50)


def test_a_canceled_watch_ends_its_iteration() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        watch = await client.watch("k")

        async def follow() -> int:
            return len([batch async for batch in watch])

        following = asyncio.create_task(follow())
        await client.put("k")
        await watch.cancel()
        assert await following <= 1
        assert watch.ended
        await until(lambda: node.channels[0].watches == {})

    run(script)


def test_who_stops_waiting_for_a_watch_to_stand_leaves_none_behind() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        async def follow() -> None:
            async with client.watch("k"):
                raise AssertionError("it was to be canceled before")

        await client.put("other", "v")
        (channel,) = node.channels
        following = asyncio.create_task(follow())
        await settle(1)
        assert len(channel.watches) == 1
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await until(lambda: channel.watches == {})

    run(script)


def test_take_returns_nothing_when_the_time_passes() -> None:
    async def script(client: Client, _: InstantNode) -> None:
        watch = await client.watch("k")
        assert await watch.take(1) is None
        assert not watch.ended

    run(script)


def test_a_session_holds_its_keys_until_closed() -> None:
    async def script(client: Client, _: InstantNode) -> None:
        async with client.session(5_000) as session:
            await client.put("me", "here", lease=session.lease)
            assert not session.lost.is_set()
        assert (await client.get("me")).kvs == ()
        assert not session.lost.is_set()

    run(script)


def test_a_session_outlives_its_time_to_live_while_it_is_kept() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        async with client.session(150) as session:
            try:
                async with asyncio.timeout(0.5):
                    await session.lost.wait()
            except TimeoutError:
                pass
            assert not session.lost.is_set()
            left = node.store.read(LeaseTimeToLive(session.lease))
            assert isinstance(left, LeaseTimeToLiveReply)
            assert left.remaining_ms >= 0

    run(script)


def test_a_revoked_session_is_lost_at_the_next_renewal() -> None:
    async def script(client: Client, node: InstantNode) -> None:
        told: list[str] = []
        session = await client.session(300, on_lost=lambda: told.append("lost"))
        node.apply(WriteFrame(1, 0, 1, (LeaseRevoke(session.lease),)))
        async with asyncio.timeout(2):
            await session.lost.wait()
        assert told == ["lost"]
        await session.close()

    run(script)


def test_closing_the_client_closes_its_sessions_and_watches() -> None:
    nodes: list[InstantNode] = []

    async def script(client: Client, node: InstantNode) -> None:
        nodes.append(node)
        session = await client.session(5_000)
        await client.put("me", lease=session.lease)
        watch = await client.watch("other")
        await client.close()
        with pytest.raises(Unavailable):
            await watch.take()
        with pytest.raises(NotDone):
            await client.put("k")
        await client.close()

    run(script)
    assert nodes[0].store.lease_count == 0
    assert nodes[0].store.key_count == 0
    assert nodes[0].channels == []


def test_with_nobody_there_a_request_ends_at_its_deadline_as_unavailable() -> None:
    async def script(client: Client, _: InstantNode) -> None:
        with pytest.raises(Unavailable):
            await client.put("k", timeout_ms=50)
        with pytest.raises(Unavailable):
            await client.get("k", timeout_ms=50)

    run(script, at=NOBODY)


def test_a_canceled_request_leaves_the_others_alone() -> None:
    async def script(client: Client, _: InstantNode) -> None:
        requests = [asyncio.create_task(client.put(f"k{at}")) for at in range(3)]
        await asyncio.sleep(0)
        requests[1].cancel()
        found = await asyncio.gather(*requests, return_exceptions=True)
        assert not isinstance(found[0], BaseException)
        assert isinstance(found[1], asyncio.CancelledError)
        assert not isinstance(found[2], BaseException)

    run(script)


def test_a_client_is_for_one_event_loop() -> None:
    node = InstantNode(lambda: 0.0)
    settings = Settings(
        endpoints=(NODE,),
        make_dialer=lambda: InstantDialer({NODE: node}),
        draw=random.Random(7).randint,
    )
    client = Client(settings)

    async def use() -> None:
        await client

    asyncio.run(use())
    with pytest.raises(Misuse):
        asyncio.run(use())


def test_statuses_tell_which_nodes_do_not_answer() -> None:
    async def script(client: Client, _: InstantNode) -> None:
        answers = await client.statuses(timeout_ms=50)
        assert list(answers) == [NOBODY]
        assert isinstance(answers[NOBODY], CoordError)

    run(script, at=NOBODY)
