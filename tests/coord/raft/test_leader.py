"""Leading: what is sent, what commits, who is counted, when to stop."""

from coord.ids import LogIndex, NodeId
from coord.raft.messages import (
    Append,
    AppendReply,
    Commit,
    Entry,
    EntryKind,
    Heartbeat,
    HeartbeatReply,
    Membership,
    Propose,
    ProposeMembership,
    Role,
    TimeoutNow,
    Transfer,
    VoteReply,
)
from coord.testing.lone_core import CLUSTER, ELECTION_TICKS, HEARTBEAT_TICKS, LoneCore


def propose(lone: LoneCore, *payloads: bytes) -> int:
    proposed = lone.step(Propose(payloads)).proposed
    assert proposed is not None
    return proposed.first_index


def settled(uncommitted_bytes_max: int = 1000) -> LoneCore:
    """A leader whose first entry is committed and known to all."""
    lone = LoneCore(uncommitted_bytes_max=uncommitted_bytes_max)
    lone.lead()
    lone.write()
    for sender in (2, 3):
        lone.receive(AppendReply, 0, 1, sender=sender)
    assert lone.core.commit == 1
    return lone


def test_a_new_leader_appends_an_empty_entry_and_sends_it_at_once() -> None:
    lone = LoneCore(log=[1], term=1)
    effects = lone.lead()
    noop = Entry(2, 2, EntryKind.NOOP, b"")
    assert effects.write is not None
    assert effects.write.entries == (noop,)
    assert effects.messages == (
        Append(CLUSTER, 2, 1, 2, 1, 1, 0, (noop,)),
        Append(CLUSTER, 3, 1, 2, 1, 1, 0, (noop,)),
    )


def test_a_leader_counts_itself_only_up_to_what_its_disk_holds() -> None:
    lone = settled()
    propose(lone, b"a")
    assert lone.receive(AppendReply, 1, 2, sender=2).committed == ()
    assert [entry.payload for entry in lone.write().committed] == [b"a"]


def test_the_end_of_one_write_does_not_count_for_the_next() -> None:
    lone = settled()
    propose(lone, b"a")
    first = lone.ticket
    propose(lone, b"b")
    lone.receive(AppendReply, 2, 3, sender=2)
    assert [entry.payload for entry in lone.write(first).committed] == [b"a"]
    assert [entry.payload for entry in lone.write().committed] == [b"b"]


def test_two_followers_commit_what_the_leaders_own_disk_does_not_hold_yet() -> None:
    lone = settled()
    propose(lone, b"a")
    lone.receive(AppendReply, 1, 2, sender=2)
    effects = lone.receive(AppendReply, 1, 2, sender=3)
    assert [entry.payload for entry in effects.committed] == [b"a"]
    assert lone.core.durable_index == 1


def test_a_sole_voter_waits_for_its_own_disk() -> None:
    lone = LoneCore((1,))
    lone.tick()
    lone.write()
    assert lone.core.commit == 0
    lone.write()
    assert lone.core.commit == 1
    assert lone.step(Propose((b"a",))).committed == ()
    assert [entry.payload for entry in lone.write().committed] == [b"a"]


def test_entries_of_older_terms_commit_only_behind_an_own_one() -> None:
    lone = LoneCore(log=[1, 1], term=1, append_bytes_max=1)
    lone.lead()
    lone.write()
    lone.receive(AppendReply, 2, 0, True, 0, 0)  # knows nothing: probe from the start
    lone.receive(AppendReply, 0, 1)
    lone.receive(AppendReply, 0, 2)
    assert lone.core.commit == 0  # a majority holds 1 and 2, but of an older term
    effects = lone.receive(AppendReply, 2, 3)
    assert [entry.index for entry in effects.committed] == [1, 2, 3]


def test_proposals_are_one_entry_for_each_payload_in_order() -> None:
    lone = settled()
    effects = lone.step(Propose((b"a", b"b")))
    assert effects.proposed is not None
    assert (effects.proposed.first_index, effects.proposed.term) == (2, 1)
    assert effects.write is not None
    assert [entry.payload for entry in effects.write.entries] == [b"a", b"b"]


