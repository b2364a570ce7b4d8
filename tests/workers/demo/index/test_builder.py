"""The elected builder: plans once, publishes once, is replaced without a trace."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from recipes.consumer import Consumer
from recipes.errors import SessionLost
from recipes.mirror import Mirror
from recipes.queue import Queue
from workers.demo.index import keys
from workers.demo.index.builder import BuildSettings, build_when_elected
from workers.demo.index.count import count_directly
from workers.demo.index.index import IndexSize
from workers.demo.index.jobs import parse
from workers.demo.index.receiver import receive
from workers.demo.index.view import View, view_of
from workers.jobs import read_job
from workers.settings import Tally

pytestmark = pytest.mark.integration


class Context:
    """A JobContext that takes no notice."""

    id = "a"
    attempt = 1

    def report(self, done: int, total: int = 0, message: str = "") -> None:
        """Take no notice."""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three files in two batches at most."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.py").write_text(f"{name} = shared + {name}_only\n")
    return folder


def settings(name: str, corpus: Path) -> BuildSettings:
    """Return one builder's settings; the shared directory lies beside the corpus."""
    directory = corpus.parent / "out"
    directory.mkdir(exist_ok=True)
    return BuildSettings(name, corpus, directory)


async def look(client: LocalClient) -> View:
    """Return the build as its keys show it."""
    async with Mirror(client, keys.ROOT) as mirror:
        return view_of(mirror.keys)


async def parse_everything(client: LocalClient) -> None:
    """Do the parse jobs in this process."""
    queue = Queue(client, keys.QUEUE)
    async with client.session() as session:
        consumer = Consumer(queue, session, "parser")
        while items := await consumer.try_take(10):
            for item in items:
                job = read_job(item.body)
                assert job is not None
                await consumer.complete(item, parse(Context(), **job.args))  # type: ignore[arg-type]


async def planned(client: LocalClient) -> None:
    """Wait until the work is laid out."""
    async with Mirror(client, keys.PLAN, prefix=False) as mirror:
        while not mirror.keys:
            await mirror.change()


@contextlib.contextmanager
def building(
    client: LocalClient, session: LocalSession, wanted: BuildSettings
) -> Iterator[asyncio.Task[None]]:
    """Run a candidate while the block runs."""
    task = asyncio.create_task(build_when_elected(client, session, wanted))
    yield task
    task.cancel()


@in_loop
async def test_an_index_is_planned_parsed_merged_and_published_once(corpus: Path) -> None:
    client = LocalCluster().client()
    async with client.session() as session:
        with building(client, session, settings("w1", corpus)) as task:
            await planned(client)
            await parse_everything(client)
            await task
    view = await look(client)
    assert view.published is not None
    indexed = IndexSize(view.published.files, view.published.terms, view.published.occurrences)
    assert indexed == count_directly(corpus)
    assert view.publications == 1


@in_loop
async def test_a_builder_lost_half_way_is_replaced_and_nothing_is_planned_twice(
    corpus: Path,
) -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with client.session(ttl_ms=1000) as s1, client.session(ttl_ms=1000) as s2:
        with (
            building(client, s1, settings("w1", corpus)) as first,
            building(client, s2, settings("w2", corpus)) as second,
        ):
            await planned(client)
            jobs = (await look(client)).ready
            s1.stall()
            cluster.advance(1100)
            s1.wake()
            with pytest.raises(SessionLost):
                await first
            await settle()
            assert (await look(client)).ready == jobs
            await parse_everything(client)
            await second
    view = await look(client)
    assert view.published is not None
    assert (view.published.by, view.publications) == ("w2", 1)


@in_loop
async def test_a_builder_elected_after_publication_publishes_nothing(corpus: Path) -> None:
    client = LocalCluster().client()
    for name in ("w1", "w2"):
        async with client.session() as session:
            with building(client, session, settings(name, corpus)) as task:
                await planned(client)
                await parse_everything(client)
                await task
    view = await look(client)
    assert view.published is not None
    assert (view.published.by, view.publications) == ("w1", 1)


@in_loop
async def test_a_worker_fetches_the_index_and_says_whether_it_is_whole(
    corpus: Path, tmp_path: Path
) -> None:
    client = LocalCluster().client()
    receiving = asyncio.create_task(receive(client, "w9", tmp_path, Tally(completed=3)))
    async with client.session() as session:
        with building(client, session, settings("w1", corpus)) as task:
            await planned(client)
            await parse_everything(client)
            await task
    await receiving
    received = (await look(client)).received["w9"]
    assert (received.verified, received.completed) == (True, 3)


@in_loop
async def test_a_damaged_index_is_noticed_by_the_worker_that_fetches_it(
    corpus: Path, tmp_path: Path
) -> None:
    client = LocalCluster().client()
    (tmp_path / "index.db").write_text("not what was published")
    published = keys.Published(str(tmp_path / "index.db"), 1, 1, 1, "0" * 64, 1, "w1")
    await client.put(keys.PUBLISHED, msgspec.json.encode(published))
    await receive(client, "w9", tmp_path, Tally())
    assert not (await look(client)).received["w9"].verified
