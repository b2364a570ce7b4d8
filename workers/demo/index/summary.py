"""What came of the builds, as a person or a program wants it."""

from collections.abc import Iterator

import msgspec

from workers.demo.index.index import Hit


class Answer(msgspec.Struct, frozen=True):
    """A query and the files found, the best match first."""

    query: str
    hits: list[Hit]


class Summary(msgspec.Struct, frozen=True):
    """The whole run.

    Attributes:
        files: files in the last index.
        terms: different terms in it.
        occurrences: how often any of them occurs.
        jobs: jobs that ended, of all stages of all builds.
        retries: attempts beyond the first, over all jobs.
        duplicates_refused: outcomes refused because their claim had ended.
        seconds: from the first process started to the last check made.
        complete: whether every check held.
        checks: each check by name.
        builds: how many there were.
        nodes: how many nodes; workers: likewise.
        killed_node: the leader that was killed with -9; killed_worker: likewise.
        builders: who held the office, in order.
        index: the published file.
        answers: queries, answered from a worker's own copy.
        trouble: what went wrong, in words; empty when nothing did.
    """

    files: int
    terms: int
    occurrences: int
    jobs: int
    retries: int
    duplicates_refused: int
    seconds: float
    complete: bool
    checks: dict[str, bool]
    builds: int
    nodes: int
    workers: int
    killed_node: str
    killed_worker: str
    builders: list[str]
    index: str
    answers: list[Answer]
    trouble: str = ""


def in_words(summary: Summary) -> Iterator[str]:
    """Yield the lines a person reads."""
    for answer in summary.answers:
        found = ", ".join(f"{hit.path} ({hit.score:.2f})" for hit in answer.hits)
        yield f"search {answer.query!r}: {found or 'nothing'}"
    yield (
        f"index: {summary.files} files, {summary.terms} terms, {summary.occurrences} occurrences"
        f" from {summary.jobs} jobs of {summary.builds} builds in {summary.seconds:.1f} s"
    )
    yield (
        f"killed -9: node {summary.killed_node or 'none'},"
        f" worker {summary.killed_worker or 'none'};"
        f" {summary.retries} retries, {summary.duplicates_refused} duplicates refused;"
        f" builders in turn: {', '.join(summary.builders) or 'none'}"
    )
    for name, held in summary.checks.items():
        yield f"  {'yes' if held else 'NO '}  {name}"
    if summary.trouble:
        yield f"trouble: {summary.trouble}"
    yield "complete" if summary.complete else "NOT complete"
