"""Partial results and the full-text index made of them.

A partial holds, per file, its terms in order. The index is a SQLite FTS5 table without content
beside a table of paths. Files enter it in the order of their batches, so that the same corpus
gives the same index whoever builds it.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
from attrs import frozen

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL, occurrences INT NOT NULL);
CREATE VIRTUAL TABLE terms USING fts5 (body, content='', tokenize="ascii tokenchars '_'");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (terms, 'row');
"""


class ParsedFile(msgspec.Struct, frozen=True, array_like=True):
    """One file of a partial."""

    path: str
    terms: list[str]


@frozen
class IndexSize:
    """How much an index holds: files, different terms, and how often any of them occurs."""

    files: int
    terms: int
    occurrences: int


@frozen
class Hit:
    """One answer to a query; a greater score is a better match."""

    path: str
    score: float


def write_partial(path: Path, files: Iterable[ParsedFile]) -> None:
    """Write parsed files; equal files give equal bytes."""
    path.write_bytes(msgspec.msgpack.encode(list(files)))


def read_partial(path: Path) -> list[ParsedFile]:
    """Read parsed files back."""
    return msgspec.msgpack.decode(path.read_bytes(), type=list[ParsedFile])


def build_index(path: Path, partials: list[Path], on_partial: Callable[[int], None]) -> None:
    """Make an index of partials, in the order given; tell `on_partial` how many are in."""
    with closing(sqlite3.connect(path)) as index, index:
        index.executescript(_SCHEMA)
        for number, file in _numbered(partials, on_partial):
            index.execute(
                "INSERT INTO files VALUES (?, ?, ?)", (number, file.path, len(file.terms))
            )
            index.execute(
                "INSERT INTO terms (rowid, body) VALUES (?, ?)", (number, " ".join(file.terms))
            )


def index_size(path: Path) -> IndexSize:
    """Count what an index holds."""
    with closing(_open(path)) as index:
        (files,) = index.execute("SELECT count(*) FROM files").fetchone()
        terms, occurrences = index.execute(
            "SELECT count(*), coalesce(sum(cnt), 0) FROM vocabulary"
        ).fetchone()
    return IndexSize(files, terms, occurrences)


def search(path: Path, query: str, limit: int = 3) -> list[Hit]:
    """Return the files that hold every word of `query`, the best match first."""
    words = " ".join(f'"{word}"' for word in query.replace('"', " ").split())
    with closing(_open(path)) as index:
        found = index.execute(
            "SELECT files.path, -bm25(terms) FROM terms JOIN files ON files.id = terms.rowid"
            " WHERE terms MATCH ? ORDER BY bm25(terms), files.path LIMIT ?",
            (words, limit),
        ).fetchall()
    return [Hit(file, round(score, 3)) for file, score in found]


def _numbered(
    partials: list[Path], on_partial: Callable[[int], None]
) -> Iterator[tuple[int, ParsedFile]]:
    number = 0
    for place, partial in enumerate(partials, start=1):
        for file in read_partial(partial):
            number += 1
            yield number, file
        on_partial(place)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)
