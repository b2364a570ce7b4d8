"""The partitioner: never two holders, all held in the end, and only what moves stops."""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.errors import ErrorCode, MaybeDone, Misuse, Unavailable
from coord.requests import DeleteRange, TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes import partitioner as partitioner_module
from recipes.partitioner import Partitioner, Share
from tests.recipes.partitioned import TTL_MS, Crowd


@in_loop
async def test_items_are_divided_and_divided_anew_as_members_and_items_change() -> None:
    crowd = Crowd()
    for number in range(10):
        await crowd.board.add(f"i{number}", str(number))
    crowd.join("a")
    await settle()
    assert len(crowd.members["a"].part.held) == 10
    crowd.join("b")
    await settle(400)
    await crowd.check_settled()
    await crowd.board.remove("i3")
    await crowd.board.add("j")
    await settle(400)
    await crowd.check_settled()
    await crowd.leave("a")
    await settle(400)
    assert len(crowd.members["b"].part.held) == 10
    await crowd.close()
    crowd.check_log()
    assert crowd.cluster.store.lease_count == 0


@in_loop
async def test_what_stays_where_it_is_never_stops() -> None:
    crowd = Crowd()
    for number in range(12):
        await crowd.board.add(f"i{number}")
    crowd.join("a")
    await settle()
    crowd.join("b")
    await settle(400)
    starts = list(crowd.ledger.starts)
    assert [who for _, who, _ in starts].count("a") == 12
    assert crowd.ledger.stops == len(crowd.members["b"].part.held) == 6
    assert crowd.members["a"].part.held.keys() == {i for i, w, _ in starts} - {
        item for item, who, _ in starts if who == "b"
    }
    await crowd.close()


@in_loop
async def test_a_dead_members_items_move_within_its_time_to_live_and_its_writes_are_refused() -> (
    None
):
    crowd = Crowd()
    for number in range(4):
        await crowd.board.add(f"i{number}")
    crowd.join("a")
    await settle()
    crowd.join("b")
    await settle(400)
    stale = next(iter(crowd.members["a"].part.held.values()))
    crowd.still = frozenset({"a"})
    crowd.cluster.sessions[0].stall()
    crowd.cluster.advance(TTL_MS)
    await settle(400)
    assert len(crowd.members["b"].part.held) == 4
    assert not (await crowd.members["a"].client.txn([stale.guard()], [])).succeeded
    crowd.cluster.sessions[0].wake()
    crowd.still = frozenset()
    await settle(600)
    await crowd.check_settled()
    await crowd.close()
    crowd.check_log()


@in_loop
async def test_a_claim_taken_away_by_hand_stops_the_work_before_it_starts_again() -> None:
    crowd = Crowd()
    await crowd.board.add("i")
    crowd.join("a")
    await settle()
    await crowd.cluster.client().delete("p/claims/i")
    await settle(400)
    assert crowd.ledger.stops == 1
    assert len(crowd.ledger.starts) == 2
    await crowd.check_settled()
    await crowd.close()
    crowd.check_log()


@in_loop
async def test_an_error_of_the_work_ends_the_part_and_gives_everything_up() -> None:
    cluster = LocalCluster()
    part = Partitioner(cluster.client(), "p/", "a")
    await part.add("bad")
    await part.add("good")

    async def work(share: Share) -> None:
        if share.item == "bad":
            raise Unavailable("something of its own")
        await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="of its own"):
        await part.run(work)
    assert part.held == {}
    assert cluster.store.lease_count == 0


@in_loop
async def test_work_that_returns_is_not_begun_again_while_its_item_stays() -> None:
    cluster = LocalCluster()
    part = Partitioner(cluster.client(), "p/", "a")
    begun: list[str] = []

    async def work(share: Share) -> None:
        begun.append(share.item)

    running = asyncio.create_task(part.run(work))
    await part.add("i")
    await settle()
    await part.add("j")
    await settle()
    assert begun == ["i", "j"]
    assert list(part.held) == ["i", "j"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class FailsOnce(LocalClient):
    """Transactions on a key fail once."""

    failures = 1

    async def txn(self, *args: Any, **options: Any) -> TxnReply:
        if self.failures:
            self.failures -= 1
            raise Unavailable("no leader", ErrorCode.NO_LEADER)
        return await super().txn(*args, **options)


@in_loop
async def _outage() -> None:
    cluster = LocalCluster()
    part = Partitioner(FailsOnce(cluster), "p/", "a")
    await part.add("i")
    working = asyncio.Event()

    async def work(share: Share) -> None:
        working.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(part.run(work))
    await asyncio.wait_for(working.wait(), 5)
    assert len(cluster.sessions) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_an_outage_is_outlived_within_the_same_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioner_module, "RETRY_S", 0.001)
    _outage()


