"""Partials, the index made of them, and what it answers."""

from pathlib import Path

import pytest

from workers.demo.index.files import digest_of
from workers.demo.index.index import (
    IndexSize,
    ParsedFile,
    build_index,
    index_size,
    read_partial,
    search,
    write_partial,
)

FILES = [
    ParsedFile("zoo.py", ["lion", "tiger", "lion", "__init__"]),
    ParsedFile("farm.py", ["cow", "lion", "cow", "cow", "snake_case"]),
    ParsedFile("empty.py", []),
]


@pytest.fixture
def partials(tmp_path: Path) -> list[Path]:
    """Two partials."""
    paths = [tmp_path / "0.partial", tmp_path / "1.partial"]
    write_partial(paths[0], FILES[:1])
    write_partial(paths[1], FILES[1:])
    return paths


def ignore(done: int) -> None:
    """Take no notice."""


def test_a_partial_reads_back_as_written(partials: list[Path]) -> None:
    assert read_partial(partials[1]) == FILES[1:]


def test_an_index_counts_files_terms_and_occurrences(tmp_path: Path, partials: list[Path]) -> None:
    build_index(tmp_path / "index", partials, ignore)
    assert index_size(tmp_path / "index") == IndexSize(files=3, terms=5, occurrences=9)


def test_progress_is_told_per_partial(tmp_path: Path, partials: list[Path]) -> None:
    told: list[int] = []
    build_index(tmp_path / "index", partials, told.append)
    assert told == [1, 2]


def test_the_same_partials_give_the_same_index(tmp_path: Path, partials: list[Path]) -> None:
    build_index(tmp_path / "one", partials, ignore)
    build_index(tmp_path / "two", partials, ignore)
    assert digest_of(tmp_path / "one") == digest_of(tmp_path / "two")


def test_answers_are_ranked_and_hold_every_word(tmp_path: Path, partials: list[Path]) -> None:
    build_index(tmp_path / "index", partials, ignore)
    assert [hit.path for hit in search(tmp_path / "index", "lion")] == ["zoo.py", "farm.py"]
    assert [hit.path for hit in search(tmp_path / "index", "lion cow")] == ["farm.py"]
    assert [hit.path for hit in search(tmp_path / "index", "snake_case")] == ["farm.py"]
    assert search(tmp_path / "index", "snake") == []


@pytest.mark.parametrize("query", ['lion"', "lion AND", "lion -tiger", "NEAR(lion"])
def test_a_query_is_words_and_never_syntax(
    tmp_path: Path, partials: list[Path], query: str
) -> None:
    build_index(tmp_path / "index", partials, ignore)
    search(tmp_path / "index", query)
