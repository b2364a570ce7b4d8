"""What is indexed, and that two independent counts of it agree."""

from collections import Counter
from pathlib import Path

import pytest

from workers.demo.index.corpus import in_batches, source_files, terms_of
from workers.demo.index.count import count_directly


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A small corpus with what a real one has: packages, odd encodings, things to leave out."""
    (tmp_path / "a.py").write_text("def Foo_1(x):\n    return x + 42\n")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "latin.py").write_bytes(b"name = 'caf\xe9 noir'\n")
    (tmp_path / "b" / "bad.py").write_bytes(b"\x00\xff\xfe broken_\x80token\n")
    (tmp_path / "b" / "empty.py").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not a source file")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "other.py").write_text("installed = True")
    return tmp_path


def test_source_files_are_listed_sorted_without_installed_packages(corpus: Path) -> None:
    assert source_files(corpus) == ["a.py", "b/bad.py", "b/empty.py", "b/latin.py"]


def test_terms_are_runs_of_word_characters_in_lower_case(corpus: Path) -> None:
    assert terms_of(corpus / "a.py") == ["def", "foo_1", "x", "return", "x", "42"]


def test_bytes_that_are_no_ascii_separate_terms(corpus: Path) -> None:
    assert terms_of(corpus / "b" / "latin.py") == ["name", "caf", "noir"]
    assert terms_of(corpus / "b" / "bad.py") == ["broken_", "token"]


def test_the_direct_count_agrees_with_the_parser(corpus: Path) -> None:
    files = source_files(corpus)
    terms = Counter(term for file in files for term in terms_of(corpus / file))
    counted = count_directly(corpus)
    assert (counted.files, counted.terms, counted.occurrences) == (
        len(files),
        len(terms),
        terms.total(),
    )


def test_batches_hold_every_file_once_in_order(corpus: Path) -> None:
    files = source_files(corpus)
    batches = in_batches(corpus, files, batch_bytes=25)
    assert [file for batch in batches for file in batch] == files
    assert len(batches) > 1
    assert all(batches)


def test_no_files_make_no_batches(corpus: Path) -> None:
    assert in_batches(corpus, [], 100) == []
