"""Elected build: one computes, all receive, nothing is published twice."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.requests import Compact
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from recipes.build import Build, Built
from recipes.election import Leadership
from recipes.errors import SessionLost

TTL_MS = 900


class _Builder:
    """One participant; computes when it is let."""

    def __init__(self, cluster: LocalCluster, name: str) -> None:
        self.client: LocalClient = cluster.client()
        self.build = Build(self.client, "b/")
        self.name = name
        self.let = asyncio.Event()
        self.begun = 0
        self.cancelled = 0
        self.session: LocalSession
        self.task: asyncio.Task[Built]

    async def start(self) -> None:
        self.session = await self.client.session(TTL_MS)
        self.task = asyncio.create_task(
            self.build.take_part(self.session, self._compute, self.name)
        )

    async def _compute(self, leadership: Leadership) -> str:
        self.begun += 1
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return f"by {self.name}"


async def _crowd(cluster: LocalCluster, count: int = 3) -> list[_Builder]:
    builders = [_Builder(cluster, "abc"[place]) for place in range(count)]
    for builder in builders:
        await builder.start()
        await settle()
    return builders


@in_loop
async def test_only_the_elected_computes_and_all_receive_its_result() -> None:
    cluster = LocalCluster()
    builders = await _crowd(cluster)
    onlooker = asyncio.create_task(Build(cluster.client(), "b/").wait())
    await settle()
    assert [builder.begun for builder in builders] == [1, 0, 0]
    builders[0].let.set()
    results = {await builder.task for builder in builders}
    assert results == {await onlooker}
    assert results.pop().value == b"by a"
    assert (await cluster.client().get("b/line/", prefix=True)).count == 0


@in_loop
async def test_whoever_comes_later_receives_what_was_built() -> None:
    cluster = LocalCluster()
    (first,) = await _crowd(cluster, 1)
    first.let.set()
    await first.task
    late = _Builder(cluster, "late")
    await late.start()
    assert (await late.task).value == b"by a"
    assert late.begun == 0
    assert await late.build.result() == await first.task


@in_loop
async def test_a_leader_lost_half_way_is_replaced_within_its_time_to_live() -> None:
    cluster = LocalCluster()
    first, second, third = await _crowd(cluster)
    first.session.stall()
    cluster.advance(TTL_MS)
    await settle()
    assert (second.begun, third.begun) == (1, 0)
    second.let.set()
    assert (await third.task).value == b"by b"
    with pytest.raises(SessionLost):
        await first.task


@in_loop
async def test_a_leader_that_stood_still_and_finishes_late_cannot_publish() -> None:
    cluster = LocalCluster()
    first, second = await _crowd(cluster, 2)
    first.session.stall()
    first.let.set()
    cluster.advance(TTL_MS)  # its computation ends only after this, and it does not know
    with pytest.raises(SessionLost):
        await first.task
    assert first.cancelled == 0
    assert await first.build.result() is None
    second.let.set()
    assert (await second.task).value == b"by b"


@in_loop
async def test_a_participant_told_of_its_lost_session_stops_computing() -> None:
    cluster = LocalCluster()
    (first,) = await _crowd(cluster, 1)
    await cluster.client().revoke(first.session.lease)
    cluster.notice_lost_sessions()
    with pytest.raises(SessionLost):
        await first.task
    assert first.cancelled == 1


@in_loop
async def test_an_office_taken_away_stops_the_computation_and_it_is_begun_anew() -> None:
    cluster = LocalCluster()
    (first,) = await _crowd(cluster, 1)
    await cluster.client().delete("b/line/", prefix=True)
    await settle()
    assert (first.begun, first.cancelled) == (2, 1)
    first.let.set()
    await first.task


@in_loop
async def test_a_computation_that_fails_is_told_and_the_next_in_line_tries() -> None:
    cluster = LocalCluster()
    client = cluster.client()

    async def fail(leadership: Leadership) -> str:
        raise LookupError

    async with client.session() as session:
        failing = asyncio.create_task(Build(client, "b/").take_part(session, fail))
        second = _Builder(cluster, "b")
        await second.start()
        second.let.set()
        with pytest.raises(LookupError):
            await failing
        assert (await second.task).value == b"by b"


@in_loop
async def test_a_publication_whose_answer_was_lost_is_found_and_not_repeated() -> None:
    cluster = LocalCluster()
    (first,) = await _crowd(cluster, 1)
    first.client.lose_answers()
    first.let.set()
    assert (await first.task).value == b"by a"
    assert (await cluster.client().get("b/result")).kvs[0].version == 1


@in_loop
async def test_who_waits_is_served_even_if_compaction_overtook_it() -> None:
    cluster = LocalCluster()
    waiting = asyncio.create_task(Build(cluster.client(), "b/").wait())
    await settle()
    cluster.cut_watches()
    put = await cluster.client().put("b/result", "done")
    cluster.write(Compact(put.revision))
    cluster.fail_cut_watches()
    assert await waiting == Built(b"done", put.revision)


STEP = st.tuples(
    st.sampled_from(("let", "stall", "wake", "lose", "drop", "take away", "settle")),
    st.integers(0, 2),
    st.sampled_from((0, 300, 1000)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=25))
@in_loop
async def test_under_any_schedule_one_result_is_published_once_and_all_get_it(
    steps: list[tuple[str, int, int]],
) -> None:
    cluster = LocalCluster()
    builders = await _crowd(cluster)
    for action, place, pause_ms in steps:
        builder = builders[place]
        match action:
            case "let":
                builder.let.set()
            case "stall":
                builder.session.stall()
            case "wake":
                builder.session.wake()
            case "lose":
                builder.client.lose_answers()
            case "drop":
                builder.client.lose_requests()
            case "take away":
                await cluster.client().delete("b/line/", prefix=True)
            case _:
                await settle()
        await settle(3)
        cluster.advance(pause_ms)
    for builder in builders:
        builder.session.wake()
        builder.let.set()
    last = _Builder(cluster, "last")
    last.let.set()
    await last.start()
    results = await asyncio.gather(*(b.task for b in (*builders, last)), return_exceptions=True)
    assert isinstance(results[-1], Built)
    assert all(result == results[-1] or isinstance(result, SessionLost) for result in results)
    (kv,) = (await cluster.client().get("b/result")).kvs
    assert (kv.version, kv.value) == (1, results[-1].value)
