"""Transactions: compares, order, visibility, atomic failure."""

from collections.abc import Iterator

import pytest

from coord import limits
from coord.errors import ErrorCode
from coord.model import Cause
from coord.requests import (
    Claim,
    Compact,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    DeleteReply,
    LeaseGrant,
    LeaseTimeToLive,
    Put,
    PutReply,
    Range,
    RangeReply,
    Txn,
    TxnReply,
)
from coord.store.history import Change
from coord.testing.feed import Feed

EQ, GT, LT, NE = (
    CompareResult.EQUAL, CompareResult.GREATER, CompareResult.LESS, CompareResult.NOT_EQUAL,
)  # fmt: skip


def holds(feed: Feed, *compares: Compare) -> bool:
    reply = feed.store.read(Txn(compares))
    assert isinstance(reply, TxnReply), reply
    return reply.succeeded


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (CompareTarget.VERSION, 2),
        (CompareTarget.CREATE, 2),
        (CompareTarget.MOD, 3),
        (CompareTarget.LEASE, 7),
        (CompareTarget.VALUE, b"m"),
    ],
)
def test_every_target_compares_by_every_result(target: CompareTarget, value: int | bytes) -> None:
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), Put(b"k"), Put(b"k", b"m", 7))
    less: int | bytes = value - 1 if isinstance(value, int) else b"l"
    more: int | bytes = value + 1 if isinstance(value, int) else b"n"
    found = [
        [holds(feed, Compare(b"k", target, result, given)) for given in (less, value, more)]
        for result in (EQ, GT, LT, NE)
    ]
    assert found == [
        [False, True, False], [True, False, False], [False, False, True], [True, False, True],
    ]  # fmt: skip


def test_a_missing_key_compares_as_zeros() -> None:
    feed = Feed()
    for target in (CompareTarget.VERSION, CompareTarget.CREATE, CompareTarget.MOD,
                   CompareTarget.LEASE):  # fmt: skip
        assert holds(feed, Compare(b"k", target, EQ, 0))
        assert not holds(feed, Compare(b"k", target, GT, 0))


@pytest.mark.parametrize("result", [EQ, GT, LT, NE])
def test_the_value_of_a_missing_key_never_compares(result: CompareResult) -> None:
    feed = Feed()
    assert not holds(feed, Compare(b"k", CompareTarget.VALUE, result, b""))
    assert not holds(feed, Compare(b"k", CompareTarget.VALUE, result, b"", b"z"))


def test_every_key_of_a_compared_range_must_satisfy_and_an_empty_one_is_a_missing_key() -> None:
    feed = Feed()
    feed.many(Put(b"a", b"x"), Put(b"b", b"x"))
    assert holds(feed, Compare(b"a", CompareTarget.VALUE, EQ, b"x", b"\0"))
    feed.do(Put(b"b", b"y"))
    assert not holds(feed, Compare(b"a", CompareTarget.VALUE, EQ, b"x", b"\0"))
    assert holds(feed, Compare(b"c", CompareTarget.CREATE, EQ, 0, b"\0"))


@pytest.mark.parametrize("keys", [1, 63, 64, 65, 200])
def test_a_compare_looks_at_every_key_of_a_long_range(keys: int) -> None:
    feed = Feed()
    for number in range(keys):
        feed.many(Put(b"r%03d" % number))
    for compared in (keys - 1, keys):
        last = Compare(b"r", CompareTarget.CREATE, LT, compared + 2, b"s")
        assert holds(feed, last) == (compared == keys)


def test_all_compares_must_hold_and_none_is_true() -> None:
    feed = Feed()
    yes = Compare(b"k", CompareTarget.MOD, EQ, 0)
    no = Compare(b"k", CompareTarget.MOD, GT, 0)
    assert holds(feed)
    assert holds(feed, yes, yes)
    assert not holds(feed, yes, no)


def test_a_compare_of_the_wrong_type_fails_the_transaction_on_every_member_alike() -> None:
    feed = Feed()
    wrong = Txn((Compare(b"k", CompareTarget.MOD, EQ, b"1"),), (), (Put(b"a"),))
    assert feed.refused(wrong) == ErrorCode.INVALID_OPTION
    assert feed.store.revision == 1


