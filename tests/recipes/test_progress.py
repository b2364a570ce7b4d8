"""Progress: live, leased, cheap, and gone with its reporter."""

import asyncio
from typing import Any

import pytest

from coord.errors import Misuse
from coord.requests import Txn, TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.progress import Board, Progress, Reporter


@in_loop
async def test_a_board_shows_reports_live_and_forgets_cleared_tasks() -> None:
    client = LocalCluster().client()
    async with (
        client.session() as session,
        Reporter(client, session, "p/", by="w") as reporter,
        Board(client, "p/") as board,
    ):
        reporter.report("t", 1, 10, "first")
        await board.change()
        assert board.tasks == {"t": Progress(1, 10, "first", "w")}
        reporter.clear("t")
        await board.change()
        assert board.tasks == {}


@in_loop
async def test_many_reports_made_at_once_cost_one_write_and_the_last_one_counts() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with client.session() as session, Reporter(client, session, "p/") as reporter:
        for done in range(100):
            reporter.report("t", done, 100)
        await settle()
        writes = [op for op in cluster.applied if isinstance(op, Txn)]
        assert len(writes) == 1
        async with Board(client, "p/") as board:
            assert board.tasks["t"].done == 99


@in_loop
async def test_progress_vanishes_with_the_reporters_lease() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with (
        client.session(ttl_ms=1000) as session,
        Board(client, "p/") as board,
        Reporter(client, session, "p/") as reporter,
    ):
        reporter.report("t", 1)
        await board.change()
        session.stall()
        cluster.advance(1100)
        await board.change()
        assert board.tasks == {}
        session.wake()


@in_loop
async def test_the_last_report_is_sent_on_the_way_out() -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        async with Reporter(client, session, "p/") as reporter:
            reporter.report("t", 5)
        async with Board(client, "p/") as board:
            assert board.tasks["t"].done == 5


@in_loop
async def test_a_report_whose_answer_was_lost_is_sent_again() -> None:
    client = LocalCluster().client()
    async with (
        client.session() as session,
        Board(client, "p/") as board,
        Reporter(client, session, "p/") as reporter,
    ):
        client.lose_requests()
        reporter.report("t", 5)
        await board.change()
        assert board.tasks["t"].done == 5


class SlowClient(LocalClient):
    """Transactions wait until they are let through."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.through = asyncio.Event()

    async def txn(self, *args: Any, **options: Any) -> TxnReply:
        await self.through.wait()
        return await super().txn(*args, **options)


@in_loop
async def test_a_report_made_while_another_is_under_way_is_not_forgotten() -> None:
    client = SlowClient(LocalCluster())
    async with (
        client.session() as session,
        Board(client, "p/") as board,
        Reporter(client, session, "p/") as reporter,
    ):
        reporter.report("t", 1)
        await settle()
        reporter.report("t", 2)
        client.through.set()
        while board.tasks.get("t") != Progress(2):
            await board.change()


@in_loop
async def test_a_reporter_whose_lease_is_gone_falls_silent() -> None:
    client = LocalCluster().client()
    async with client.session() as session, Reporter(client, session, "p/") as reporter:
        await client.revoke(session.lease)
        reporter.report("t", 1)
        await settle()
    assert (await client.get("p/", prefix=True)).count == 0


@in_loop
async def test_clearing_a_task_leaves_what_its_next_worker_reported() -> None:
    client = LocalCluster().client()
    async with (
        client.session() as old,
        client.session() as new,
        Reporter(client, old, "p/", by="old") as late,
        Reporter(client, new, "p/", by="new") as reporter,
        Board(client, "p/") as board,
    ):
        late.report("t", 1)
        await board.change()
        reporter.report("t", 2)
        await board.change()
        late.clear("t")
        await settle()
        assert (await client.get("p/t")).count == 1
    assert board.tasks["t"].by == "new"


@in_loop
async def test_a_value_that_is_no_report_is_left_off_the_board() -> None:
    client = LocalCluster().client()
    await client.put("p/strange", b"\xff")
    async with Board(client, "p/") as board:
        assert board.tasks == {}


@pytest.mark.parametrize("task", ["x" * 5000, "\ud800", 7])
@in_loop
async def test_clearing_a_task_that_can_have_no_name_is_refused_and_others_are_sent(
    task: Any,
) -> None:
    client = LocalCluster().client()
    async with client.session() as session, Reporter(client, session, "p/") as reporter:
        with pytest.raises(Misuse):
            reporter.clear(task)
        reporter.report("good", 1)
        await settle()
        async with Board(client, "p/") as board:
            assert list(board.tasks) == ["good"]


@pytest.mark.parametrize("report", [("t", True), ("t", 1, True), ("t", 1, 2, 3)])
@in_loop
async def test_a_report_no_board_would_show_is_refused(report: tuple[Any, ...]) -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        async with Reporter(client, session, "p/") as reporter:
            with pytest.raises(Misuse):
                reporter.report(*report)
        assert (await client.get("p/", prefix=True)).count == 0


@in_loop
async def test_reports_too_large_for_one_request_go_in_several() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with client.session() as session:
        async with Reporter(client, session, "p/") as reporter:
            for number in range(5):
                reporter.report(f"large {number}", 1, message="m" * 400_000)
        assert (await client.get("p/", prefix=True)).count == 5
    sent = [request for request in cluster.applied if isinstance(request, Txn)]
    assert [len(request.success) for request in sent] == [2, 2, 1]
