"""What is indexed, and that two independent counts of it agree."""

from collections import Counter
from pathlib import Path

import pytest

from workers.demo.index.corpus import in_batches, terms_of, text_files
from workers.demo.index.count import count_directly
from workers.demo.index.keys import Root


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A small corpus with what a real one has: packages, odd encodings, things to leave out."""
    (tmp_path / "a.py").write_text("def Foo_1(x):\n    return x + 42\n")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "latin.py").write_bytes(b"name = 'caf\xe9 noir'\n")
    (tmp_path / "b" / "bad.py").write_bytes(b"\xff\xfe broken_\x80token\n")
    (tmp_path / "b" / "empty.py").write_bytes(b"")
    (tmp_path / "b" / "picture.py").write_bytes(b"GIF\x00 no text")
    (tmp_path / "notes.txt").write_text("not a source file")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "other.py").write_text("installed = True")
    return tmp_path


def sources(corpus: Path) -> Root:
    """Return the corpus as a root of source files."""
    return Root(str(corpus), "*.py")


def test_text_files_are_listed_sorted_without_installed_packages(corpus: Path) -> None:
    assert text_files(sources(corpus)) == ["a.py", "b/bad.py", "b/empty.py", "b/latin.py"]


def test_the_pattern_says_which_files_count(corpus: Path) -> None:
    assert text_files(Root(str(corpus), "*.txt")) == ["notes.txt"]


def test_terms_are_runs_of_word_characters_in_lower_case(corpus: Path) -> None:
    assert terms_of(corpus / "a.py") == ["def", "foo_1", "x", "return", "x", "42"]


def test_bytes_that_are_no_ascii_separate_terms(corpus: Path) -> None:
    assert terms_of(corpus / "b" / "latin.py") == ["name", "caf", "noir"]
    assert terms_of(corpus / "b" / "bad.py") == ["broken_", "token"]


@pytest.mark.parametrize("pattern", ["*.py", "*"])
def test_the_direct_count_agrees_with_the_parser(corpus: Path, pattern: str) -> None:
    root = Root(str(corpus), pattern)
    files = text_files(root)
    terms = Counter(term for file in files for term in terms_of(corpus / file))
    counted = count_directly([root])
    assert (counted.files, counted.terms, counted.occurrences) == (
        len(files),
        len(terms),
        terms.total(),
    )


def test_batches_hold_every_file_once_in_order_and_of_one_root_each(corpus: Path) -> None:
    roots = [sources(corpus), Root(str(corpus), "*.txt", "notes")]
    batches = in_batches("b1", roots, batch_bytes=25, batches_max=100)
    assert [file for batch in batches for file in batch.files] == [
        *text_files(roots[0]),
        *text_files(roots[1]),
    ]
    assert [batch.number for batch in batches] == list(range(len(batches)))
    assert len(batches) > 2
    assert batches[-1].root == roots[1]


def test_batches_grow_where_there_would_be_too_many(corpus: Path) -> None:
    few = in_batches("b1", [sources(corpus)], batch_bytes=1, batches_max=2)
    many = in_batches("b1", [sources(corpus)], batch_bytes=1, batches_max=1000)
    assert len(few) < len(many)


def test_no_files_make_no_batches(tmp_path: Path) -> None:
    assert in_batches("b1", [sources(tmp_path)], 100, 10) == []
