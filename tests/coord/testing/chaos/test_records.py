"""The judge of a campaign: each broken promise is found, and a clean record passes."""

import pytest

from coord.testing.chaos.records import (
    Found,
    WatcherRecord,
    WriterRecord,
    resume_gaps_ms,
    violations,
)


def _clean() -> tuple[WriterRecord, WatcherRecord, dict[bytes, Found]]:
    writer = WriterRecord(acknowledged={b"a": 2, b"b": 3}, unknown=[b"c", b"d"], undone=[b"e"])
    watcher = WatcherRecord(seen=[(2, b"a"), (3, b"b"), (4, b"c")])
    return writer, watcher, {b"a": Found(2, 1), b"b": Found(3, 1), b"c": Found(4, 1)}


def test_a_clean_record_passes_whether_or_not_an_unknown_write_happened() -> None:
    writer, watcher, store = _clean()
    assert violations([writer], [watcher], store) == []


@pytest.mark.parametrize(
    ("key", "found", "words"),
    [
        (b"a", None, "is not there"),
        (b"a", Found(2, 2), "applied 2 times"),
        (b"a", Found(9, 1), "was told 2"),
        (b"c", Found(4, 2), "applied 2 times"),
        (b"e", Found(5, 1), "told not done"),
        (b"z", Found(5, 1), "no put of it was ever made"),
    ],
)
def test_a_wrong_store_is_found(key: bytes, found: Found | None, words: str) -> None:
    writer, _, store = _clean()
    if found is None:
        del store[key]
    else:
        store[key] = found
    broken = violations([writer], [], store)
    assert len(broken) == 1
    assert words in broken[0]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ([(2, b"a"), (4, b"c")], "1 missed"),
        ([(2, b"a"), (3, b"b"), (3, b"b"), (4, b"c")], "1 repeated"),
        ([(3, b"b"), (2, b"a"), (4, b"c")], "1 out of order"),
        ([(2, b"a"), (3, b"b"), (4, b"c"), (5, b"q")], "1 invented"),
    ],
)
def test_a_watcher_that_saw_something_else_is_found(
    seen: list[tuple[int, bytes]], words: str
) -> None:
    writer, _, store = _clean()
    broken = violations([writer], [WatcherRecord(seen=seen)], store)
    assert len(broken) == 1
    assert words in broken[0]


def test_the_gap_after_a_kill_is_the_longest_silence_until_the_next() -> None:
    writer = WriterRecord(answered_s=[0.9, 1.1, 2.0, 2.1, 5.5, 5.6])
    assert resume_gaps_ms([1.0, 5.0], [writer]) == pytest.approx([900.0, 500.0])


def test_a_kill_after_which_nobody_was_answered_counts_as_for_ever() -> None:
    assert resume_gaps_ms([1.0], [WriterRecord(answered_s=[0.5])]) == [float("inf")]
