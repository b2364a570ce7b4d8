"""Put and delete: etcd's fields, options and refusals."""

from coord.errors import ErrorCode
from coord.model import Cause, EventKind, KeyValue
from coord.requests import (
    DeleteRange,
    DeleteReply,
    ErrorReply,
    LeaseGrant,
    LeaseTimeToLive,
    Put,
    PutReply,
    Range,
    RangeReply,
    SetAlarm,
    Txn,
)
from coord.testing.feed import Feed


def get(feed: Feed, key: bytes) -> KeyValue | None:
    reply = feed.store.read(Range(key))
    assert isinstance(reply, RangeReply)
    return reply.kvs[0] if reply.kvs else None


def test_an_empty_store_is_at_revision_1_and_its_first_write_makes_2() -> None:
    feed = Feed()
    assert feed.store.revision == 1
    assert feed.do(Put(b"k", b"v")) == PutReply(2)
    assert feed.store.revision == 2


def test_put_counts_versions_and_keeps_the_create_revision_until_deletion() -> None:
    feed = Feed()
    feed.do(Put(b"k", b"1"))
    feed.do(Put(b"k", b"2"))
    assert get(feed, b"k") == KeyValue(b"k", b"2", 2, 3, 2)
    feed.do(DeleteRange(b"k"))
    feed.do(Put(b"k", b"3"))
    assert get(feed, b"k") == KeyValue(b"k", b"3", 5, 5, 1)


def test_prev_kv_is_the_prior_key_value_or_nothing() -> None:
    feed = Feed()
    assert feed.do(Put(b"k", b"1", prev_kv=True)).prev_kv is None
    assert feed.do(Put(b"k", b"2", prev_kv=True)).prev_kv == KeyValue(b"k", b"1", 2, 2, 1)
    assert feed.do(Put(b"k", b"3")).prev_kv is None


def test_ignore_value_keeps_the_value_and_ignore_lease_the_lease() -> None:
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), Put(b"k", b"1", 7))
    feed.do(Put(b"k", b"", 7, ignore_value=True))
    feed.do(Put(b"k", b"2", ignore_lease=True))
    assert get(feed, b"k") == KeyValue(b"k", b"2", 2, 4, 3, 7)


def test_ignoring_needs_the_key_to_exist() -> None:
    feed = Feed()
    assert feed.refused(Put(b"k", ignore_value=True)) == ErrorCode.KEY_NOT_FOUND
    assert feed.refused(Put(b"k", ignore_lease=True)) == ErrorCode.KEY_NOT_FOUND
    assert feed.store.revision == 1


def test_an_unknown_lease_is_refused_before_a_missing_key() -> None:
    feed = Feed()
    assert feed.refused(Put(b"k", b"", 9, ignore_value=True)) == ErrorCode.LEASE_NOT_FOUND


def test_put_moves_a_key_between_leases_and_lease_0_detaches() -> None:
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), LeaseGrant(1000, 8), Put(b"k", b"", 7))
    feed.do(Put(b"k", b"", 8))
    assert feed.store.read(LeaseTimeToLive(7, True)).keys == ()  # type: ignore[union-attr]
    assert feed.store.read(LeaseTimeToLive(8, True)).keys == (b"k",)  # type: ignore[union-attr]
    feed.do(Put(b"k"))
    assert feed.store.read(LeaseTimeToLive(8, True)).keys == ()  # type: ignore[union-attr]


def test_a_sequenced_put_makes_a_key_of_revision_and_place() -> None:
    feed = Feed()
    reply = feed.do(Put(b"q/", b"v", sequence=True))
    assert reply == PutReply(2, None, b"q/00000000000000020000")
    replies = feed.do(Txn((), (Put(b"q/", sequence=True), Put(b"q/", sequence=True)))).replies
    assert [each.key for each in replies] == [
        b"q/00000000000000030000", b"q/00000000000000030001",
    ]  # fmt: skip


