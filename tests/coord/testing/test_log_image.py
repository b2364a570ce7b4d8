"""A log followed from outside: equal hashes mean equal histories."""

from coord.raft.messages import Entry, EntryKind
from coord.testing.log_image import EMPTY, LogImage


def _entries(first: int, *payloads: bytes, term: int = 1) -> list[Entry]:
    return [Entry(i, term, EntryKind.NORMAL, p) for i, p in enumerate(payloads, first)]


def test_equal_logs_have_equal_hashes_however_they_came_about() -> None:
    one, other = LogImage(), LogImage()
    one.replace_from(_entries(1, b"a", b"b", b"c"))
    other.replace_from(_entries(1, b"a", b"x", b"y"))
    other.replace_from(_entries(2, b"b"))
    other.replace_from(_entries(3, b"c"))
    assert other.last == 3
    assert one.last_hash == other.last_hash


def test_one_different_entry_changes_every_hash_after_it() -> None:
    one, other = LogImage(), LogImage()
    one.replace_from(_entries(1, b"a", b"b", b"c"))
    other.replace_from(_entries(1, b"a", b"B", b"c"))
    assert one.hash_at(1) == other.hash_at(1)
    assert one.hash_at(2) != other.hash_at(2)
    assert one.hash_at(3) != other.hash_at(3)


def test_a_term_is_part_of_the_hash() -> None:
    one, other = LogImage(), LogImage()
    one.replace_from(_entries(1, b"a", term=1))
    other.replace_from(_entries(1, b"a", term=2))
    assert one.last_hash != other.last_hash


def test_a_snapshot_stands_for_the_prefix_and_keeps_a_suffix_of_the_same_past() -> None:
    image = LogImage()
    image.replace_from(_entries(1, b"a", b"b", b"c"))
    at_two, at_three = image.hash_at(2), image.last_hash
    assert at_two is not None
    image.restart_at(2, at_two, keep_suffix=True)
    assert (image.base, image.last, image.last_hash) == (2, 3, at_three)
    assert image.hash_at(1) is None
    assert image.entry_at(3) == _entries(3, b"c")[0]


def test_a_suffix_of_another_past_does_not_survive_a_snapshot() -> None:
    image = LogImage()
    image.replace_from(_entries(1, b"a", b"b", b"c"))
    image.restart_at(2, EMPTY + 1, keep_suffix=True)
    assert (image.base, image.last) == (2, 2)


def test_a_copy_changes_on_its_own() -> None:
    image = LogImage()
    image.replace_from(_entries(1, b"a"))
    twin = image.copy()
    twin.replace_from(_entries(2, b"b"))
    assert (image.last, twin.last) == (1, 2)
