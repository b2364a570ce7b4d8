"""What Raft implementations got wrong about reads: stale answers, reused proofs."""

from coord.raft.messages import AppendReply, Heartbeat, HeartbeatReply, ReadIndex, ReadIndexReply
from coord.testing.cores import CoreGroup
from coord.testing.lone_core import ELECTION_TICKS, LoneCore, lone_settings


def group_of(size: int) -> CoreGroup:
    return CoreGroup(size, settings=lambda node: lone_settings(node))


def test_24_a_paused_leader_does_not_answer_after_another_was_elected() -> None:
    group = group_of(3)
    group.elect(1)
    group.isolate(1)  # paused: no ticks, no messages
    group.elect(2)
    group.propose(2, b"x")
    group.settle()
    context = group.read(1)  # it wakes up with a read
    group.heal()
    group.settle()
    assert group.answers.get(context, 0) == 0
    group.run(3 * ELECTION_TICKS)
    assert group.answers[context] == 0


def test_24_answers_to_the_first_try_do_not_serve_the_second() -> None:
    group = group_of(3)
    group.elect(1)
    first = group.read(1)
    replies = []
    while group.network:
        message = group.network[0]
        if isinstance(message, HeartbeatReply):
            replies.append(group.network.pop(0))
        else:
            group.deliver()
    group.tick(1, ELECTION_TICKS)
    assert group.answers[first] == 0
    group.network.clear()
    second = group.read(1)
    group.network[:] = list(replies)  # acknowledgements of the first round, late
    while group.network:
        group.deliver()
    assert second not in group.answers


def test_24_a_new_leader_reads_nothing_before_an_own_entry_is_committed() -> None:
    lone = LoneCore(log=[1], term=1)
    lone.lead()
    lone.write()
    lone.read(1)
    lone.receive(HeartbeatReply, 0)
    assert not lone.effects.reads
    lone.receive(AppendReply, 1, 2)
    lone.receive(HeartbeatReply, 1)
    assert [ready.index for ready in lone.effects.reads] == [2]


def test_24_in_joint_consensus_a_read_needs_both_halves() -> None:
    lone = LoneCore((1, 2, 3), outgoing=(4, 5, 6))
    lone.lead()
    lone.write()
    for sender in (2, 4, 5):
        lone.receive(AppendReply, 0, 1, sender=sender)
    assert lone.core.commit == 1
    lone.read(1)
    lone.receive(HeartbeatReply, 1, sender=2)
    lone.receive(HeartbeatReply, 1, sender=3)
    assert not lone.effects.reads
    lone.receive(HeartbeatReply, 1, sender=4)
    lone.receive(HeartbeatReply, 1, sender=5)
    assert [ready.index for ready in lone.effects.reads] == [1]


def test_24_an_answer_meant_for_an_earlier_life_of_this_node_is_not_taken() -> None:
    lives = []
    for start in (100, 900):
        lone = LoneCore(term=3)
        lone.core._state._context = start  # what the draw gave in each life
        lone.receive(Heartbeat, 0, 0)
        (question,) = (m for m in lone.read(1).messages if isinstance(m, ReadIndex))
        lives.append((lone, question.context))
    (_, before), (lone, now) = lives
    assert before != now
    lone.receive(ReadIndexReply, before, 5)
    assert lone.effects.reads == ()


def test_26_reads_of_a_deposed_leader_fail_and_may_be_asked_again() -> None:
    group = group_of(3)
    group.elect(1)
    group.isolate(1)
    context = group.read(1)
    group.run(3 * ELECTION_TICKS)
    assert group.answers[context] == 0
    group.heal()
    group.run(5 * ELECTION_TICKS)
    again = group.read(1)
    group.run(ELECTION_TICKS)
    assert group.answers[again] > 0
