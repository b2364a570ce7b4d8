"""Events, compaction at its very edges, and freeing memory without anyone noticing."""

from itertools import pairwise
from random import Random

import pytest

from coord.errors import CoordError, ErrorCode
from coord.model import Cause, Event, EventKind, KeyValue
from coord.requests import (
    Compact,
    CompactReply,
    DeleteRange,
    ErrorReply,
    Put,
    Range,
    RangeReply,
    Txn,
)
from coord.store.history import CHUNK_REVISIONS, PATIENCE_STEPS, History
from coord.testing.dumb_store import DumbStore
from coord.testing.feed import Feed
from coord.testing.store_ops import Draws


def values(feed: Feed, key: bytes, revision: int) -> list[bytes]:
    reply = feed.store.read(Range(key, revision=revision))
    assert isinstance(reply, RangeReply), reply
    return [kv.value for kv in reply.kvs]


def test_compaction_refuses_what_is_compacted_and_what_is_not_there_yet() -> None:
    feed = Feed()
    feed.many(Put(b"a"), Put(b"a"), Put(b"a"))
    assert feed.do(Compact(3)) == CompactReply(4)
    assert feed.store.revision == 4
    assert feed.refused(Compact(3)) == ErrorCode.COMPACTED
    assert feed.refused(Compact(2)) == ErrorCode.COMPACTED
    assert feed.refused(Compact(5)) == ErrorCode.FUTURE_REVISION
    assert feed.do(Compact(4)) == CompactReply(4)
    assert feed.refused(Compact(0)) == ErrorCode.COMPACTED
    assert feed.refused(Compact(-1)) == ErrorCode.COMPACTED


@pytest.mark.parametrize("restored", [False, True])
def test_compaction_keeps_what_stood_at_its_revision_and_forgets_what_stood_before(
    restored: bool,
) -> None:
    feed = Feed()
    feed.many(
        Put(b"k", b"2"), Put(b"k", b"3"), Put(b"other"), Put(b"k", b"5"), DeleteRange(b"k"),
        Put(b"k", b"7"), Compact(4),
    )  # fmt: skip
    feed = feed.restored() if restored else feed
    assert values(feed, b"k", 4) == [b"3"]
    assert values(feed, b"k", 5) == [b"5"]
    assert values(feed, b"k", 6) == []
    assert values(feed, b"k", 7) == [b"7"]
    reply = feed.store.read(Range(b"k", revision=3))
    assert isinstance(reply, ErrorReply)
    assert reply.code == ErrorCode.COMPACTED


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("compacted", [4, 5, 6])
def test_a_tombstone_at_below_and_above_the_compacted_revision(
    compacted: int, restored: bool
) -> None:
    feed = Feed()
    feed.many(
        Put(b"k", b"2"), Put(b"x"), Put(b"x"), DeleteRange(b"k"), Put(b"x"), Compact(compacted)
    )  # fmt: skip
    feed = feed.restored() if restored else feed
    for revision in range(compacted, 7):
        assert values(feed, b"k", revision) == ([b"2"] if revision < 5 else [])
    feed.do(Put(b"k", b"new"))
    for revision in range(compacted, 7):
        assert values(feed, b"k", revision) == ([b"2"] if revision < 5 else [])
    found = feed.store.events(compacted, 6)
    assert [event.kv.key for (event,) in found] == [b"x", b"k", b"x"][compacted - 4 :]


@pytest.mark.parametrize("restored", [False, True])
def test_events_are_kept_from_the_compacted_revision_on_and_prev_kv_from_after_it(
    restored: bool,
) -> None:
    feed = Feed()
    feed.many(Put(b"k", b"2"), Put(b"k", b"3"), Put(b"k", b"4"), Put(b"k", b"5"), Compact(4))
    feed = feed.restored() if restored else feed
    with pytest.raises(CoordError) as refused:
        feed.store.events(3, 5)
    assert refused.value.code == ErrorCode.COMPACTED
    four, five = feed.store.events(4, 5)
    assert four == [Event(EventKind.PUT, Cause.WRITTEN, KeyValue(b"k", b"4", 2, 4, 3))]
    assert five[0].prev_kv == KeyValue(b"k", b"4", 2, 4, 3)


def test_events_end_at_the_newest_revision_and_begin_at_the_first_write() -> None:
    feed = Feed()
    assert feed.store.events(0, 9) == []
    feed.many(Put(b"a"), Put(b"b"))
    assert [len(events) for events in feed.store.events(0, 9)] == [1, 1]
    assert feed.store.events(3, 2) == []


def test_a_created_key_has_no_prev_kv_even_if_its_name_lived_before() -> None:
    feed = Feed()
    feed.many(Put(b"k"), DeleteRange(b"k"), Put(b"k"))
    (event,) = feed.store.events(4, 4)[0]
    assert event.prev_kv is None
    assert event.is_create


