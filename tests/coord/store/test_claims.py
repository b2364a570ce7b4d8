"""Claims: taking, keeping, finishing and giving back, with nothing lost on any way."""

import pytest

from coord import limits
from coord.errors import ErrorCode
from coord.model import Cause, EventKind, KeyValue
from coord.requests import (
    Claim,
    ClaimReply,
    DeleteRange,
    ErrorReply,
    GiveBack,
    GiveBackReply,
    LeaseGrant,
    LeaseRevoke,
    LeaseTimeToLive,
    Put,
    PutReply,
    Range,
    RangeReply,
    Txn,
)
from coord.testing.feed import Feed


def keys(feed: Feed) -> list[bytes]:
    reply = feed.store.read(Range(b"\0", b"\0"))
    assert isinstance(reply, RangeReply)
    return [kv.key for kv in reply.kvs]


def get(feed: Feed, key: bytes) -> KeyValue:
    reply = feed.store.read(Range(key))
    assert isinstance(reply, RangeReply)
    return reply.kvs[0]


def queue(*names: bytes) -> Feed:
    """A feed with leases 7 and 8 and a key per name at revision 2, 3, ..."""
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), LeaseGrant(5000, 8), *(Put(name, name) for name in names))
    return feed


def test_a_claim_takes_the_first_keys_in_order_and_moves_them_under_the_lease() -> None:
    feed = queue(b"q/2", b"q/3", b"q/1", b"r/0")
    reply = feed.do(Claim(b"q/", b"c/", 7, 2))
    assert reply == ClaimReply(
        6, (KeyValue(b"c/1", b"q/1", 6, 6, 1, 7, 1), KeyValue(b"c/2", b"q/2", 6, 6, 1, 7, 1))
    )
    assert keys(feed) == [b"c/1", b"c/2", b"q/3", b"r/0"]
    assert feed.store.read(LeaseTimeToLive(7, True)).keys == (b"c/1", b"c/2")  # type: ignore[union-attr]


def test_a_claim_is_a_delete_at_the_source_and_a_put_at_the_target() -> None:
    feed = queue(b"q/1")
    feed.do(Claim(b"q/", b"c/", 7))
    (events,) = feed.store.events(3, 3)
    assert [(event.kind, event.cause, event.kv.key) for event in events] == [
        (EventKind.DELETE, Cause.CLAIMED, b"q/1"),
        (EventKind.PUT, Cause.CLAIMED, b"c/1"),
    ]
    assert events[0].prev_kv == KeyValue(b"q/1", b"q/1", 2, 2, 1)


def test_claiming_from_an_empty_prefix_changes_nothing() -> None:
    feed = queue(b"r/1")
    assert feed.do(Claim(b"q/", b"c/", 7, 5)) == ClaimReply(2, ())
    assert feed.store.revision == 2


def test_a_claim_needs_a_living_lease_even_when_there_is_nothing_to_take() -> None:
    assert queue().refused(Claim(b"q/", b"c/", 99)) == ErrorCode.LEASE_NOT_FOUND


def test_a_key_whose_target_exists_is_passed_over() -> None:
    feed = queue(b"q/1", b"q/2", b"c/1")
    assert [kv.key for kv in feed.do(Claim(b"q/", b"c/", 7, 2)).kvs] == [b"c/2"]


def test_keys_the_same_transaction_wrote_are_passed_over() -> None:
    feed = queue(b"q/2")
    reply = feed.do(Txn((), (Put(b"q/1"), Claim(b"q/", b"c/", 7, 5), Claim(b"q/", b"d/", 7, 5))))
    assert [[kv.key for kv in each.kvs] for each in reply.replies[1:]] == [[b"c/2"], []]


def test_a_claimed_key_cannot_be_claimed_again_by_another_prefix() -> None:
    feed = queue(b"q/1")
    feed.do(Claim(b"q/", b"c/", 7))
    assert feed.do(Claim(b"c/", b"d/", 8)).kvs == ()


def test_a_key_whose_claimed_name_would_be_too_long_is_passed_over() -> None:
    long_name = b"q/" + b"x" * (limits.KEY_BYTES_MAX - 2)
    feed = queue(long_name, b"q/y")
    assert [kv.key for kv in feed.do(Claim(b"q/", b"target/", 7, 9)).kvs] == [b"target/y"]