def test_operations_run_in_order_and_see_each_other_at_one_revision() -> None:
    feed = Feed()
    feed.do(Put(b"a", b"0"))
    reply = feed.do(
        Txn((), (Range(b"a"), Put(b"a", b"1"), Range(b"a"), DeleteRange(b"a"), Range(b"a")))
    )
    first, put, second, deleted, third = reply.replies
    assert (first.kvs[0].value, second.kvs[0].value, third.kvs) == (b"0", b"1", ())
    assert (first.revision, second.revision) == (2, 3)
    assert (put, deleted) == (PutReply(3), DeleteReply(3, 1))
    assert (reply.revision, feed.store.revision) == (3, 3)


def test_a_transaction_that_changes_nothing_answers_the_present_revision() -> None:
    feed = Feed()
    feed.do(Put(b"a"))
    assert feed.do(Txn((), (DeleteRange(b"x"), Range(b"a")))).revision == 2
    assert feed.do(Txn()) == TxnReply(2, True, ())
    assert feed.store.revision == 2


def test_nested_compares_look_at_the_state_before_any_operation() -> None:
    feed = Feed()
    is_new = Compare(b"a", CompareTarget.VERSION, EQ, 0)
    reply = feed.do(Txn((), (Put(b"a"), Txn((is_new,), (Put(b"b"),), (Put(b"c"),)))))
    assert reply.replies[1] == TxnReply(2, True, (PutReply(2),))


def test_a_read_of_a_revision_within_a_transaction_does_not_see_its_writes() -> None:
    feed = Feed()
    feed.many(Put(b"a", b"0"), Put(b"b", b"0"))
    ops = (
        Put(b"a", b"1"), DeleteRange(b"b"), Put(b"c"), Range(b"a", b"\0", revision=3),
        Range(b"a", b"\0", limit=1, revision=3), Range(b"a", b"\0"),
    )  # fmt: skip
    replies = feed.do(Txn((), ops)).replies
    assert [(kv.key, kv.value) for kv in replies[3].kvs] == [(b"a", b"0"), (b"b", b"0")]
    assert (replies[4].count, replies[4].more) == (2, True)
    assert [kv.key for kv in replies[5].kvs] == [b"a", b"c"]


@pytest.mark.parametrize(
    ("failing", "code"),
    [
        (Put(b"z", b"", 99), ErrorCode.LEASE_NOT_FOUND),
        (Put(b"z", ignore_value=True), ErrorCode.KEY_NOT_FOUND),
        (Range(b"z", revision=50), ErrorCode.FUTURE_REVISION),
        (Range(b"z", revision=1), ErrorCode.COMPACTED),
        (Claim(b"q/", b"c/", 99), ErrorCode.LEASE_NOT_FOUND),
    ],
)
def test_one_failing_operation_undoes_the_whole_transaction(
    failing: Put | Range | Claim, code: ErrorCode
) -> None:
    feed = Feed()
    feed.many(
        LeaseGrant(9000, 7), Put(b"a", b"0"), Put(b"k", b"0", 7), Put(b"q/1"), Put(b"gone"),
        DeleteRange(b"gone"), Put(b"q/2"), Claim(b"q/", b"c/", 7), Compact(3),
    )  # fmt: skip
    before = feed.store.digest()
    ops = (
        Put(b"a", b"1"), Put(b"k", b"1"), DeleteRange(b"c/1"), Claim(b"q/", b"d/", 7),
        Put(b"gone"), Put(b"new", b"", 7), DeleteRange(b"k"), failing,
    )  # fmt: skip
    assert feed.refused(Txn((), ops)) == code
    assert feed.store.read(LeaseTimeToLive(7, True)).keys == (b"c/1", b"k")  # type: ignore[union-attr]
    clean = feed.restored()
    assert clean.store.digest() == feed.store.digest()
    feed.do(Put(b"after"))
    clean.do(Put(b"after"))
    assert clean.store.digest() == feed.store.digest() != before