def test_uncommitted_bytes_are_bounded_and_freed_by_commit() -> None:
    lone = settled(uncommitted_bytes_max=10)
    assert propose(lone, b"x" * 30) == 2  # alone, however large
    assert propose(lone, b"x") == 0
    lone.write()
    lone.receive(AppendReply, 1, 2)
    assert propose(lone, b"x" * 6) == 3
    assert propose(lone, b"x" * 6) == 0
    assert propose(lone, b"x" * 4) == 4
    assert propose(lone) == 0  # nothing to propose


def test_the_commit_index_travels_alone_only_when_the_log_is_quiet() -> None:
    lone = settled()
    propose(lone, b"a")
    propose(lone, b"b")
    lone.write()
    assert lone.receive(AppendReply, 1, 2).messages == ()
    effects = lone.receive(AppendReply, 2, 3)
    assert effects.messages == (
        Commit(CLUSTER, 2, 1, 1, 3, 1),
        Commit(CLUSTER, 3, 1, 1, 3, 1),
    )


def test_heartbeats_go_by_the_clock_and_tell_no_more_than_the_follower_holds() -> None:
    lone = settled()
    propose(lone, b"a")
    lone.write()
    lone.receive(AppendReply, 1, 2)
    assert lone.tick(HEARTBEAT_TICKS) == [
        Heartbeat(CLUSTER, 2, 1, 1, 2, 0),
        Heartbeat(CLUSTER, 3, 1, 1, 1, 0),
    ]


def test_a_leader_that_hears_no_quorum_steps_down() -> None:
    lone = settled()
    lone.tick(ELECTION_TICKS)
    assert lone.core.is_leader  # both had just answered
    lone.tick(ELECTION_TICKS)
    assert (lone.core.role, lone.core.term, lone.core.leader) == (Role.FOLLOWER, 1, 0)


def test_a_leader_that_hears_a_quorum_stays() -> None:
    lone = settled()
    for _ in range(5):
        lone.tick(ELECTION_TICKS)
        lone.receive(HeartbeatReply, 0)
    assert lone.core.is_leader


def test_stepping_down_keeps_the_vote() -> None:
    lone = settled()
    lone.tick(2 * ELECTION_TICKS)
    assert lone.core._state.vote == 1


def test_a_newer_term_makes_a_follower() -> None:
    lone = settled()
    lone.receive(AppendReply, 0, 0, True, term=9)
    assert (lone.core.role, lone.core.term) == (Role.FOLLOWER, 9)


def test_answers_from_strangers_and_from_the_future_are_refused() -> None:
    lone = settled()
    lone.receive(AppendReply, 0, 1, sender=9)
    lone.receive(AppendReply, 0, 99)
    lone.receive(HeartbeatReply, 0, sender=9)
    lone.receive(HeartbeatReply, 5)
    assert lone.core.refused == 4
    lone.receive(Append, 0, 0, 0)
    lone.receive(Heartbeat, 0, 0)
    assert lone.core.refused == 6  # two leaders in one term cannot be
    assert lone.core.is_leader


def test_a_transfer_waits_for_the_target_to_catch_up_and_stops_proposals() -> None:
    lone = settled()
    propose(lone, b"a")
    assert lone.step(Transfer(NodeId(2))).messages == ()
    assert lone.core.transferee == 2
    assert propose(lone, b"b") == 0
    effects = lone.receive(AppendReply, 1, 2)
    assert effects.messages[-1] == TimeoutNow(CLUSTER, 2, 1, 1)


def test_a_transfer_to_nobody_in_particular_takes_the_most_advanced_voter() -> None:
    lone = settled()
    propose(lone, b"a")
    lone.receive(AppendReply, 1, 2, sender=3)
    effects = lone.step(Transfer(NodeId(0)))
    assert effects.messages == (TimeoutNow(CLUSTER, 3, 1, 1),)


def test_a_transfer_that_does_not_happen_is_given_up() -> None:
    lone = settled()
    lone.step(Transfer(NodeId(2)))
    lone.tick(ELECTION_TICKS)
    assert lone.core.transferee == 0
    assert propose(lone, b"b") == 2


def test_a_transfer_to_itself_a_stranger_or_a_learner_is_ignored() -> None:
    lone = LoneCore((1, 2), learners=(4,))
    lone.lead()
    for target in (1, 9, 4):
        lone.step(Transfer(NodeId(target)))
        assert lone.core.transferee == 0