def test_many_passed_over_keys_do_not_hide_the_free_ones_behind_them() -> None:
    names = [b"q/%04d" % at for at in range(600)]
    feed = queue(*names, *(b"c/%04d" % at for at in range(590)))
    assert [kv.key for kv in feed.do(Claim(b"q/", b"c/", 7, 2)).kvs] == [b"c/0590", b"c/0591"]


def test_a_lease_that_ends_gives_back_in_the_same_revision_with_claims_kept() -> None:
    feed = queue(b"q/1", b"q/2")
    feed.many(Claim(b"q/", b"c/", 7, 2), Put(b"plain", b"", 7))
    feed.at(1000)
    (events,) = feed.store.events(6, 99)
    assert [(event.cause, event.kv.key) for event in events] == [
        (Cause.GIVEN_BACK, b"c/1"), (Cause.GIVEN_BACK, b"q/1"),
        (Cause.GIVEN_BACK, b"c/2"), (Cause.GIVEN_BACK, b"q/2"),
        (Cause.EXPIRED, b"plain"),
    ]  # fmt: skip
    assert get(feed, b"q/1") == KeyValue(b"q/1", b"q/1", 6, 6, 1, 0, 1)
    assert [kv.claims for kv in feed.do(Claim(b"q/", b"c/", 8, 2)).kvs] == [2, 2]


def test_a_revoked_lease_gives_back_too() -> None:
    feed = queue(b"q/1")
    feed.many(Claim(b"q/", b"c/", 7), Put(b"plain", b"", 7), LeaseRevoke(7))
    causes = [event.cause for event in feed.store.events(5, 5)[0]]
    assert causes == [Cause.GIVEN_BACK, Cause.GIVEN_BACK, Cause.REVOKED]


@pytest.mark.parametrize("ignore_lease", [True, False])
def test_progress_written_under_the_lease_keeps_the_claim_and_goes_back(
    ignore_lease: bool,
) -> None:
    feed = queue(b"q/1")
    feed.do(Claim(b"q/", b"c/", 7))
    feed.do(Put(b"c/1", b"half", 0 if ignore_lease else 7, ignore_lease=ignore_lease))
    feed.at(1000)
    assert keys(feed) == [b"q/1"]
    assert get(feed, b"q/1").value == b"half"


@pytest.mark.parametrize("lease", [0, 8])
def test_a_put_under_another_lease_or_none_ends_the_claim(lease: int) -> None:
    feed = queue(b"q/1")
    (kv,) = feed.do(Claim(b"q/", b"c/", 7)).kvs
    feed.do(Put(b"c/1", b"mine", lease))
    feed.at(1000)
    assert keys(feed) == [b"c/1"]
    assert feed.do(GiveBack(b"c/1", kv.create_revision)).moved is False


def test_a_delete_completes_the_claim() -> None:
    feed = queue(b"q/1")
    feed.many(Claim(b"q/", b"c/", 7), DeleteRange(b"c/1"))
    feed.at(1000)
    assert keys(feed) == []


def test_a_completed_claims_name_used_again_is_an_ordinary_key() -> None:
    feed = queue(b"q/1")
    feed.many(Claim(b"q/", b"c/", 7), DeleteRange(b"c/1"), Put(b"c/1", b"", 7))
    feed.at(1000)
    assert keys(feed) == []


def test_give_back_needs_the_token_of_the_claim() -> None:
    feed = queue(b"q/1")
    (kv,) = feed.do(Claim(b"q/", b"c/", 7)).kvs
    assert feed.do(GiveBack(b"c/1", kv.create_revision + 1)) == GiveBackReply(3, False)
    assert feed.do(GiveBack(b"c/9", kv.create_revision)) == GiveBackReply(3, False)
    assert feed.do(GiveBack(b"c/1", kv.create_revision)) == GiveBackReply(4, True)
    assert feed.do(GiveBack(b"c/1", kv.create_revision)) == GiveBackReply(4, False)
    assert get(feed, b"q/1") == KeyValue(b"q/1", b"q/1", 4, 4, 1, 0, 1)
    assert feed.store.read(LeaseTimeToLive(7, True)).keys == ()  # type: ignore[union-attr]


