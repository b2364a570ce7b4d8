"""The job functions of the index build; they run in workers' child processes.

Both write files named by what they are made of, whole or not at all, so that a second attempt
replaces the first with the same content.
"""

from pathlib import Path

from workers.demo.index.corpus import terms_of
from workers.demo.index.files import digest_of, publish_file
from workers.demo.index.index import (
    ParsedFile,
    build_index,
    index_size,
    write_partial,
)
from workers.demo.index.keys import Partial, Published
from workers.registry import JobContext, Registry

registry = Registry()


@registry.job("parse")
def parse(
    context: JobContext, *, batch: int, corpus: str, files: list[str], directory: str
) -> Partial:
    """Write the terms of one batch of files into the shared directory."""
    parsed = []
    for place, file in enumerate(files):
        context.report(place, len(files), file)
        parsed.append(ParsedFile(file, terms_of(Path(corpus) / file)))
    target = Path(directory) / f"batch-{batch:05}.partial"
    publish_file(target, lambda aside: write_partial(aside, parsed))
    occurrences = sum(len(file.terms) for file in parsed)
    return Partial(batch, str(target), len(parsed), occurrences, digest_of(target))


@registry.job("merge")
def merge(
    context: JobContext,
    *,
    partials: list[dict[str, object]],
    directory: str,
    generation: int,
    by: str,
) -> Published:
    """Make the index of all partials, each checked against the digest its parser recorded."""
    paths = []
    for partial in partials:
        path = Path(str(partial["path"]))
        if digest_of(path) != partial["digest"]:
            raise ValueError(f"{path} is not what its job recorded")
        paths.append(path)
    target = Path(directory) / f"index-{generation}.db"

    def build(aside: Path) -> None:
        build_index(aside, paths, lambda done: context.report(done, len(paths), "merging"))

    publish_file(target, build)
    size = index_size(target)
    return Published(
        path=str(target),
        files=size.files,
        terms=size.terms,
        occurrences=size.occurrences,
        digest=digest_of(target),
        generation=generation,
        by=by,
    )
