"""Taking entries: what is verified, what is cut, what is answered and when."""

import pytest

from coord.ids import LogIndex
from coord.raft.messages import (
    Append,
    AppendReply,
    Commit,
    Compacted,
    Effects,
    Heartbeat,
    HeartbeatReply,
    Propose,
    ReadIndex,
    ReadIndexReply,
    Role,
    TimeoutNow,
)
from coord.testing.lone_core import CLUSTER, ELECTION_TICKS, LoneCore, entries_of


def ack(prev: int, match: int, term: int = 3) -> AppendReply:
    return AppendReply(CLUSTER, 2, 1, term, prev, match)


def append(
    lone: LoneCore, prev: tuple[int, int], terms: list[int], commit: int = 0, term: int = 3
) -> Effects:
    return lone.receive(Append, *prev, commit, entries_of(terms, prev[0] + 1), term=term)


def log_terms(lone: LoneCore) -> list[int]:
    return [lone.core._state.log.term_at(i) for i in range(1, lone.core.last_index + 1)]


def test_an_acknowledgement_waits_for_the_disk() -> None:
    lone = LoneCore(log=[1], term=3)
    effects = append(lone, (1, 1), [3, 3])
    assert effects.messages == ()
    assert effects.write is not None
    assert [entry.index for entry in effects.write.entries] == [2, 3]
    assert lone.write().messages == (ack(1, 3),)


def test_an_acknowledgement_of_what_is_durable_leaves_at_once() -> None:
    lone = LoneCore(log=[1, 3], term=3)
    assert append(lone, (1, 1), [3]).messages == (ack(1, 2),)
    assert lone.effects.write is None


def test_a_repeated_append_is_acknowledged_only_when_the_first_is_durable() -> None:
    lone = LoneCore(log=[1], term=3)
    append(lone, (1, 1), [3])
    assert append(lone, (1, 1), [3]).messages == ()
    assert lone.write().messages == (ack(1, 2),)


def test_a_follower_commits_no_further_than_this_message_verified() -> None:
    # Beyond the verified part an old leader's entries may stand.
    lone = LoneCore(log=[1, 1, 1, 1], term=3)
    effects = append(lone, (2, 1), [], commit=4)
    assert [entry.index for entry in effects.committed] == [1, 2]


def test_a_delayed_shorter_append_cuts_nothing() -> None:
    lone = LoneCore(log=[1], term=3)
    append(lone, (1, 1), [3, 3, 3])
    append(lone, (1, 1), [3])
    assert log_terms(lone) == [1, 3, 3, 3]


def test_only_a_real_conflict_cuts() -> None:
    lone = LoneCore(log=[1, 1, 2, 2], term=2)
    effects = append(lone, (1, 1), [1, 3])
    assert log_terms(lone) == [1, 1, 3]
    assert effects.write is not None
    assert [(entry.index, entry.term) for entry in effects.write.entries] == [(3, 3)]


@pytest.mark.parametrize(
    ("prev", "hint"),
    [((9, 3), (6, 3)), ((6, 2), (4, 2)), ((6, 1), (2, 1)), ((5, 2), (4, 2))],
)
def test_a_rejection_says_where_the_logs_may_agree(
    prev: tuple[int, int], hint: tuple[int, int]
) -> None:
    lone = LoneCore(log=[1, 1, 2, 2, 3, 3], term=4)
    effects = append(lone, prev, [], term=4)
    assert effects.messages == (AppendReply(CLUSTER, 2, 1, 4, prev[0], 0, True, *hint),)


def test_a_hint_is_never_before_what_is_committed() -> None:
    lone = LoneCore(log=[2, 2, 2], term=4, commit=2)
    effects = append(lone, (3, 3), [], term=4)
    assert effects.messages == (AppendReply(CLUSTER, 2, 1, 4, 3, 0, True, 3, 2),)
    effects = append(lone, (3, 1), [], term=4)
    assert effects.messages == (AppendReply(CLUSTER, 2, 1, 4, 3, 0, True, 2, 2),)


def test_an_append_that_conflicts_with_what_is_committed_is_refused() -> None:
    lone = LoneCore(log=[1, 1, 1], term=3, commit=2)
    for prev, terms in (((1, 1), [3]), ((2, 3), [3])):
        effects = append(lone, prev, terms)
        assert effects.messages == ()
    assert lone.core.refused == 2
    assert log_terms(lone) == [1, 1, 1]


def test_an_append_that_starts_before_the_base_is_taken_from_the_overlap_on() -> None:
    lone = LoneCore(log=[2, 2], term=3, base=(5, 2))
    effects = append(lone, (3, 1), [1, 2, 2, 2, 3])
    assert effects.write is not None
    assert [entry.index for entry in effects.write.entries] == [8]
    assert lone.write().messages == (ack(3, 8),)


def test_an_append_wholly_before_the_base_is_acknowledged_up_to_commit() -> None:
    lone = LoneCore(log=[2], term=3, base=(5, 2))
    assert append(lone, (0, 0), [1, 1]).messages == (ack(0, 5),)
    assert lone.core.last_index == 6


def test_compaction_does_not_change_the_answer() -> None:
    lone = LoneCore(log=[1, 1, 1, 1], term=3, commit=3)
    lone.tick()
    lone.step(Compacted(LogIndex(3)))
    assert lone.core.first_index == 4
    assert append(lone, (4, 1), []).messages == (ack(4, 4),)