def test_an_ordinary_key_is_not_given_back() -> None:
    feed = queue(b"c/1")
    assert feed.do(GiveBack(b"c/1", 2)) == GiveBackReply(2, False)


def test_a_name_taken_meanwhile_is_not_overwritten_and_both_are_kept() -> None:
    feed = queue(b"q/1")
    feed.many(Claim(b"q/", b"c/", 7), Put(b"q/1", b"new"))
    feed.at(1000)
    assert keys(feed) == [b"q/1", b"q/1~0000000000000003"]
    assert get(feed, b"q/1").value == b"new"
    assert get(feed, b"q/1~0000000000000003").value == b"q/1"


def test_even_the_name_beside_may_be_taken() -> None:
    feed = queue(b"q/1")
    feed.many(Claim(b"q/", b"c/", 7), Put(b"q/1"), Put(b"q/1~0000000000000003"))
    feed.at(1000)
    assert keys(feed)[-1] == b"q/1~0000000000000004"


def test_the_name_beside_a_long_one_stays_within_the_limit() -> None:
    name = b"q/" + b"x" * (limits.KEY_BYTES_MAX - 2)
    feed = queue(name)
    feed.many(Claim(b"q/", b"c/", 7), Put(name))
    feed.at(1000)
    assert sorted(map(len, keys(feed))) == [limits.KEY_BYTES_MAX] * 2


def test_claims_survive_a_snapshot() -> None:
    feed = queue(b"q/1")
    feed.do(Claim(b"q/", b"c/", 7))
    again = feed.restored()
    again.at(1000)
    assert keys(again) == [b"q/1"]


def test_a_claim_under_another_lease_detaches_from_the_old_one() -> None:
    feed = queue()
    feed.many(Put(b"q/1", b"", 8), Claim(b"q/", b"c/", 7))
    feed.at(1000)
    assert get(feed, b"q/1").lease == 0
    assert feed.store.read(LeaseTimeToLive(8, True)).keys == ()  # type: ignore[union-attr]


def test_a_claim_takes_fewer_keys_than_asked_where_all_would_not_fit_in_one_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "REPLY_BYTES_MAX", 20 * limits.KEY_BYTES_MAX)
    feed = queue(*(b"q/%02d" % at for at in range(40)))
    assert [len(feed.do(Claim(b"q/", b"c/", 7, 40)).kvs) for _ in range(3)] == [19, 19, 2]


def test_a_key_put_as_claimed_goes_back_where_it_says_it_came_from() -> None:
    feed = queue()
    reply = feed.do(Put(b"c/", b"v", 7, sequence=True, claimed_from=b"q/"))
    digits = b"00000000000000020000"
    assert reply == PutReply(2, None, b"c/" + digits)
    assert get(feed, b"c/" + digits) == KeyValue(b"c/" + digits, b"v", 2, 2, 1, 7, 1)
    (events,) = feed.store.events(2, 2)
    assert [(e.kind, e.cause, e.kv.key) for e in events] == [
        (EventKind.PUT, Cause.CLAIMED, b"c/" + digits)
    ]
    assert feed.do(Claim(b"c/", b"d/", 8)).kvs == ()
    feed.do(LeaseRevoke(7))
    assert get(feed, b"q/" + digits) == KeyValue(b"q/" + digits, b"v", 3, 3, 1, 0, 1)
    assert keys(feed) == [b"q/" + digits]


def test_a_key_put_as_claimed_can_be_given_back() -> None:
    feed = queue()
    made = feed.do(Put(b"c/", b"v", 7, sequence=True, claimed_from=b"q/"))
    assert isinstance(made, PutReply)
    assert feed.do(GiveBack(made.key, made.revision)) == GiveBackReply(3, moved=True)
    assert keys(feed) == [b"q/" + made.key.removeprefix(b"c/")]


def test_nothing_is_put_as_claimed_under_a_lease_that_is_not_there() -> None:
    feed = queue()
    reply = feed.do(Put(b"c/", b"v", 9, sequence=True, claimed_from=b"q/"))
    assert isinstance(reply, ErrorReply)
    assert reply.code == ErrorCode.LEASE_NOT_FOUND
    assert keys(feed) == []