def change(lone: LoneCore, members: Membership) -> int:
    proposed = lone.step(ProposeMembership(members)).proposed
    assert proposed is not None
    return proposed.first_index


def test_members_change_one_at_a_time_and_only_after_an_own_commit() -> None:
    lone = LoneCore()
    lone.lead()
    lone.write()
    for sender in (2, 3):
        lone.receive(AppendReply, 0, 0, sender=sender)  # alive, but still without our entry
    assert change(lone, Membership((1, 2, 3), (4,))) == 0  # nothing of this term is committed
    lone.receive(AppendReply, 0, 1)
    lone.receive(AppendReply, 0, 1, sender=3)
    assert change(lone, Membership((1, 2, 3), (4,))) == 2
    assert lone.effects.membership == Membership((1, 2, 3), (4,))
    assert change(lone, Membership((1, 2, 3), (4, 5))) == 0  # one is in flight
    lone.write()
    lone.receive(AppendReply, 1, 2)
    assert change(lone, Membership((1, 2, 3), (4, 5))) == 3


def test_a_new_voter_must_have_caught_up_as_a_learner() -> None:
    lone = settled()
    assert change(lone, Membership((1, 2, 3, 4))) == 0  # never seen
    assert change(lone, Membership((1, 2, 3), (4,))) == 2
    lone.write()
    lone.receive(AppendReply, 1, 2)
    assert change(lone, Membership((1, 2, 3, 4))) == 0  # has not answered yet
    lone.receive(AppendReply, 1, 0, True, 0, 0, sender=4)
    lone.receive(AppendReply, 0, 2, sender=4)
    assert change(lone, Membership((1, 2, 3, 4))) == 3


def test_a_change_whose_quorum_is_not_alive_is_refused() -> None:
    lone = settled()
    lone.receive(HeartbeatReply, 0, sender=2)
    lone.tick(ELECTION_TICKS)
    lone.receive(HeartbeatReply, 0, sender=2)
    assert change(lone, Membership((1, 3))) == 0  # 3 is silent
    assert change(lone, Membership((1, 2))) == 2


def test_a_removed_leader_does_not_count_itself_and_steps_down_when_it_is_committed() -> None:
    lone = settled()
    assert change(lone, Membership((2, 3))) == 2
    lone.write()
    lone.receive(AppendReply, 1, 2, sender=2)
    assert lone.core.commit == 1  # itself and 2 would be a majority of the old three
    assert lone.core.is_leader
    assert propose(lone, b"late") == 0
    effects = lone.receive(AppendReply, 1, 2, sender=3)
    assert [entry.index for entry in effects.committed] == [2]
    assert lone.core.role is Role.FOLLOWER
    assert TimeoutNow(CLUSTER, 2, 1, 1) in effects.messages
    assert lone.tick(5 * ELECTION_TICKS) == []


def test_a_learner_gets_entries_and_is_not_counted() -> None:
    lone = LoneCore((1, 2, 3), learners=(4,))
    effects = lone.lead()
    assert [message.to for message in effects.messages] == [2, 3, 4]
    lone.write()
    lone.receive(AppendReply, 0, 1, sender=4)
    assert lone.core.commit == 0


def test_leaving_joint_consensus_can_commit_what_waited_for_the_old_half() -> None:
    lone = LoneCore((1, 2), outgoing=(1, 3))
    lone.lead()
    lone.write()
    lone.receive(AppendReply, 0, 1, sender=2)
    assert lone.core.commit == 0
    lone.receive(AppendReply, 0, 1, sender=3)
    assert lone.core.commit == 1
    assert change(lone, Membership((1, 2))) == 2
    lone.write()
    lone.receive(AppendReply, 1, 2, sender=2)
    assert lone.core.commit == 2
    assert [progress.node for progress in lone.core.followers] == [2]


def test_votes_that_arrive_late_change_nothing() -> None:
    lone = settled()
    assert lone.receive(VoteReply, True, sender=3).messages == ()
    assert lone.core.is_leader


def test_what_a_leader_appended_is_never_taken_back_by_it() -> None:
    lone = settled()
    propose(lone, b"a")
    lone.receive(AppendReply, 1, 0, True, 0, 0)
    assert lone.core.last_index == LogIndex(2)
