"""The partitioner: never two holders, all held in the end, and only what moves stops."""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord import ops
from coord.client.ops import Text
from coord.client.watch import WatchBatch
from coord.errors import ErrorCode, MaybeDone, Misuse, Unavailable
from coord.requests import DeleteRange, TxnReply
from coord.testing.local import LocalClient, LocalCluster, LocalWatch, in_loop, settle
from recipes import partitioner as partitioner_module
from recipes.partitioner import Partitioner, Share

TTL_MS = 900
LAGS_TURNS = {"a": 0, "b": 7, "c": 23}


class _Ledger:
    """Who works on what, and what ever went wrong."""

    def __init__(self) -> None:
        self.now: dict[str, list[str]] = {}
        self.starts: list[tuple[str, str, int]] = []
        self.stops = 0
        self.faults: list[str] = []

    async def work(self, member: "_Member", share: Share) -> None:
        # One that stands still beyond its time to live cannot know; all others must be alone.
        workers = self.now.setdefault(share.item, [])
        awake = [name for name in workers if not member.crowd.is_still(name)]
        if awake:
            self.faults.append(f"{member.name} starts {share.item}, {awake} work on it")
        workers.append(member.name)
        self.starts.append((share.item, member.name, share.token))
        try:
            await asyncio.Event().wait()
        finally:
            await settle(30)  # stopping takes its time
            workers.remove(member.name)
            self.stops += 1


class LaggingWatch(LocalWatch):
    """Tells everything some turns of the loop late."""

    lag_turns = 0

    async def __anext__(self) -> WatchBatch:
        batch = await super().__anext__()
        await settle(self.lag_turns)
        return batch


class LaggingClient(LocalClient):
    """A client whose view of the world is older than that of others."""

    def __init__(self, cluster: LocalCluster, lag_turns: int) -> None:
        super().__init__(cluster)
        self._lag_turns = lag_turns

    def watch(
        self,
        key: Text,
        *,
        range_end: Text | None = None,
        prefix: bool = False,
        from_key: bool = False,
        start_revision: int = 0,
        no_delete: bool = False,
    ) -> LocalWatch:
        start, end = ops.key_range(key, range_end, prefix, from_key)
        watch = LaggingWatch(self.cluster, start, end, start_revision, no_delete)
        watch.lag_turns = self._lag_turns
        return watch


class _Member:
    """One member, its session and its running part."""

    def __init__(self, crowd: "_Crowd", name: str) -> None:
        self.crowd = crowd
        self.name = name
        self.client = LaggingClient(crowd.cluster, LAGS_TURNS[name])
        self.part = Partitioner(self.client, "p/", name, ttl_ms=TTL_MS)
        self.task = asyncio.create_task(self.part.run(lambda s: crowd.ledger.work(self, s)))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class _Crowd:
    """Members of one set, and its items."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.ledger = _Ledger()
        self.members: dict[str, _Member] = {}
        self.board = Partitioner(self.cluster.client(), "p/", "console")

    def is_still(self, name: str) -> bool:
        return name in self.still

    still: frozenset[str] = frozenset()

    def join(self, name: str) -> None:
        if name not in self.members:
            self.members[name] = _Member(self, name)

    async def leave(self, name: str) -> None:
        if name in self.members:
            await self.members.pop(name).stop()

    async def close(self) -> None:
        for name in list(self.members):
            await self.leave(name)

    async def items(self) -> list[str]:
        found = await self.cluster.client().get("p/items/", prefix=True)
        return [kv.key.decode().removeprefix("p/items/") for kv in found.kvs]

    async def check_settled(self) -> None:
        """Every item is held once, evenly, and is being worked on by its holder."""
        items = await self.items()
        held = {name: list(member.part.held) for name, member in self.members.items()}
        if self.members:
            assert sorted(item for share in held.values() for item in share) == items
            most = -(-len(items) // len(self.members))
            assert max(len(share) for share in held.values()) <= most
        for item, workers in self.ledger.now.items():
            assert workers == [name for name, share in held.items() if item in share]

    def check_log(self) -> None:
        """No claim was made while another one of the same item stood."""
        assert self.ledger.faults == []
        history = self.cluster.store.events(2, self.cluster.store.revision)
        for event in (event for events in history for event in events):
            if event.kv.key.startswith(b"p/claims/"):
                assert event.kv.version <= 1  # written once, then gone: never taken over
        tokens: dict[str, int] = {}
        for item, _, token in self.ledger.starts:
            assert token > tokens.get(item, 0)
            tokens[item] = token


@in_loop
async def test_items_are_divided_and_divided_anew_as_members_and_items_change() -> None:
    crowd = _Crowd()
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
    crowd = _Crowd()
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
    crowd = _Crowd()
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
    crowd = _Crowd()
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
    crowd = _Crowd()
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


async def _step(crowd: _Crowd, action: str, place: int) -> None:
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
    crowd = _Crowd()
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


async def _settled(crowd: _Crowd) -> None:
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
