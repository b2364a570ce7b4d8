"""The watch checker passes a faithful watch and names each way to lie."""

import pytest

from coord.model import Cause, Event, EventKind, KeyValue
from coord.testing.watch_checks import (
    Truth,
    WatchRecord,
    WatchViolation,
    WatchWish,
    check_watch,
)


def _put(key: bytes, revision: int, prev: KeyValue | None = None) -> Event:
    create = prev.create_revision if prev else revision
    version = prev.version + 1 if prev else 1
    kv = KeyValue(key, b"v%d" % revision, create, revision, version)
    return Event(EventKind.PUT, Cause.WRITTEN, kv, prev)


def _delete(key: bytes, revision: int, prev: KeyValue) -> Event:
    gone = KeyValue(key, b"", 0, revision, 0)
    return Event(EventKind.DELETE, Cause.DELETED, gone, prev)


A2 = _put(b"a", 2)
A3 = _put(b"a", 3, A2.kv)
B3 = _put(b"b", 3)
X4 = _put(b"x", 4)
A5 = _delete(b"a", 5, A3.kv)
TRUTH = Truth({2: [A2], 3: [A3, B3], 4: [X4], 5: [A5]}, revision=5)
ALL = WatchWish(b"a", b"d", start_revision=2, prev_kv=True)


def _record(wish: WatchWish, *batches: tuple[tuple[Event, ...], int]) -> WatchRecord:
    return WatchRecord(wish, list(batches))


def _bare(event: Event) -> Event:
    return Event(event.kind, event.cause, event.kv)


def test_a_faithful_watch_passes() -> None:
    check_watch(_record(ALL, ((A2,), 2), ((A3, B3), 4), ((A5,), 5)), TRUTH, healed=True)
    check_watch(_record(ALL, ((A2, A3, B3), 3), ((A5,), 5)), TRUTH, healed=True)


def test_filters_and_no_prev_kv_pass() -> None:
    wish = WatchWish(b"a", start_revision=3, no_put=True)
    check_watch(_record(wish, ((_bare(A5),), 5)), TRUTH, healed=True)


def test_an_unfinished_watch_passes_until_healed() -> None:
    record = _record(ALL, ((A2,), 2))
    check_watch(record, TRUTH, healed=False)
    with pytest.raises(WatchViolation, match="reliable: not told"):
        check_watch(record, TRUTH, healed=True)


@pytest.mark.parametrize(
    ("batches", "promise"),
    [
        ([((A2,), 2), ((A5,), 5)], "reliable"),
        ([((A2,), 2), ((A3,), 3)], "atomic"),
        ([((A2,), 2), ((A3,), 3), ((B3,), 3)], "unique"),
        ([((A2,), 2), ((A2,), 2)], "unique"),
        ([((A3, B3), 3), ((A2,), 3)], "ordered"),
        ([((A3, B3, A2), 3)], "ordered"),
        ([((A2,), 2), ((B3, A3), 3)], "order"),
        ([((A2,), 2), ((_bare(A3), B3), 3)], "prev_kv"),
        ([((A2,), 2), ((A3, B3), 3), ((X4,), 4)], "filter"),
        ([((A2,), 1)], "bookmark"),
        ([((A2,), 4), ((), 3)], "bookmark"),
        ([((A2,), 2), ((A3, B3), 4), ((A5,), 9)], "newest"),
        ([((A3, B3), 3)], "reliable"),
    ],
)
def test_each_lie_is_named(batches: list[tuple[tuple[Event, ...], int]], promise: str) -> None:
    with pytest.raises(WatchViolation, match=promise):
        check_watch(_record(ALL, *batches), TRUTH, healed=False)


def test_a_watch_from_now_owes_all_after_it_was_known_to_stand() -> None:
    wish = WatchWish(b"a", prev_kv=True)
    late = WatchRecord(wish, [((A5,), 5)], newest_when_made=3)
    check_watch(late, TRUTH, healed=True)
    missed = WatchRecord(wish, [((A5,), 5)], newest_when_made=2)
    with pytest.raises(WatchViolation, match="reliable"):
        check_watch(missed, TRUTH, healed=True)
    silent = WatchRecord(wish, [], newest_when_made=4)
    with pytest.raises(WatchViolation, match="reliable"):
        check_watch(silent, TRUTH, healed=True)


def test_a_notice_of_compaction_must_be_true() -> None:
    compacted = Truth(TRUTH.events, 5, frozenset({4}))
    notice = WatchRecord(ALL, [], compact_revision=4)
    check_watch(notice, compacted, healed=True)
    with pytest.raises(WatchViolation, match="notice"):
        check_watch(notice, TRUTH, healed=True)
    late = WatchRecord(WatchWish(b"a", start_revision=5), [], compact_revision=4)
    with pytest.raises(WatchViolation, match="notice"):
        check_watch(late, compacted, healed=True)


def test_at_a_compacted_revision_previous_values_may_be_missing() -> None:
    record = _record(ALL, ((A2,), 2), ((_bare(A3), B3), 4), ((A5,), 5))
    check_watch(record, Truth(TRUTH.events, 5, frozenset({3})), healed=True)
    with pytest.raises(WatchViolation, match="prev_kv"):
        check_watch(record, Truth(TRUTH.events, 5, frozenset({4})), healed=True)