def test_a_heartbeat_is_answered_without_waiting_for_entries() -> None:
    lone = LoneCore(log=[1], term=3)
    append(lone, (1, 1), [3])
    effects = lone.receive(Heartbeat, 1, 4)
    assert effects.messages == (HeartbeatReply(CLUSTER, 2, 1, 3, 4),)
    assert [entry.index for entry in effects.committed] == [1]


def test_a_heartbeat_of_a_new_term_is_answered_when_the_term_is_durable() -> None:
    lone = LoneCore(term=3)
    assert lone.receive(Heartbeat, 0, 4, term=5).messages == ()
    assert lone.write().messages == (HeartbeatReply(CLUSTER, 2, 1, 5, 4),)


def test_a_node_whose_disk_forgot_does_not_pass_for_the_one_that_knew() -> None:
    lone = LoneCore(term=3)
    effects = lone.receive(Heartbeat, 7, 1)
    assert effects.messages == ()
    assert (lone.core.refused, lone.core.leader) == (1, 0)


def test_news_of_a_commit_counts_at_once_for_who_holds_that_very_entry() -> None:
    lone = LoneCore(log=[1], term=3)
    append(lone, (1, 1), [3, 3])
    effects = lone.receive(Commit, 2, 3)
    assert [entry.index for entry in effects.committed] == [1, 2]
    assert effects.messages == ()


@pytest.mark.parametrize(("index", "term"), [(2, 2), (4, 3), (9, 3)])
def test_news_of_a_commit_of_another_entry_or_one_still_to_come_passes(
    index: int, term: int
) -> None:
    lone = LoneCore(log=[1], term=3)
    append(lone, (1, 1), [3, 3])
    effects = lone.receive(Commit, index, term)
    assert (effects.committed, effects.messages) == ((), ())
    assert (lone.core.commit, lone.core.refused) == (0, 0)


def test_old_news_of_a_commit_takes_nothing_back() -> None:
    lone = LoneCore(log=[1], term=3)
    append(lone, (1, 1), [3, 3], commit=3)
    lone.receive(Commit, 2, 3)
    assert lone.core.commit == 3


@pytest.mark.parametrize(("index", "term"), [(0, 1), (-1, 1), (2, 0), (2, 4), (2**70, 1)])
def test_impossible_news_of_a_commit_is_refused(index: int, term: int) -> None:
    lone = LoneCore(log=[1], term=3)
    lone.receive(Commit, index, term)
    assert (lone.core.refused, lone.core.leader) == (1, 0)


def test_two_leaders_in_one_term_cannot_be() -> None:
    lone = LoneCore(term=3)
    lone.receive(Heartbeat, 0, 1, sender=2)
    assert lone.receive(Heartbeat, 0, 1, sender=3).messages == ()
    assert lone.receive(Append, 0, 0, 0, sender=3).messages == ()
    assert (lone.core.refused, lone.core.leader) == (2, 2)


def test_leaders_of_an_older_term_are_told_the_term() -> None:
    lone = LoneCore(term=5)
    for kind, fields in ((Heartbeat, (0, 0)), (Append, (4, 1, 0))):
        effects = lone.receive(kind, *fields, term=4)
        (reply,) = effects.messages
        assert isinstance(reply, AppendReply)
        assert (reply.term, reply.rejected) == (5, True)


def test_hearing_the_leader_puts_the_election_off() -> None:
    lone = LoneCore(term=3)
    for _ in range(5):
        lone.tick(ELECTION_TICKS - 1)
        lone.receive(Heartbeat, 0, 0)
    assert lone.core.role is Role.FOLLOWER


@pytest.mark.parametrize("lone", [LoneCore((2, 3), learners=(1,)), LoneCore((2, 3)), LoneCore(())])
def test_who_has_no_vote_never_stands_but_forgets_a_silent_leader(lone: LoneCore) -> None:
    lone.receive(Heartbeat, 0, 0, term=1)
    assert lone.core.leader == 2
    assert lone.tick(5 * ELECTION_TICKS) == []
    assert (lone.core.role, lone.core.leader) == (Role.FOLLOWER, 0)
    lone.receive(TimeoutNow)
    assert lone.core.role is Role.FOLLOWER


def test_a_transfer_makes_it_stand_at_once_but_only_for_its_leader() -> None:
    lone = LoneCore(term=3)
    lone.receive(Heartbeat, 0, 0)
    lone.receive(TimeoutNow, sender=3)
    assert lone.core.role is Role.FOLLOWER
    lone.receive(TimeoutNow, sender=2)
    assert (lone.core.role, lone.core.term) == (Role.CANDIDATE, 4)


def test_a_follower_refuses_proposals_and_serves_no_read_index() -> None:
    lone = LoneCore(term=3)
    proposed = lone.step(Propose((b"x",))).proposed
    assert proposed is not None
    assert proposed.first_index == 0
    effects = lone.receive(ReadIndex, 12, sender=3)
    assert effects.messages == (ReadIndexReply(CLUSTER, 3, 1, 3, 12, 0),)


def test_an_acknowledgement_to_a_leader_of_the_past_is_not_sent() -> None:
    lone = LoneCore(log=[1], term=3)
    append(lone, (1, 1), [3])
    first = lone.ticket
    lone.receive(Heartbeat, 0, 0, sender=3, term=4)
    assert lone.write(first).messages == ()
    assert [type(m) for m in lone.write().messages] == [HeartbeatReply]