def test_a_key_put_and_deleted_at_one_revision_has_two_events_and_was_what_it_was() -> None:
    feed = Feed()
    feed.do(Put(b"a", b"0"))
    feed.do(Txn((), (Txn((), (Put(b"a", b"1"),)), Txn((), (DeleteRange(b"a"),)))))
    (events,) = feed.store.events(3, 3)
    assert [event.cause for event in events] == [Cause.WRITTEN, Cause.DELETED]
    assert [event.prev_kv and event.prev_kv.value for event in events] == [b"0", b"0"]
    assert feed.store.read(Range(b"a", revision=2)).kvs[0].value == b"0"  # type: ignore[union-attr]


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> Txn:
        return Txn() if depth == 1 else Txn((), (nested(depth - 1),))

    feed = Feed()
    assert feed.do(nested(limits.TXN_DEPTH_MAX)).succeeded
    assert feed.refused(nested(limits.TXN_DEPTH_MAX + 1)) == ErrorCode.TOO_MANY_OPS


def test_a_transaction_that_writes_is_not_answered_as_a_read() -> None:
    reply = Feed().store.read(Txn((), (), (Txn((), (Put(b"a"),)),)))
    assert reply.code == ErrorCode.NOT_SUPPORTED  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "op", [Range(b"k"), Put(b"k", prev_kv=True), DeleteRange(b"k", prev_kv=True)]
)
def test_the_answers_of_one_transaction_are_bounded_together(
    monkeypatch: pytest.MonkeyPatch, op: Range | Put | DeleteRange
) -> None:
    monkeypatch.setattr(limits, "REPLY_BYTES_MAX", 2500)
    feed = Feed()
    feed.many(Put(b"k", bytes(1000)), Put(b"l", bytes(1000)))
    assert feed.do(Txn((), (Range(b"k"), Range(b"l")))).succeeded
    assert feed.refused(Txn((), (Range(b"k"), Range(b"l"), op))) == ErrorCode.REPLY_TOO_LARGE
    assert feed.store.revision == 3
    one_delete = DeleteRange(b"k", b"m", True)
    assert feed.do(one_delete).deleted == 2


def test_a_delete_that_would_answer_too_many_bytes_deletes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "REPLY_BYTES_MAX", 1500)
    feed = Feed()
    feed.many(Put(b"k", bytes(1000)), Put(b"l", bytes(1000)))
    assert feed.refused(DeleteRange(b"k", b"m", True)) == ErrorCode.REPLY_TOO_LARGE
    assert feed.store.key_count == 2
    assert feed.do(DeleteRange(b"k", b"m")).deleted == 2


def test_the_past_is_read_in_a_transaction_that_changes_it_and_after_one_that_failed() -> None:
    feed = Feed()
    feed.many(Put(b"a", b"1"), Put(b"b", b"2"))
    gone = DeleteRange(b"a", b"z")
    past = Range(b"a", b"z", revision=3)
    feed.refused(Txn(success=(gone, past, Put(b"c", ignore_value=True))))
    reply = feed.do(Txn(success=(Put(b"a", b"3"), past, gone, Put(b"a", b"4"), past)))
    assert isinstance(reply, TxnReply)
    for found in (reply.replies[1], reply.replies[4]):
        assert isinstance(found, RangeReply)
        assert [(kv.key, kv.value) for kv in found.kvs] == [(b"a", b"1"), (b"b", b"2")]


def test_reading_the_past_of_much_that_was_just_deleted_takes_no_longer_for_each_key() -> None:
    feed = Feed()
    keys = 4000
    feed.many(*[Put(b"k%04d" % number) for number in range(keys)])
    looks = 0

    class Watched(list[Change]):
        def __iter__(self) -> Iterator[Change]:
            nonlocal looks
            for change in super().__iter__():
                looks += 1
                yield change

    space = feed.store._space
    space.pending = Watched()
    past = Range(b"k", b"l", revision=feed.store.revision, count_only=True)
    reply = feed.do(Txn(success=(DeleteRange(b"k", b"l"), past)))
    assert isinstance(reply, TxnReply)
    counted = reply.replies[1]
    assert isinstance(counted, RangeReply)
    assert counted.count == keys
    assert looks < 10 * keys
