"""Range reads: addressing, revisions, order, limits and filters."""

import pytest

from coord import limits
from coord.errors import ErrorCode
from coord.requests import (
    Compact,
    DeleteRange,
    ErrorReply,
    Put,
    Range,
    RangeReply,
    SortOrder,
    SortTarget,
)
from coord.testing.feed import Feed


def read(feed: Feed, op: Range) -> RangeReply:
    reply = feed.store.read(op)
    assert isinstance(reply, RangeReply), reply
    return reply


def keys(feed: Feed, op: Range) -> list[bytes]:
    return [kv.key for kv in read(feed, op).kvs]


def code(feed: Feed, op: Range) -> int:
    reply = feed.store.read(op)
    assert isinstance(reply, ErrorReply), reply
    return reply.code


def filled(*names: bytes) -> Feed:
    feed = Feed()
    feed.many(*(Put(name, b"v" + name) for name in names))
    return feed


@pytest.mark.parametrize(
    ("op", "found"),
    [
        (Range(b"b"), [b"b"]),
        (Range(b"b", b"d"), [b"b", b"c"]),
        (Range(b"b", b"\0"), [b"b", b"c", b"d"]),
        (Range(b"\0", b"\0"), [b"a", b"b", b"c", b"d"]),
        (Range(b"d", b"b"), []),
        (Range(b"b", b"b"), []),
        (Range(b"x"), []),
    ],
)
def test_a_range_end_means_one_key_a_span_or_everything_from_there(
    op: Range, found: list[bytes]
) -> None:
    assert keys(filled(b"c", b"a", b"d", b"b"), op) == found


def test_limit_cuts_and_more_says_so_while_count_counts_all() -> None:
    feed = filled(b"a", b"b", b"c")
    reply = read(feed, Range(b"a", b"\0", limit=2))
    assert ([kv.key for kv in reply.kvs], reply.more, reply.count) == ([b"a", b"b"], True, 3)
    reply = read(feed, Range(b"a", b"\0", limit=3))
    assert (len(reply.kvs), reply.more, reply.count) == (3, False, 3)


def test_count_only_answers_no_keys_no_more_and_ignores_filters() -> None:
    feed = filled(b"a", b"b", b"c")
    reply = read(feed, Range(b"a", b"\0", limit=1, count_only=True, min_mod_revision=4))
    assert reply == RangeReply(4, (), False, 3)


def test_keys_only_strips_just_the_value() -> None:
    (kv,) = read(filled(b"a"), Range(b"a", keys_only=True)).kvs
    assert (kv.value, kv.create_revision, kv.version) == (b"", 2, 1)


def test_filters_are_inclusive_and_leave_count_alone() -> None:
    feed = filled(b"a", b"b", b"c", b"d")
    reply = read(feed, Range(b"a", b"\0", min_mod_revision=3, max_mod_revision=4))
    assert ([kv.key for kv in reply.kvs], reply.count) == ([b"b", b"c"], 4)
    feed.do(Put(b"a"))
    found = Range(b"a", b"\0", min_create_revision=3, max_create_revision=4)
    assert keys(feed, found) == [b"b", b"c"]
    assert keys(feed, Range(b"a", b"\0", max_create_revision=2)) == [b"a"]


def test_with_a_filter_the_limit_applies_after_it() -> None:
    feed = filled(b"a", b"b", b"c", b"d")
    reply = read(feed, Range(b"a", b"\0", limit=1, min_mod_revision=4))
    assert ([kv.key for kv in reply.kvs], reply.more) == ([b"c"], True)


def test_sorted_by_another_field_without_an_order_means_ascending() -> None:
    feed = filled(b"b", b"a")
    assert keys(feed, Range(b"a", b"\0", sort_target=SortTarget.CREATE)) == [b"b", b"a"]


def test_with_a_sort_order_the_limit_applies_after_sorting() -> None:
    feed = filled(b"c", b"b", b"a")
    by_creation = Range(
        b"a", b"\0", limit=1, sort_order=SortOrder.ASCEND, sort_target=SortTarget.CREATE
    )
    assert keys(feed, by_creation) == [b"c"]


def test_without_an_order_only_limit_plus_one_keys_take_part_in_sorting_by_a_field() -> None:
    feed = filled(b"c", b"b", b"a")
    assert keys(feed, Range(b"a", b"\0", limit=1, sort_target=SortTarget.CREATE)) == [b"b"]


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (SortTarget.KEY, [b"c", b"b", b"a"]),
        (SortTarget.VERSION, [b"b", b"a", b"c"]),
        (SortTarget.CREATE, [b"c", b"b", b"a"]),
        (SortTarget.MOD, [b"b", b"c", b"a"]),
        (SortTarget.VALUE, [b"c", b"a", b"b"]),
    ],
)
def test_descending_order_works_on_every_field(target: SortTarget, found: list[bytes]) -> None:
    feed = Feed()
    feed.many(Put(b"a", b"2"), Put(b"b", b"3"), Put(b"c", b"3"), Put(b"b", b"1"))
    descending = Range(b"a", b"\0", sort_order=SortOrder.DESCEND, sort_target=target)
    assert keys(feed, descending) == found


