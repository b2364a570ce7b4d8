"""Asking first, then standing."""

from coord.ids import NodeId
from coord.raft.messages import (
    Append,
    Heartbeat,
    PreVote,
    PreVoteReply,
    Propose,
    Role,
    Transfer,
    Vote,
    VoteReply,
)
from coord.testing.lone_core import CLUSTER, ELECTION_TICKS, LoneCore, entries_of


def test_a_silent_leader_is_first_asked_about_not_stood_against() -> None:
    lone = LoneCore(log=[1, 1], term=1)
    sent = lone.tick(ELECTION_TICKS)
    assert sent == [PreVote(CLUSTER, 2, 1, 2, 2, 1), PreVote(CLUSTER, 3, 1, 2, 2, 1)]
    assert (lone.core.role, lone.core.term) == (Role.PRE_CANDIDATE, 1)
    assert lone.effects.write is None


def test_a_majority_of_pre_votes_makes_a_candidate_whose_request_waits_for_the_disk() -> None:
    lone = LoneCore()
    lone.tick(ELECTION_TICKS)
    effects = lone.receive(PreVoteReply, True, term=1)
    assert (lone.core.role, lone.core.term) == (Role.CANDIDATE, 1)
    assert effects.messages == ()
    assert lone.write().messages == (Vote(CLUSTER, 2, 1, 1, 0, 0), Vote(CLUSTER, 3, 1, 1, 0, 0))


def test_pre_votes_that_cannot_win_end_the_asking() -> None:
    lone = LoneCore()
    lone.tick(ELECTION_TICKS)
    lone.receive(PreVoteReply, False, sender=2, term=0 + 1)
    assert lone.core.role is Role.FOLLOWER  # the refusal came from a newer term
    assert lone.core.term == 1


def test_a_refusal_of_the_same_term_is_counted() -> None:
    lone = LoneCore(term=3)
    lone.tick(ELECTION_TICKS)
    roles = []
    for sender in (2, 3):
        lone.receive(PreVoteReply, False, sender=sender)
        roles.append(lone.core.role)
    assert roles == [Role.PRE_CANDIDATE, Role.FOLLOWER]


def test_a_grant_for_another_term_is_not_counted() -> None:
    lone = LoneCore(term=3)
    lone.tick(ELECTION_TICKS)
    lone.receive(PreVoteReply, True, term=9)
    assert (lone.core.role, lone.core.term) == (Role.PRE_CANDIDATE, 3)


def test_a_vote_counts_once_for_each_voter_and_never_for_strangers() -> None:
    lone = LoneCore((1, 2, 3, 4, 5))
    lone.stand()
    lone.receive(VoteReply, True, sender=2)
    lone.receive(VoteReply, True, sender=2)
    lone.receive(VoteReply, True, sender=9)
    assert lone.core.role is Role.CANDIDATE
    lone.receive(VoteReply, True, sender=3)
    assert lone.core.is_leader


def test_a_changed_answer_does_not_count() -> None:
    lone = LoneCore()
    lone.stand()
    lone.receive(VoteReply, False, sender=2)
    lone.receive(VoteReply, True, sender=2)
    assert lone.core.role is Role.CANDIDATE


def test_its_own_vote_counts_only_once_it_is_durable() -> None:
    lone = LoneCore()
    lone.tick(ELECTION_TICKS)
    lone.receive(PreVoteReply, True, term=1)
    lone.receive(VoteReply, True, sender=2)
    assert lone.core.role is Role.CANDIDATE
    lone.write()
    assert lone.core.is_leader


def test_the_end_of_an_older_write_does_not_make_its_vote_durable() -> None:
    lone = LoneCore()
    lone.receive(Append, 0, 0, 0, entries_of([1]), term=1)
    older = lone.ticket
    lone.tick(ELECTION_TICKS)
    lone.receive(PreVoteReply, True, term=2)
    lone.receive(VoteReply, True, sender=2)
    lone.write(older)
    assert not lone.core.is_leader
    lone.write()
    assert lone.core.role is Role.LEADER


def test_a_lost_election_makes_a_follower() -> None:
    lone = LoneCore()
    lone.stand()
    lone.receive(VoteReply, False, sender=2)
    lone.receive(VoteReply, False, sender=3)
    assert (lone.core.role, lone.core.term, lone.core.leader) == (Role.FOLLOWER, 1, 0)


def test_a_candidate_follows_whoever_won_its_term() -> None:
    for kind, fields in ((Heartbeat, (0, 0)), (Append, (0, 0, 0))):
        lone = LoneCore()
        lone.stand()
        lone.receive(kind, *fields, sender=3)
        assert (lone.core.role, lone.core.leader) == (Role.FOLLOWER, 3)


def test_an_undecided_election_is_started_over_by_asking() -> None:
    lone = LoneCore()
    lone.stand()
    lone.tick(ELECTION_TICKS)
    assert (lone.core.role, lone.core.term) == (Role.PRE_CANDIDATE, 1)
    sent = lone.tick(ELECTION_TICKS)
    assert sent[0] == PreVote(CLUSTER, 2, 1, 2, 0, 0)


def test_a_sole_voter_leads_at_its_first_tick() -> None:
    lone = LoneCore((1,))
    lone.tick()
    lone.write()
    assert lone.core.is_leader
    assert lone.core.term == 1


def test_a_candidate_refuses_proposals_and_reads_and_cannot_hand_over() -> None:
    lone = LoneCore()
    lone.stand()
    proposed = lone.step(Propose((b"x",))).proposed
    assert proposed is not None
    assert proposed.first_index == 0
    assert [(ready.context, ready.index) for ready in lone.read(5).reads] == [(5, 0)]
    assert lone.step(Transfer(NodeId(2))).messages == ()


def test_in_joint_consensus_both_halves_must_agree() -> None:
    lone = LoneCore((1, 2, 3), outgoing=(4, 5, 6))
    lone.stand()
    for sender in (2, 3, 4):
        lone.receive(VoteReply, True, sender=sender)
    assert lone.core.role is Role.CANDIDATE
    lone.receive(VoteReply, True, sender=5)
    assert lone.core.is_leader
