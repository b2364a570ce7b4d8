"""The application of the demonstration: the jobs of an index build.

Jobs write files named by what they are made of, whole or not at all, so that a second attempt
replaces the first with the same content. What is in the store they write by transactions that
look first.
"""

from pathlib import Path

import msgspec

from coord import aio, ops
from coord.errors import MaybeDone
from recipes.port import only
from workers.app.app import App
from workers.app.context import Context
from workers.demo.index import keys
from workers.demo.index.corpus import in_batches, terms_of
from workers.demo.index.files import digest_of, publish_file
from workers.demo.index.index import ParsedFile, build_index, index_size, write_partial
from workers.demo.index.keys import Batch, Partial, Published, Root
from workers.demo.index.pipeline import index_pipeline
from workers.pipelines.store import PipelineStore

BATCH_BYTES = 256 * 1024
BATCHES_MAX = 1000

app = App(space=keys.ROOT)


@app.job(queue=keys.QUEUE)
def scan(roots: list[Root], build: str) -> list[Batch]:
    """Divide what is to be indexed into batches, one parse job each."""
    return in_batches(build, roots, BATCH_BYTES, BATCHES_MAX)


@app.job(queue=keys.QUEUE)
def parse(context: Context, batch: Batch, directory: str) -> Partial:
    """Write the terms of one batch of files into the shared directory."""
    root = batch.root
    parsed = []
    for place, file in enumerate(batch.files):
        context.progress(place, len(batch.files), file)
        name = f"{root.name}/{file}" if root.name else file
        parsed.append(ParsedFile(name, terms_of(Path(root.path) / file)))
    target = Path(directory) / f"{batch.build}-{batch.number:05}.partial"
    publish_file(target, lambda aside: write_partial(aside, parsed))
    occurrences = sum(len(file.terms) for file in parsed)
    return Partial(batch.number, str(target), len(parsed), occurrences, digest_of(target))


@app.job(queue=keys.BUILD_QUEUE)
def merge(context: Context, partials: list[Partial], directory: str, build: str) -> Published:
    """Make the index of all partials, each checked against the digest its parser recorded."""
    paths = []
    for partial in sorted(partials, key=lambda partial: partial.number):
        if digest_of(Path(partial.path)) != partial.digest:
            raise ValueError(f"{partial.path} is not what its job recorded")
        paths.append(Path(partial.path))
    target = Path(directory) / f"index-{build}.db"

    def write(aside: Path) -> None:
        build_index(aside, paths, lambda done: context.progress(done, len(paths), "merging"))

    publish_file(target, write)
    size = index_size(target)
    return Published(
        build, str(target), size.files, size.terms, size.occurrences, digest_of(target)
    )


@app.job(queue=keys.BUILD_QUEUE)
async def publish(merged: list[Published]) -> bool:
    """Put the index where every worker looks, unless a later build's stands there already.

    Returns:
        Whether it is the one that stands there.
    """
    (found,) = merged
    value = msgspec.json.encode(found)
    async with aio.connect() as client:
        while True:
            before = only(await client.get(keys.PUBLISHED))
            if before is not None:
                standing = msgspec.json.decode(before.value, type=Published)
                if standing.build >= found.build:
                    return standing.build == found.build
            revision = before.mod_revision if before is not None else 0
            unchanged = ops.modified(keys.PUBLISHED, "==", revision)
            try:
                await client.txn([unchanged], [ops.put(keys.PUBLISHED, value)])
            except MaybeDone:
                continue  # the next look tells


@app.job(queue=keys.QUEUE)
async def rebuild(context: Context, roots: list[Root], directory: str) -> str:
    """Start a build; what the schedule fires. Tried again, it is the same build."""
    async with aio.connect() as client:
        pipelines = PipelineStore(client, app.places)
        return await pipelines.start(
            index_pipeline(roots, directory), once=context.id.replace(":", ".")
        )