def test_the_last_key_of_a_span_is_read_from_its_end() -> None:
    feed = Feed()
    feed.many(*(Put(b"%05d" % at) for at in range(3000)))
    last = Range(b"00000", b"02500", limit=2, sort_order=SortOrder.DESCEND)
    reply = read(feed, last)
    assert [kv.key for kv in reply.kvs] == [b"02499", b"02498"]
    assert (reply.more, reply.count) == (True, 2500)


def test_a_read_of_the_past_sees_it_and_answers_with_the_present_revision() -> None:
    feed = filled(b"a", b"b")
    feed.many(Put(b"a", b"new"), DeleteRange(b"b"), Put(b"c"))
    reply = read(feed, Range(b"a", b"\0", revision=3))
    assert [(kv.key, kv.value) for kv in reply.kvs] == [(b"a", b"va"), (b"b", b"vb")]
    assert (reply.count, reply.revision) == (2, 6)
    assert keys(feed, Range(b"b", revision=5)) == []


def test_a_key_made_anew_shows_its_earlier_lives() -> None:
    feed = Feed()
    feed.many(Put(b"k", b"1"), DeleteRange(b"k"), Put(b"k", b"2"), DeleteRange(b"k"))
    found = [[kv.value for kv in read(feed, Range(b"k", revision=at)).kvs] for at in range(1, 6)]
    assert found == [[], [b"1"], [], [b"2"], []]


def test_revisions_beyond_the_newest_are_refused_and_at_the_newest_answered() -> None:
    feed = filled(b"a")
    assert keys(feed, Range(b"a", revision=2)) == [b"a"]
    assert code(feed, Range(b"a", revision=3)) == ErrorCode.FUTURE_REVISION
    assert keys(feed, Range(b"a", revision=-1)) == [b"a"]


def test_paging_an_old_revision_counts_as_it_was_then() -> None:
    feed = Feed()
    feed.many(*(Put(b"k%04d" % at) for at in range(1500)))
    then = feed.store.revision
    feed.many(
        DeleteRange(b"k0003"), Put(b"k0003"), DeleteRange(b"k0007"), DeleteRange(b"k0007"),
        Put(b"k0004"), Put(b"k9999"), Put(b"j"), DeleteRange(b"k9999"), Put(b"k9999"),
        DeleteRange(b"k0100", b"k0110"),
    )  # fmt: skip
    reply = read(feed, Range(b"k", b"l", limit=10, revision=then))
    assert ([kv.key for kv in reply.kvs], reply.count, reply.more) == (
        [b"k%04d" % at for at in range(10)], 1500, True,
    )  # fmt: skip
    everything = read(feed, Range(b"k", b"l", revision=then))
    assert (len(everything.kvs), everything.count) == (1500, 1500)
    assert read(feed, Range(b"k", b"l", revision=then, count_only=True)).count == 1500


def test_an_answer_of_too_many_keys_is_refused_with_advice_to_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "RANGE_LIMIT_MAX", 100)
    feed = filled(*(b"%04d" % at for at in range(101)))
    assert code(feed, Range(b"\0", b"\0")) == ErrorCode.REPLY_TOO_LARGE
    assert code(feed, Range(b"\0", b"\0", limit=101)) == ErrorCode.REPLY_TOO_LARGE
    assert len(keys(feed, Range(b"\0", b"\0", limit=100))) == 100
    assert feed.refused(DeleteRange(b"\0", b"\0", True)) == ErrorCode.REPLY_TOO_LARGE
    assert feed.do(DeleteRange(b"\0", b"\0")).deleted == 101


def test_an_answer_of_too_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REPLY_BYTES_MAX", 1000)
    feed = Feed()
    feed.many(*(Put(b"%04d" % at, bytes(46)) for at in range(21)))
    assert code(feed, Range(b"\0", b"\0")) == ErrorCode.REPLY_TOO_LARGE
    assert len(keys(feed, Range(b"\0", b"\0", limit=20))) == 20
    assert len(keys(feed, Range(b"\0", b"\0", keys_only=True))) == 21


def test_reading_at_the_compacted_revision_works_and_one_below_does_not() -> None:
    feed = filled(b"a", b"b", b"c")
    feed.do(Compact(3))
    assert keys(feed, Range(b"a", b"\0", revision=3)) == [b"a", b"b"]
    assert code(feed, Range(b"a", b"\0", revision=2)) == ErrorCode.COMPACTED
    assert keys(feed, Range(b"a", b"\0", revision=4)) == [b"a", b"b", b"c"]
