"""Bad values: refused where they are given, passed over where somebody else wrote them down."""

import asyncio
from typing import Any

import pytest

from coord.errors import Misuse
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.delay_queue import DelayQueue, Mover
from recipes.multilock import MultiLock
from recipes.partitioner import Partitioner, Share
from recipes.presence import Presence
from recipes.progress import Board, Reporter
from recipes.queue import Queue
from recipes.registry import Instance, Registry
from workers.testing.hand_timer import HandTimer

UNREADABLE = [b'{"address":"\xff","message":"\xff"}', b"[" * 200_000, b"nonsense"]


@pytest.mark.parametrize("value", UNREADABLE, ids=lambda value: repr(value[:12]))
@in_loop
async def test_what_somebody_wrote_that_cannot_be_read_ends_no_follower(value: bytes) -> None:
    client = LocalCluster().client()
    await client.put("services/s/h:1", value)
    await client.put("p/task", value)
    registry = Registry(client)
    async with registry.follow("s") as instances, Board(client, "p/") as board:
        assert list(instances.living) == []
        assert board.tasks == {}
        await client.put("services/s/h:2", value)
        await client.put("p/more", value)
        async with client.session() as session, Reporter(client, session, "p/") as reporter:
            reporter.report("good", 1)
            async with registry.register("s", Instance("h:80")):
                await settle(200)
                assert list(instances.living) == [Instance("h:80")]


@in_loop
async def test_a_bad_report_is_refused_and_the_others_are_sent() -> None:
    client = LocalCluster().client()
    async with client.session() as session, Reporter(client, session, "p/") as reporter:
        bad: list[tuple[Any, ...]] = [
            ("x" * 5000, 1), ("t", 1.5, 10), ("t", -1), ("t", 1, 2, "\ud800"),
            ("t", 1, 2, "m" * 2_000_000), ("\udcff", 1),
        ]  # fmt: skip
        for report in bad:
            with pytest.raises(Misuse):
                reporter.report(*report)
        reporter.report("good", 9)
        await settle()
        async with Board(client, "p/") as board:
            assert list(board.tasks) == ["good"]


@in_loop
async def test_a_bad_value_leaves_a_presence_as_it_was() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with Presence(client, "p/me", "here", ttl_ms=1000) as presence:
        with pytest.raises(Misuse):
            await presence.update(bytes(2 << 20))
        cluster.sessions[0].stall()
        cluster.advance(1000)
        cluster.sessions[0].wake()
        await settle()
        assert presence.appearances == 2
        assert (await client.get("p/me")).kvs[0].value == b"here"


@in_loop
async def test_many_large_items_that_are_due_are_brought_into_line() -> None:
    client = LocalCluster().client()
    timer = HandTimer()
    queue = DelayQueue(client, "q/", timer=timer)
    for _ in range(40):
        await queue.put(bytes(1_000_000), delay_ms=1)
    timer.advance(1)
    async with client.session() as session:
        mover = asyncio.create_task(Mover(queue, session).run())
        await settle(400)
        assert (await client.get(queue.ready, prefix=True, count_only=True)).count == 40
        mover.cancel()
        await asyncio.gather(mover, return_exceptions=True)


@in_loop
async def test_an_item_whose_claim_fits_no_key_stops_no_member() -> None:
    client = LocalCluster().client()
    longest = 4096 - len("p/claims/")
    board = Partitioner(client, "p/", "console")
    with pytest.raises(Misuse):
        await board.add("x" * (longest + 1))
    await client.put("p/items/" + "x" * (longest + 1))
    await client.put("p/items/")
    await board.add("x" * longest)
    held: list[str] = []

    async def work(share: Share) -> None:
        held.append(share.item)
        await asyncio.Event().wait()

    member = asyncio.create_task(Partitioner(client, "p/", "a").run(work))
    await settle()
    assert held == ["x" * longest]
    member.cancel()
    await asyncio.gather(member, return_exceptions=True)


@in_loop
async def test_one_text_is_no_list_of_names_or_bodies() -> None:
    client = LocalCluster().client()
    with pytest.raises(Misuse, match="a list"):
        MultiLock(client, "orders")
    with pytest.raises(Misuse, match="a list"):
        await Queue(client, "q/").put_all("hello")
    assert (await client.get("", prefix=True)).count == 0
