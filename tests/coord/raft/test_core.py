"""The door: what a shell sees of a core, and what it is given on the way in and out."""

import pytest

from coord.errors import Corruption
from coord.ids import LogIndex, NodeId, Term
from coord.raft.core import RaftCore
from coord.raft.membership import encode_membership
from coord.raft.messages import (
    Compacted,
    Effects,
    Entry,
    EntryKind,
    HardState,
    Heartbeat,
    Membership,
    Propose,
    Role,
    SnapshotMeta,
    Standing,
    Tick,
    Written,
)
from coord.raft.settings import Restored
from coord.testing.lone_core import ELECTION_TICKS, LoneCore, entries_of, lone_settings


def test_a_restored_node_is_a_follower_of_nobody() -> None:
    core = LoneCore(log=[1, 2], term=4, vote=2, commit=1, base=(5, 1)).core
    assert (core.role, core.term, core.leader, core.is_leader) == (Role.FOLLOWER, 4, 0, False)
    assert (core.first_index, core.last_index, core.durable_index, core.commit) == (6, 7, 7, 5)
    assert core.membership == Membership((1, 2, 3))
    assert (core.refused, core.transferee, core.followers) == (0, 0, ())


def test_the_first_step_hands_over_what_was_known_to_be_committed() -> None:
    lone = LoneCore(log=[1, 1, 1], term=1, commit=2)
    assert [entry.index for entry in lone.step(Tick()).committed] == [1, 2]
    assert lone.step(Tick()).committed == ()


def test_a_commit_ahead_of_a_torn_log_is_cut_to_it() -> None:
    assert LoneCore(log=[1, 1], term=1, commit=9).core.commit == 2


def test_entries_that_a_snapshot_covers_are_skipped_on_restoring() -> None:
    meta = SnapshotMeta(2, 1, Membership((1,)))
    restored = Restored(HardState(1, 0, 0), meta, entries_of([1, 1, 1]))
    core = RaftCore(lone_settings(), restored, lambda low, _high: low)
    assert (core.first_index, core.last_index) == (3, 3)


def test_a_suffix_that_the_snapshots_log_has_replaced_is_dropped_on_restoring() -> None:
    assert LoneCore(log=[1, 1], term=5, base=(5, 4)).core.last_index == 5


def test_a_gap_after_the_snapshot_is_impossible() -> None:
    meta = SnapshotMeta(2, 1, Membership((1,)))
    with pytest.raises(AssertionError, match="no gaps"):
        RaftCore(
            lone_settings(), Restored(HardState(), meta, entries_of([1], 4)), lambda low, _high: low
        )


def test_a_restored_member_list_is_in_force_or_is_corruption() -> None:
    meta = SnapshotMeta(0, 0, Membership((1,)))
    for payload in (encode_membership(Membership((1, 2))), b"junk"):
        entry = Entry(1, 1, EntryKind.CONFIG, payload)
        restored = Restored(HardState(1, 0, 0), meta, (entry,))
        if payload == b"junk":
            with pytest.raises(Corruption):
                RaftCore(lone_settings(), restored, lambda low, _high: low)
        else:
            core = RaftCore(lone_settings(), restored, lambda low, _high: low)
            assert core.membership == Membership((1, 2))


def test_a_step_without_consequences_asks_for_nothing() -> None:
    lone = LoneCore()
    assert lone.step(Tick()) == Effects()
    assert lone.step(Tick()) is lone.step(Tick())


def test_standing_is_told_exactly_when_it_changes() -> None:
    lone = LoneCore()
    told = [lone.step(Tick()).standing for _ in range(ELECTION_TICKS + 1)]
    asking = Standing(Role.PRE_CANDIDATE, NodeId(0), Term(0))
    assert [standing for standing in told if standing is not None] == [asking]
    following = lone.receive(Heartbeat, 0, 0, term=3).standing
    assert following == Standing(Role.FOLLOWER, NodeId(2), Term(3))
    assert lone.receive(Heartbeat, 0, 0).standing is None


def test_a_write_names_the_hard_state_only_when_it_is_news() -> None:
    lone = LoneCore((1,))
    written = []
    for event in (Tick(), Written(1), Written(2), Propose((b"a",))):
        effects = lone.step(event)
        if effects.write is not None:
            written.append(effects.write.hard_state)
    # Standing; the empty entry, under the same term and vote; an entry with which commit rides.
    assert written == [HardState(1, 1, 0), None, HardState(1, 1, 1)]


def test_tickets_count_up_without_gaps() -> None:
    lone = LoneCore((1,))
    tickets = []
    lone.tick()
    tickets.append(lone.ticket)
    lone.write()
    tickets.append(lone.ticket)
    for _ in range(3):
        lone.step(Propose((b"a",)))
        tickets.append(lone.ticket)
    assert tickets == [1, 2, 3, 4, 5]


def test_a_snapshot_is_described_with_the_members_at_its_index() -> None:
    lone = LoneCore(log=[1, 1, 2], term=2, commit=3)
    lone.tick()
    assert lone.core.snapshot_meta(2) == SnapshotMeta(2, 1, Membership((1, 2, 3)))
    with pytest.raises(AssertionError):
        lone.core.snapshot_meta(4)


def test_only_what_was_handed_over_is_compacted() -> None:
    lone = LoneCore(log=[1, 1, 2], term=2, commit=2)
    lone.step(Compacted(LogIndex(3)))
    assert lone.core.first_index == 1  # nothing was handed over before this step
    lone.step(Compacted(LogIndex(3)))
    assert lone.core.first_index == 3


def test_timeouts_are_drawn_anew_for_each_election() -> None:
    drawn: list[tuple[int, int]] = []

    def draw(low: int, high: int) -> int:
        drawn.append((low, high))
        return low + len(drawn) % 3

    meta = SnapshotMeta(0, 0, Membership((1, 2, 3)))
    core = RaftCore(lone_settings(), Restored(HardState(), meta), draw)
    before = len(drawn)
    for _ in range(5 * 2 * ELECTION_TICKS):
        core.step(Tick())
    elections = drawn[before:]
    assert len(elections) >= 5
    assert set(elections) == {(ELECTION_TICKS, 2 * ELECTION_TICKS - 1)}
