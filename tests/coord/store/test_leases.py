"""Leases: their life in cluster time, and the end of their keys."""

import pytest

from coord import limits
from coord.errors import ErrorCode
from coord.frames import WriteFrame
from coord.model import Cause
from coord.requests import (
    LeaseGrant,
    LeaseGrantReply,
    LeaseKeepAlive,
    LeaseKeepAliveReply,
    LeaseList,
    LeaseListReply,
    LeaseRevoke,
    LeaseRevokeReply,
    LeaseTimeToLive,
    LeaseTimeToLiveReply,
    Put,
    PutReply,
    Range,
)
from coord.store.once import INTERNAL_WRITER
from coord.testing.feed import Feed


def alive(feed: Feed) -> tuple[int, ...]:
    reply = feed.store.read(LeaseList())
    assert isinstance(reply, LeaseListReply)
    return reply.leases


def test_a_grant_answers_the_time_in_force_and_makes_no_revision() -> None:
    feed = Feed()
    assert feed.do(LeaseGrant(5000, 7)) == LeaseGrantReply(7, 5000)
    assert feed.store.revision == 1
    assert feed.store.next_deadline_ms() == 5000


@pytest.mark.parametrize("ttl_ms", [-5, 0, limits.LEASE_TTL_MS_MIN - 1])
def test_a_time_below_the_minimum_is_raised_not_refused(ttl_ms: int) -> None:
    assert Feed().do(LeaseGrant(ttl_ms, 7)).ttl_ms == limits.LEASE_TTL_MS_MIN


def test_a_time_above_the_maximum_is_refused() -> None:
    feed = Feed()
    assert feed.refused(LeaseGrant(limits.LEASE_TTL_MS_MAX + 1)) == ErrorCode.LEASE_TTL_TOO_LARGE
    assert feed.do(LeaseGrant(limits.LEASE_TTL_MS_MAX, 1)).lease == 1


def test_an_id_that_is_taken_is_refused_until_its_lease_ends() -> None:
    feed = Feed()
    feed.do(LeaseGrant(5000, 7))
    assert feed.refused(LeaseGrant(5000, 7)) == ErrorCode.LEASE_EXISTS
    feed.do(LeaseRevoke(7))
    assert feed.do(LeaseGrant(5000, 7)).lease == 7


def test_chosen_ids_are_positive_distinct_and_pass_over_taken_ones() -> None:
    feed = Feed()
    taken = (2 << 22) + 1
    feed.do(LeaseGrant(5000, taken))
    replies = feed.many(*[LeaseGrant(5000)] * 5)
    chosen = [reply.lease for reply in replies if isinstance(reply, LeaseGrantReply)]
    assert len({*chosen, taken}) == 6
    assert all(0 < lease < 2**63 for lease in chosen)


def test_too_many_leases_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEASES_MAX", 2)
    feed = Feed()
    feed.many(LeaseGrant(5000), LeaseGrant(5000))
    assert feed.refused(LeaseGrant(5000)) == ErrorCode.TOO_MANY_LEASES


def test_too_many_keys_on_a_lease_are_refused_and_nothing_is_left_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LEASE_KEYS_MAX", 2)
    feed = Feed()
    feed.many(LeaseGrant(5000, 7), Put(b"a", b"", 7), Put(b"b", b"", 7), Put(b"c", b"0"))
    before = feed.store.revision
    assert feed.refused(Put(b"c", b"1", 7)) == ErrorCode.TOO_MANY_LEASES
    assert feed.refused(Put(b"d", b"1", 7)) == ErrorCode.TOO_MANY_LEASES
    assert feed.store.revision == before
    assert feed.do(Put(b"a", b"1", 7)) == PutReply(before + 1)
    assert feed.store.read(Range(b"c")).kvs[0].value == b"0"  # type: ignore[union-attr]


def test_a_lease_ends_at_the_entry_that_reaches_its_deadline_before_its_operations() -> None:
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), Put(b"k", b"v", 7))
    feed.at(999)
    assert feed.store.key_count == 1
    feed.time_ms = 1000
    (reply,) = feed.many(Put(b"k", b"", ignore_value=True))
    assert reply.code == ErrorCode.KEY_NOT_FOUND  # type: ignore[union-attr]
    assert alive(feed) == ()


def test_applied_tells_the_revisions_that_endings_made() -> None:
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), Put(b"k", b"v", 7))
    nothing = feed.at(10)
    assert (nothing.first_revision, nothing.last_revision) == (3, 2)
    feed.time_ms = 1000
    applied = feed.entry(WriteFrame(INTERNAL_WRITER, 0, 1, (Put(b"x"),)))
    assert (applied.first_revision, applied.last_revision) == (3, 4)