def test_a_key_changed_in_a_large_transaction_is_found_by_its_name() -> None:
    feed = Feed()
    names = [b"%03d" % at for at in range(100)]
    feed.do(Txn((), tuple(Put(name, b"1") for name in names)))
    feed.do(Txn((), tuple(Put(name, b"2") for name in names)))
    feed.do(DeleteRange(b"\0", b"\0"))
    assert [values(feed, b"050", revision) for revision in (1, 2, 3, 4)] == [
        [], [b"1"], [b"2"], [],
    ]  # fmt: skip


def test_history_is_read_across_chunks() -> None:
    feed = Feed()
    count = 2 * CHUNK_REVISIONS + 10
    feed.many(*(Put(b"k", b"%d" % at) for at in range(2, count)))
    for revision in (2, 3, CHUNK_REVISIONS - 1, CHUNK_REVISIONS, CHUNK_REVISIONS + 1, count - 1):
        assert values(feed, b"k", revision) == [b"%d" % revision]
    assert len(feed.store.events(2, count)) == count - 2


def test_a_key_changed_without_end_is_read_from_the_near_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = Feed()
    feed.do(Put(b"cold", b"2"))
    feed.many(*(Put(b"hot", b"%d" % at) for at in range(3, 5000)))
    steps: list[int] = []
    walk_back = History._before

    def counted(history: History, kv: KeyValue) -> KeyValue | None:
        steps.append(kv.mod_revision)
        return walk_back(history, kv)

    monkeypatch.setattr(History, "_before", counted)
    for revision in (3, 4, 2500, 4999):
        assert values(feed, b"hot", revision) == [b"%d" % revision]
    assert values(feed, b"cold", 4000) == [b"2"]
    assert 0 < len(steps) <= 4 * PATIENCE_STEPS


def churn(feed: Feed, rounds: int) -> None:
    for at in range(rounds):
        name = b"job/%06d" % at
        feed.many(Put(name), Put(b"hot", name), DeleteRange(name))


def test_tidying_frees_history_and_tombstones_in_bounded_slices() -> None:
    feed = Feed()
    churn(feed, 2000)
    feed.do(Compact(feed.store.revision - 10))
    space = feed.store._space
    slices = 1
    while feed.store.tidy(500):
        slices += 1
    assert slices >= 4000 // 500
    assert len(space.history.records) <= 2
    assert len(space.tombstones) <= CHUNK_REVISIONS
    assert space.deleted.count(b"", None) == len(space.tombstones)
    assert feed.store.tidy(500) is False


def test_one_huge_revision_is_freed_in_slices_too() -> None:
    feed = Feed()
    feed.many(*(Put(b"%05d" % at) for at in range(5000)))
    feed.do(DeleteRange(b"\0", b"\0"))
    feed.many(*(Put(b"x") for _ in range(2 * CHUNK_REVISIONS)))
    feed.do(Compact(feed.store.revision))
    left = []
    while feed.store.tidy(1000):
        left.append(len(feed.store._space.tombstones))
    assert max(a - b for a, b in pairwise(left)) <= 1000
    assert not feed.store._space.tombstones


@pytest.mark.parametrize("seed", range(3))
def test_stores_that_tidy_or_restore_at_different_times_stay_byte_identical(seed: int) -> None:
    random = Random(seed)
    eager, lazy, moved = Feed(), Feed(), Feed()
    twin = DumbStore()  # only for the draws: what exists now
    for step in range(1000):
        op = Draws(random, twin).write()
        if random.randrange(100) == 0:
            op = Compact(max(lazy.store.revision - random.randrange(50), 1))
        extra = (Put(b"hot"), Put(b"r/%d" % (step % 5)), DeleteRange(b"r/%d" % (step % 7)))
        replies = [feed.many(op, *extra) for feed in (eager, lazy, moved)]
        assert replies[0] == replies[1] == replies[2]
        twin.keys = {kv.key: kv for kv in eager.store.read(Range(b"\0", b"\0")).kvs}  # type: ignore[union-attr]
        twin.origins = dict(eager.store._space.origins)
        twin.leases = {lease: (0, 0) for lease in eager.store._space.leases.table}
        twin.revision, twin.compact_revision = eager.store.revision, eager.store.compact_revision
        eager.store.tidy(10**6)
        if step % 100 == 99:
            moved = moved.restored()
            assert moved.store.digest() == lazy.store.digest() == eager.store.digest()
    assert eager.store.revision > 2 * CHUNK_REVISIONS


def test_tidying_waits_while_a_snapshot_is_taken() -> None:
    feed = Feed()
    churn(feed, 1000)
    feed.do(Compact(feed.store.revision))
    snapshot = feed.store.snapshot()
    next(snapshot)
    assert feed.store.tidy(100) is False
    snapshot.close()
    assert feed.store.tidy(100) is True


def test_a_snapshot_that_is_dropped_holds_nothing_up() -> None:
    feed = Feed()
    churn(feed, 1000)
    feed.do(Compact(feed.store.revision))
    snapshot = feed.store.snapshot()
    next(snapshot)
    del snapshot
    assert feed.store.tidy(100) is True
