"""Who gets a vote, and who is told off."""

import pytest

from coord.raft.messages import Heartbeat, PreVote, PreVoteReply, Role, Vote, VoteReply
from coord.testing.lone_core import CLUSTER, ELECTION_TICKS, LoneCore


@pytest.mark.parametrize(
    ("last_index", "last_term", "granted"),
    [(3, 2, True), (9, 2, True), (1, 3, True), (2, 2, False), (99, 1, False)],
)
def test_the_last_term_counts_before_the_last_index(
    last_index: int, last_term: int, granted: bool
) -> None:
    lone = LoneCore(log=[1, 2, 2], term=3)
    lone.receive(Vote, last_index, last_term, term=4)
    assert lone.write().messages == (VoteReply(CLUSTER, 2, 1, 4, granted),)


def test_a_vote_leaves_only_when_it_is_durable() -> None:
    lone = LoneCore()
    effects = lone.receive(Vote, 0, 0, term=1)
    assert effects.messages == ()
    assert effects.write is not None
    assert effects.write.hard_state is not None
    assert (effects.write.hard_state.term, effects.write.hard_state.vote) == (1, 2)
    assert lone.write().messages == (VoteReply(CLUSTER, 2, 1, 1, True),)


def test_one_vote_for_a_term_even_across_a_restart() -> None:
    lone = LoneCore(term=5, vote=2)
    assert lone.receive(Vote, 9, 4, sender=3, term=5).messages == (
        VoteReply(CLUSTER, 3, 1, 5, False),
    )
    assert lone.receive(Vote, 9, 4, sender=2, term=5).messages == (
        VoteReply(CLUSTER, 2, 1, 5, True),
    )


def test_a_vote_is_not_given_to_anyone_once_the_term_has_a_leader() -> None:
    lone = LoneCore(term=5)
    lone.receive(Heartbeat, 0, 0, sender=3, term=5)
    assert lone.receive(Vote, 9, 4, term=5).messages == (VoteReply(CLUSTER, 2, 1, 5, False),)


def test_a_pre_vote_changes_nothing() -> None:
    lone = LoneCore(term=5)
    effects = lone.receive(PreVote, 0, 0, term=6)
    assert effects.messages == (PreVoteReply(CLUSTER, 2, 1, 6, True),)
    assert effects.write is None
    assert effects.standing is None
    assert lone.core.term == 5


def test_a_pre_vote_is_refused_to_a_log_that_lacks_entries() -> None:
    lone = LoneCore(log=[1, 2], term=5)
    assert lone.receive(PreVote, 1, 1, term=6).messages == (PreVoteReply(CLUSTER, 2, 1, 5, False),)


@pytest.mark.parametrize("kind", [PreVote, Vote])
def test_requests_are_passed_over_while_a_leader_is_heard(kind: type) -> None:
    lone = LoneCore(term=5)
    lone.receive(Heartbeat, 0, 0, sender=3, term=5)
    lone.tick(ELECTION_TICKS - 1)
    assert lone.receive(kind, 9, 4, term=9).messages == ()
    assert lone.core.term == 5


def test_a_vote_that_the_leader_asked_for_is_not_passed_over() -> None:
    lone = LoneCore(term=5)
    lone.receive(Heartbeat, 0, 0, sender=3, term=5)
    lone.receive(Vote, 9, 4, True, term=6)
    assert lone.write().messages == (VoteReply(CLUSTER, 2, 1, 6, True),)


def test_candidates_of_an_older_term_are_told_the_term() -> None:
    lone = LoneCore(term=5)
    assert lone.receive(PreVote, 0, 0, term=4).messages == (PreVoteReply(CLUSTER, 2, 1, 5, False),)
    assert lone.receive(Vote, 0, 0, term=4).messages == (VoteReply(CLUSTER, 2, 1, 5, False),)


def test_a_learner_and_a_node_without_members_answer_too() -> None:
    for lone in (LoneCore((2, 3), learners=(1,)), LoneCore(())):
        lone.receive(Vote, 0, 0, term=1)
        assert lone.write().messages == (VoteReply(CLUSTER, 2, 1, 1, True),)


def test_granting_a_vote_restarts_the_timer() -> None:
    lone = LoneCore()
    lone.tick(ELECTION_TICKS - 1)
    lone.receive(Vote, 0, 0, term=1)
    lone.tick(ELECTION_TICKS - 1)
    assert lone.core.role is Role.FOLLOWER