def test_leases_due_together_end_soonest_first_then_by_id_each_in_its_own_revision() -> None:
    feed = Feed()
    feed.many(LeaseGrant(900, 9), LeaseGrant(500, 8), LeaseGrant(500, 3), LeaseGrant(600, 1))
    feed.many(*(Put(b"%d/b" % lease, b"", lease) for lease in (9, 8, 3)))
    feed.many(*(Put(b"%d/a" % lease, b"", lease) for lease in (9, 8, 3)))
    feed.at(1000)
    gone = [[event.kv.key for event in events] for events in feed.store.events(8, 99)]
    assert gone == [[b"3/a", b"3/b"], [b"8/a", b"8/b"], [b"9/a", b"9/b"]]
    causes = {event.cause for events in feed.store.events(8, 99) for event in events}
    assert causes == {Cause.EXPIRED}
    assert alive(feed) == ()


def test_time_never_goes_back() -> None:
    feed = Feed()
    feed.at(5000)
    feed.time_ms = 100
    feed.do(LeaseGrant(1000, 7))
    assert feed.store.time_ms == 5000
    assert feed.store.next_deadline_ms() == 6000


def test_a_renewal_counts_from_now_and_moves_the_end() -> None:
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), LeaseGrant(1200, 8))
    feed.time_ms = 900
    assert feed.do(LeaseKeepAlive(7)) == LeaseKeepAliveReply(7, 1000)
    assert feed.store.next_deadline_ms() == 1200
    feed.at(1899)
    assert alive(feed) == (7,)
    feed.at(1900)
    assert alive(feed) == ()
    assert feed.store.next_deadline_ms() is None


def test_renewing_an_unknown_or_ended_lease_answers_0_and_is_no_error() -> None:
    assert Feed().do(LeaseKeepAlive(7)) == LeaseKeepAliveReply(7, 0)


def test_revoke_deletes_the_keys_in_order_at_one_revision() -> None:
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), Put(b"b", b"1", 7), Put(b"a", b"2", 7))
    assert feed.do(LeaseRevoke(7)) == LeaseRevokeReply(4)
    (events,) = feed.store.events(4, 4)
    assert [(event.kv.key, event.cause) for event in events] == [
        (b"a", Cause.REVOKED), (b"b", Cause.REVOKED),
    ]  # fmt: skip
    assert feed.refused(LeaseRevoke(7)) == ErrorCode.LEASE_NOT_FOUND


def test_revoking_a_lease_without_keys_makes_no_revision() -> None:
    feed = Feed()
    feed.do(LeaseGrant(1000, 7))
    assert feed.do(LeaseRevoke(7)) == LeaseRevokeReply(1)


def test_time_to_live_tells_what_remains_and_unknown_is_minus_1() -> None:
    feed = Feed()
    feed.many(LeaseGrant(1000, 7), Put(b"b", b"", 7), Put(b"a", b"", 7))
    feed.at(300)
    found = LeaseTimeToLiveReply(7, 700, 1000, (b"a", b"b"))
    assert feed.store.read(LeaseTimeToLive(7, True)) == found
    assert feed.store.read(LeaseTimeToLive(7)) == LeaseTimeToLiveReply(7, 700, 1000)
    assert feed.store.read(LeaseTimeToLive(8)) == LeaseTimeToLiveReply(8, -1, 0)


def test_leases_are_listed_soonest_end_first() -> None:
    feed = Feed()
    feed.many(LeaseGrant(900, 1), LeaseGrant(500, 2), LeaseGrant(500, 1000), LeaseGrant(700, 3))
    assert alive(feed) == (2, 1000, 3, 1)


def test_an_id_granted_anew_lives_by_its_new_deadline_only() -> None:
    feed = Feed()
    feed.many(LeaseGrant(500, 7), LeaseRevoke(7), LeaseGrant(2000, 7))
    feed.at(500)
    assert alive(feed) == (7,)
    feed.many(LeaseRevoke(7), LeaseGrant(300, 7))
    assert feed.store.next_deadline_ms() == 800
    feed.at(800)
    assert alive(feed) == ()


def test_leases_that_come_and_go_leave_no_places_behind() -> None:
    feed = Feed()
    feed.do(LeaseGrant(777, 1))
    for _ in range(30):
        feed.many(*(LeaseGrant(10**9, 2 + at) for at in range(100)))
        feed.many(*(LeaseRevoke(2 + at) for at in range(100)))
    assert len(feed.store._space.leases._heap) < 1500
    assert feed.store.next_deadline_ms() == 777
