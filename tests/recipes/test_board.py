"""The notice board: each change once, in order, from any bookmark on."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.errors import Misuse, Refused
from coord.requests import Compact
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.board import Notice, NoticeBoard

Pages = AsyncGenerator[tuple[Notice, ...], None]


class _Reader:
    """Acts on each page, keeps its bookmark, and can be stopped and started."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._board = NoticeBoard(cluster.client(), "b/")
        self._task: asyncio.Task[None] | None = None
        self.bookmark = 0
        self.seen: list[Notice] = []

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._read())

    async def stop(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _read(self) -> None:
        pages = self._board.follow(self.bookmark)
        async for page in pages:
            self.seen.extend(page)
            self.bookmark = page[-1].revision


@in_loop
async def test_a_reader_starts_with_what_hangs_and_then_sees_each_change() -> None:
    cluster = LocalCluster()
    board = NoticeBoard(cluster.client(), "b/")
    second = await board.write("schedule/b", "old")
    first = await board.write("schedule/a", "1")
    assert first > second
    pages: Pages = board.follow()
    assert [notice.subject for notice in await anext(pages)] == ["schedule/b", "schedule/a"]
    revision = await board.write("schedule/b", "new")
    assert await anext(pages) == (Notice("schedule/b", b"new", revision),)
    assert await board.take_down("schedule/a")
    assert not await board.take_down("schedule/a")
    (gone,) = await anext(pages)
    assert (gone.subject, gone.body) == ("schedule/a", None)
    await pages.aclose()


@in_loop
async def test_appended_notices_hang_side_by_side_in_order() -> None:
    board = NoticeBoard(LocalCluster().client(), "b/")
    for body in ("one", "two", "three"):
        await board.append(body)
    notices, bookmark = await board.read()
    assert [notice.body for notice in notices] == [b"one", b"two", b"three"]
    assert bookmark == notices[-1].revision


@in_loop
async def test_a_reader_resumes_after_its_bookmark_with_nothing_twice() -> None:
    cluster = LocalCluster()
    board = NoticeBoard(cluster.client(), "b/")
    reader = _Reader(cluster)
    reader.start()
    await board.write("s", "1")
    await settle()
    await reader.stop()
    await board.write("s", "2")
    await board.write("s", "3")
    reader.start()
    await settle()
    await reader.stop()
    assert [notice.body for notice in reader.seen] == [b"1", b"2", b"3"]


@in_loop
async def test_a_notice_goes_with_its_lease() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    board = NoticeBoard(client, "b/")
    async with client.session() as session:
        await board.append("while I am here", lease=session.lease)
        pages: Pages = board.follow()
        await anext(pages)
    (gone,) = await anext(pages)
    assert gone.body is None
    await pages.aclose()


@in_loop
async def test_after_compaction_a_reader_gets_all_that_hangs_and_is_new_marked_so() -> None:
    cluster = LocalCluster()
    board = NoticeBoard(cluster.client(), "b/")
    reader = _Reader(cluster)
    await board.write("old", "1")
    reader.start()
    await settle()
    cluster.cut_watches()
    await board.append("a")
    await board.write("s", "1")
    await board.append("b")
    await board.write("s", "2")
    cluster.write(Compact(cluster.store.revision))
    cluster.fail_cut_watches()
    await settle()
    await board.write("s", "3")
    await settle()
    await reader.stop()
    told = [(notice.body, notice.caught_up) for notice in reader.seen]
    assert told == [(b"1", False), (b"a", True), (b"b", True), (b"2", True), (b"3", False)]


@in_loop
async def test_a_notice_without_a_subject_or_under_an_unknown_lease_is_refused() -> None:
    board = NoticeBoard(LocalCluster().client(), "b/")
    with pytest.raises(Misuse):
        await board.write("", "x")
    with pytest.raises((Refused, Misuse)):
        await board.write("s", "x", lease=99)


STEPS = st.lists(
    st.sampled_from(("write a", "write b", "append", "both", "stop", "start", "cut", "settle")),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(1, 3))
@in_loop
async def test_every_reader_sees_each_change_once_in_order_over_any_reconnects(
    steps: list[str], readers: int
) -> None:
    cluster = LocalCluster()
    client = cluster.client()
    board = NoticeBoard(client, "b/")
    crowd = [_Reader(cluster) for _ in range(readers)]
    for reader in crowd:
        reader.start()
    await settle(5)
    written: list[tuple[int, bytes]] = []
    for number, step in enumerate(steps):
        body = str(number).encode()
        reader = crowd[number % readers]
        match step:
            case "write a" | "write b":
                written.append((await board.write(step[-1], body), body))
            case "append":
                written.append((await board.append(body), body))
            case "both":
                written.append((await board.append(body), body))
                written.append((await board.write("a", body), body))
            case "stop" | "cut" if reader.bookmark:
                await reader.stop()
                if step == "cut":
                    reader.start()
            case "start":
                reader.start()
            case _:
                await settle(10)
    for reader in crowd:
        reader.start()
    await settle()
    for reader in crowd:
        await reader.stop()
        assert [(notice.revision, notice.body) for notice in reader.seen] == written