def test_an_index_entry_takes_the_digits_of_the_sequenced_put_before_it() -> None:
    feed = Feed()
    steps = (
        Put(b"a"), Put(b"q/", sequence=True), Put(b"due/7/", same_sequence=True),
        Put(b"q/", sequence=True), Put(b"due/8/", same_sequence=True),
    )  # fmt: skip
    replies = feed.do(Txn((), steps)).replies
    assert [each.key for each in replies] == [
        b"", b"q/00000000000000020001", b"due/7/00000000000000020001",
        b"q/00000000000000020003", b"due/8/00000000000000020003",
    ]  # fmt: skip


def test_an_index_entry_of_nothing_is_refused_and_nothing_is_written() -> None:
    feed = Feed()
    feed.do(Put(b"q/", sequence=True))
    reply = feed.do(Txn((), (Put(b"a"), Put(b"due/", same_sequence=True))))
    assert isinstance(reply, ErrorReply)
    assert reply.code == ErrorCode.INVALID_OPTION
    assert feed.store.revision == 2


def test_two_index_entries_of_one_name_are_refused() -> None:
    feed = Feed()
    twice = (Put(b"q/", sequence=True), *[Put(b"due/", same_sequence=True)] * 2)
    reply = feed.do(Txn((), twice))
    assert isinstance(reply, ErrorReply)
    assert reply.code == ErrorCode.DUPLICATE_KEY
    assert feed.store.revision == 1


def test_delete_answers_what_went_in_key_order() -> None:
    feed = Feed()
    feed.many(Put(b"b"), Put(b"a"), Put(b"c"))
    reply = feed.do(DeleteRange(b"a", b"c", prev_kv=True))
    assert reply == DeleteReply(
        5, 2, (KeyValue(b"a", b"", 3, 3, 1), KeyValue(b"b", b"", 2, 2, 1))
    )  # fmt: skip


def test_deleting_nothing_bumps_no_revision_and_makes_no_event() -> None:
    feed = Feed()
    feed.do(Put(b"k"))
    assert feed.do(DeleteRange(b"a", b"b", True)) == DeleteReply(2, 0)
    assert feed.do(DeleteRange(b"z", b"a")) == DeleteReply(2, 0)
    assert feed.store.events(3, 9) == []


def test_one_event_per_deleted_key_all_at_one_revision_with_only_key_and_revision() -> None:
    feed = Feed()
    feed.many(Put(b"a", b"1"), Put(b"b", b"2"), DeleteRange(b"\0", b"\0"))
    (events,) = feed.store.events(4, 4)
    assert [event.kind for event in events] == [EventKind.DELETE] * 2
    assert [event.cause for event in events] == [Cause.DELETED] * 2
    assert events[0].kv == KeyValue(b"a", b"", 0, 4, 0)
    assert events[1].prev_kv == KeyValue(b"b", b"2", 3, 3, 1)


def test_deleting_detaches_from_the_lease() -> None:
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), Put(b"k", b"", 7), DeleteRange(b"k"))
    assert feed.store.read(LeaseTimeToLive(7, True)).keys == ()  # type: ignore[union-attr]


def test_an_alarm_refuses_growth_and_lets_shrinking_through() -> None:
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), Put(b"k", b"", 7), SetAlarm(3, True))
    assert feed.store.alarms == (3,)
    nested = Txn((), (), (Txn((), (), (Put(b"x"),)),))
    for op in (Put(b"x"), LeaseGrant(1000), nested):
        assert feed.refused(op) == ErrorCode.NO_SPACE
    assert feed.do(Txn((), (DeleteRange(b"k"),))).revision == 3
    feed.do(SetAlarm(3, False))
    assert feed.do(Put(b"x")) == PutReply(4)


def test_an_alarm_raised_within_a_frame_stops_the_puts_after_it() -> None:
    replies = Feed().many(Put(b"a"), SetAlarm(1, True), Put(b"b"), SetAlarm(1, False), Put(b"c"))
    assert [type(reply) is PutReply for reply in replies] == [True, False, False, False, True]


def test_a_failed_operation_harms_no_other_of_its_frame() -> None:
    replies = Feed().many(Put(b"a"), Put(b"b", b"", 9), Put(b"c"))
    assert replies[0] == PutReply(2)
    assert replies[1].code == ErrorCode.LEASE_NOT_FOUND  # type: ignore[union-attr]
    assert replies[2] == PutReply(3)