class _HoldsBack(LocalClient):
    """Its first deletion is answered with MaybeDone, and happens when it is told to."""

    late: tuple[tuple[Any, ...], dict[str, Any]] | None = None

    async def txn(self, *args: Any, **options: Any) -> TxnReply:
        if self.late is None and isinstance(options["success"][0], DeleteRange):
            self.late = args, options
            raise MaybeDone("the request was lost", ErrorCode.LOST_ANSWER)
        return await super().txn(*args, **options)

    async def arrive(self) -> None:
        """Let it happen."""
        assert self.late is not None
        args, options = self.late
        await super().txn(*args, **options)


@in_loop
async def _late_deletion() -> None:
    cluster = LocalCluster()
    client = _HoldsBack(cluster)
    part = Partitioner(client, "p/", "a")
    begun: asyncio.Queue[int] = asyncio.Queue()

    async def work(share: Share) -> None:
        begun.put_nowait(share.token)
        await asyncio.Event().wait()

    running = asyncio.create_task(part.run(work))
    await part.add("i")
    first = await begun.get()
    await cluster.client().delete("p/items/i")
    await settle()
    assert part.held == {}
    await part.add("i")  # wanted again before anybody knows what became of the deletion
    second = await asyncio.wait_for(begun.get(), 5)
    await client.arrive()
    await settle()
    # The late deletion was of a claim that is over: the item is held as before.
    assert second > first
    assert [share.token for share in part.held.values()] == [second]
    assert begun.empty()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_an_item_given_up_without_an_answer_is_never_resumed_under_the_same_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partitioner_module, "RETRY_S", 0.001)
    _late_deletion()


@in_loop
async def test_work_that_is_tidying_up_is_not_cancelled_again_when_the_session_ends() -> None:
    crowd = Crowd()
    await crowd.board.add("i")
    crowd.join("a")
    await settle()
    await crowd.board.remove("i")
    await settle(10)  # its work has been told to stop, and takes its time
    await crowd.cluster.client().revoke(crowd.cluster.sessions[0].lease)
    crowd.cluster.notice_lost_sessions()
    await settle(200)
    assert crowd.ledger.stops == 1
    await crowd.close()


@in_loop
async def test_an_item_without_a_name_is_refused() -> None:
    with pytest.raises(Misuse):
        await Partitioner(LocalCluster().client(), "p/", "a").add("")


STEP = st.tuples(
    st.sampled_from(("join", "leave", "add", "remove", "stall", "wake", "lose", "drop", "settle")),
    st.integers(0, 2),
    st.sampled_from((0, 300, 1000)),
)


async def _step(crowd: Crowd, action: str, place: int) -> None:
    name = "abc"[place]
    sessions = crowd.cluster.sessions
    match action:
        case "join":
            crowd.join(name)
        case "leave":
            await crowd.leave(name)
        case "add":
            await crowd.board.add(f"i{len(crowd.cluster.applied) % 9}")
        case "remove":
            await crowd.board.remove(f"i{len(crowd.cluster.applied) % 9}")
        case "stall" if sessions:
            # All stand still together: which session is whose is nobody's business here.
            crowd.still = frozenset("abc")
            sessions[place % len(sessions)].stall()
        case "wake":
            for session in sessions:
                session.wake()
        case "lose" if name in crowd.members:
            crowd.members[name].client.lose_answers()
        case "drop" if name in crowd.members:
            crowd.members[name].client.lose_requests()
        case _:
            await settle(150)
            if not any(session.stalled for session in sessions):
                crowd.still = frozenset()  # by now everybody has noticed what it lost


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=30))
@in_loop
async def _schedule(steps: list[tuple[str, int, int]]) -> None:
    crowd = Crowd()
    for action, place, pause_ms in steps:
        await _step(crowd, action, place)
        await settle(5)
        crowd.cluster.advance(pause_ms)
    for session in crowd.cluster.sessions:
        session.wake()
    await asyncio.wait_for(_settled(crowd), 5)
    await crowd.check_settled()
    await crowd.close()
    crowd.check_log()


async def _settled(crowd: Crowd) -> None:
    """Let everybody act until nothing is written any more, pauses after errors included."""
    quiet = 0
    while quiet < 3:
        before = len(crowd.cluster.applied)
        await settle(100)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.003)
        quiet = quiet + 1 if len(crowd.cluster.applied) == before else 0


def test_under_any_schedule_no_item_is_held_twice_and_all_are_held_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partitioner_module, "RETRY_S", 0.001)
    _schedule()
