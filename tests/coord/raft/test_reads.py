"""Read index: rounds that prove leadership, questions that followers forward."""

from coord.raft.messages import (
    AppendReply,
    Heartbeat,
    HeartbeatReply,
    Message,
    PreVoteReply,
    ReadIndex,
    ReadIndexReply,
)
from coord.testing.lone_core import CLUSTER, ELECTION_TICKS, HEARTBEAT_TICKS, LoneCore


def settled(voters: tuple[int, ...] = (1, 2, 3)) -> LoneCore:
    lone = LoneCore(voters)
    lone.lead()
    lone.write()
    for sender in voters[1:]:
        lone.receive(AppendReply, 0, 1, sender=sender)
    return lone


def rounds(messages: tuple[Message, ...] | list[Message]) -> list[int]:
    return [message.round for message in messages if isinstance(message, Heartbeat)]


def answers(lone: LoneCore) -> list[tuple[int, int]]:
    return [(ready.context, ready.index) for ready in lone.effects.reads]


def questions(lone: LoneCore) -> list[int]:
    return [m.context for m in lone.effects.messages if isinstance(m, ReadIndex)]


def test_a_read_is_answered_by_a_quorum_that_followed_after_it_came() -> None:
    lone = settled()
    assert rounds(lone.read(7).messages) == [1, 1]
    lone.receive(HeartbeatReply, 1)
    assert answers(lone) == [(7, 1)]


def test_a_reply_to_an_older_round_proves_nothing() -> None:
    lone = settled()
    lone.read(7)
    lone.receive(HeartbeatReply, 0)
    assert answers(lone) == []


def test_a_read_that_comes_while_a_round_is_out_waits_for_the_next() -> None:
    lone = settled()
    lone.read(1)
    assert lone.read(2).messages == ()
    lone.read(3)
    effects = lone.receive(HeartbeatReply, 1)
    assert answers(lone) == [(1, 1)]
    assert rounds(effects.messages) == [2, 2]  # at once, for both
    lone.receive(HeartbeatReply, 1, sender=3)
    assert answers(lone) == []
    lone.receive(HeartbeatReply, 2, sender=3)
    assert answers(lone) == [(2, 1), (3, 1)]


def test_one_peer_answering_twice_is_one_answer() -> None:
    lone = settled((1, 2, 3, 4, 5))
    lone.read(1)
    lone.receive(HeartbeatReply, 1)
    lone.receive(HeartbeatReply, 1)
    assert answers(lone) == []


def test_a_new_leader_serves_no_read_before_an_own_entry_is_committed() -> None:
    lone = LoneCore(log=[1], term=1)
    lone.lead()
    assert rounds(lone.read(5).messages) == []
    lone.write()
    effects = lone.receive(AppendReply, 1, 2)
    assert rounds(effects.messages) == [1, 1]
    lone.receive(HeartbeatReply, 1)
    assert answers(lone) == [(5, 2)]


def test_the_clocks_heartbeats_repeat_a_round_whose_own_were_lost() -> None:
    lone = settled()
    lone.read(7)
    assert rounds(lone.tick(HEARTBEAT_TICKS)) == [1, 1]
    lone.receive(HeartbeatReply, 1)
    assert answers(lone) == [(7, 1)]


def test_a_sole_voter_answers_at_once() -> None:
    lone = LoneCore((1,))
    lone.lead()
    lone.write()
    lone.read(3)
    assert answers(lone) == [(3, 1)]


def test_reads_fail_when_the_leader_steps_down() -> None:
    lone = settled()
    lone.read(1)
    lone.read(2)
    lone.receive(AppendReply, 0, 0, True, term=9)
    assert answers(lone) == [(1, 0), (2, 0)]


def test_reads_fail_after_an_election_timeout_without_an_answer() -> None:
    lone = settled()
    lone.read(1)
    lone.tick(ELECTION_TICKS)
    assert answers(lone) == [(1, 0)]


def test_a_peers_question_is_answered_to_the_peer_under_its_context() -> None:
    lone = settled()
    lone.receive(ReadIndex, 99, sender=3)
    lone.receive(ReadIndex, 99, sender=3)  # repeated: still one question
    effects = lone.receive(HeartbeatReply, 1)
    replies = [m for m in effects.messages if isinstance(m, ReadIndexReply)]
    assert replies == [ReadIndexReply(CLUSTER, 3, 1, 1, 99, 1)]


def test_a_stranger_is_told_nothing() -> None:
    lone = settled()
    assert lone.receive(ReadIndex, 5, sender=9).messages == ()
    assert lone.core.refused == 1


def test_a_learner_may_ask() -> None:
    lone = LoneCore((1,), learners=(4,))
    lone.lead()
    lone.write()
    effects = lone.receive(ReadIndex, 5, sender=4)
    assert effects.messages[-1] == ReadIndexReply(CLUSTER, 4, 1, 1, 5, 1)


def following() -> LoneCore:
    lone = LoneCore(term=3)
    lone.receive(Heartbeat, 0, 0)
    return lone


def test_a_follower_without_a_leader_fails_a_read_at_once() -> None:
    lone = LoneCore(term=3)
    lone.read(4)
    assert answers(lone) == [(4, 0)]


def test_a_follower_asks_under_a_context_of_its_own() -> None:
    lone = following()
    lone.read(4)
    (context,) = questions(lone)
    lone.receive(ReadIndexReply, context, 8)
    assert answers(lone) == [(4, 8)]


def test_reads_that_come_while_a_question_is_out_share_the_next_one() -> None:
    lone = following()
    lone.read(1)
    (first,) = questions(lone)
    for context in (2, 3):
        assert lone.read(context).messages == ()
    lone.receive(ReadIndexReply, first, 8)
    assert answers(lone) == [(1, 8)]
    (second,) = questions(lone)
    assert second != first
    lone.receive(ReadIndexReply, first, 99)  # the old answer again
    assert answers(lone) == []
    lone.receive(ReadIndexReply, second, 9)
    assert answers(lone) == [(2, 9), (3, 9)]


def test_an_answer_from_somebody_who_is_not_the_leader_is_not_taken() -> None:
    lone = following()
    lone.read(1)
    (context,) = questions(lone)
    lone.receive(ReadIndexReply, context, 8, sender=3)
    assert answers(lone) == []


def test_a_lost_question_is_repeated_and_given_up_after_a_timeout() -> None:
    lone = following()
    lone.read(1)
    (context,) = questions(lone)
    sent = [m for m in lone.tick(HEARTBEAT_TICKS) if isinstance(m, ReadIndex)]
    assert [m.context for m in sent] == [context]
    lone.receive(Heartbeat, 0, 0)
    lone.tick(ELECTION_TICKS - HEARTBEAT_TICKS)
    assert answers(lone) == [(1, 0)]


def test_forwarded_reads_fail_when_the_leader_is_lost_or_changes() -> None:
    lone = following()
    lone.read(1)
    lone.read(2)
    lone.receive(Heartbeat, 0, 0, sender=3, term=4)
    assert answers(lone) == [(1, 0), (2, 0)]


def test_a_context_is_not_used_again_after_a_term_and_back() -> None:
    lone = following()
    lone.read(1)
    (first,) = questions(lone)
    lone.tick(ELECTION_TICKS)  # gives up and asks for votes, in the same term
    lone.receive(PreVoteReply, False, sender=2)
    lone.receive(Heartbeat, 0, 0)
    lone.read(2)
    (second,) = questions(lone)
    assert second != first
    lone.receive(ReadIndexReply, first, 99)
    assert answers(lone) == []
