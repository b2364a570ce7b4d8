"""The jobs of the build, called as functions, and what a worker does about their outcome."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.mirror import Mirror
from workers.demo.index import keys
from workers.demo.index.app import app, merge, parse, scan
from workers.demo.index.count import count_directly
from workers.demo.index.index import IndexSize, search
from workers.demo.index.keys import Published, Root
from workers.demo.index.pipeline import index_pipeline
from workers.demo.index.receiver import receive
from workers.demo.index.view import view_of
from workers.pipelines.checks import check
from workers.running.tally import Tally


class Context:
    """Takes no notice of progress."""

    def progress(self, done: int, total: int = 0, message: str = "") -> None:
        """Take no notice."""


@pytest.fixture
def roots(tmp_path: Path) -> list[Root]:
    """Two folders that share a file's name."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b", "c"):
            (tmp_path / folder / f"{name}.txt").write_text(f"{name} shared {folder}_{name}")
    return [Root(str(tmp_path / "one"), "*"), Root(str(tmp_path / "two"), "*", "two")]


def build(roots: list[Root], directory: Path) -> Published:
    """Do what the pipeline's jobs do, here."""
    batches = scan(roots, "b1")
    partials = [parse(Context(), batch, str(directory)) for batch in batches]
    published = merge(Context(), list(reversed(partials)), str(directory), "b1")
    assert isinstance(published, Published)
    return published


def test_the_index_of_two_roots_is_what_a_direct_count_says(
    roots: list[Root], tmp_path: Path
) -> None:
    published = build(roots, tmp_path)
    indexed = IndexSize(published.files, published.terms, published.occurrences)
    assert indexed == count_directly(roots)
    hits = search(Path(published.path), "shared a", limit=9)
    assert {hit.path for hit in hits} == {"a.txt", "two/a.txt"}


def test_a_partial_that_is_not_what_its_job_recorded_is_refused(
    roots: list[Root], tmp_path: Path
) -> None:
    partial = parse(Context(), scan(roots, "b1")[0], str(tmp_path))
    Path(partial.path).write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is not what its job recorded"):
        merge(Context(), [partial], str(tmp_path), "b1")


def test_the_pipeline_can_run_and_every_job_it_names_is_declared(roots: list[Root]) -> None:
    pipeline = index_pipeline(roots, "/tmp")
    check(pipeline)
    assert {stage.name for stage in pipeline.stages} <= set(app.names)


@in_loop
async def test_a_worker_fetches_each_index_and_says_whether_it_is_whole(
    roots: list[Root], tmp_path: Path
) -> None:
    client = LocalCluster().client()
    out = tmp_path / "out"
    out.mkdir()
    receiving = asyncio.create_task(receive(client, "w9", out, [Tally(done=3), Tally(done=1)]))
    published = build(roots, tmp_path)
    await client.put(keys.PUBLISHED, msgspec.json.encode(published))
    received = await told(client, "b1")
    assert (received.verified, received.done) == (True, 4)
    damaged = msgspec.structs.replace(published, build="b2", digest="0" * 64)
    await client.put(keys.PUBLISHED, msgspec.json.encode(damaged))
    assert not (await told(client, "b2")).verified
    receiving.cancel()
    await settle()


async def told(client: LocalClient, build: str) -> keys.Received:
    """Wait until worker w9 has told of a build."""
    async with Mirror(client, keys.ROOT) as mirror:
        while True:
            received = view_of(mirror.keys).received.get("w9")
            if received is not None and received.build == build:
                return received
            await mirror.change()
