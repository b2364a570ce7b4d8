"""What Raft implementations got wrong about elections, each kept from coming back here."""

from coord.ids import NodeId
from coord.raft.messages import (
    HardState,
    Membership,
    ProposeMembership,
    Role,
    Transfer,
    Vote,
    VoteReply,
    Written,
)
from coord.testing.cores import CoreGroup
from coord.testing.lone_core import CLUSTER, ELECTION_TICKS, LoneCore, lone_settings


def group_of(size: int) -> CoreGroup:
    return CoreGroup(size, settings=lambda node: lone_settings(node))


def test_1_term_and_vote_survive_a_crash_between_writing_and_answering() -> None:
    lone = LoneCore()
    lone.receive(Vote, 0, 0, sender=2, term=1)
    write = lone.effects.write
    assert write is not None
    assert write.hard_state == HardState(1, 2, 0)
    again = LoneCore(term=1, vote=2)  # the write reached the disk, the answer did not leave
    assert again.receive(Vote, 0, 0, sender=3, term=1).messages == (
        VoteReply(CLUSTER, 3, 1, 1, False),
    )


def test_1_a_crash_before_the_write_forgets_a_vote_that_nobody_heard_of() -> None:
    group = group_of(3)
    group.tick(1, 2 * ELECTION_TICKS)
    group.deliver()
    group.deliver()
    while group.network:
        group.deliver()
    group.finish_job(1)
    for _ in range(2):
        group.deliver()  # vote requests: the votes are being written
    assert group.network == []
    group.crash(2)
    group.crash(3)
    group.restart(2)
    group.restart(3)
    group.run(100)
    assert len(group.leaders) == 1


def test_4_a_node_cut_off_for_long_changes_neither_leader_nor_term_on_coming_back() -> None:
    group = group_of(3)
    group.elect(1)
    group.isolate(3)
    group.run(1000)
    term = group.cores[1].term
    group.heal()
    group.run(100)
    assert group.leaders == [1]
    assert group.cores[1].term == term
    assert group.cores[3].leader == 1


def test_5_a_removed_server_that_never_heard_of_it_cannot_disturb() -> None:
    group = group_of(3)
    group.elect(1)
    group.isolate(3)
    group.step(1, ProposeMembership(Membership((1, 2))))
    group.settle()
    term = group.cores[1].term
    group.heal()
    group.run(500)
    assert group.leaders == [1]
    assert group.cores[1].term == term


def test_6_a_transfer_wins_at_once_although_the_others_hear_their_leader() -> None:
    group = group_of(3)
    group.elect(1)
    group.run(5)
    group.step(1, Transfer(NodeId(3)))
    group.settle()
    assert group.leaders == [3]


def test_7_a_leader_that_can_send_but_hears_nothing_steps_down() -> None:
    group = group_of(3)
    group.elect(1)
    group.cut.update({(2, 1), (3, 1)})
    group.run(3 * ELECTION_TICKS)
    assert not group.cores[1].is_leader
    group.run(5 * ELECTION_TICKS)
    assert group.leaders != [1]
    assert len(group.leaders) == 1


def test_8_a_node_stuck_in_a_higher_term_with_an_old_log_recovers() -> None:
    # It ignores the leader of the lower term and cannot win: its answers must tell the term.
    group = group_of(3)
    group.elect(1)
    group.crash(3)
    group.disks[3].hard = HardState(9, 3, 0)
    group.checks._members[3].durable_hard = HardState(9, 3, 0)
    group.restart(3)
    group.propose(1, b"x")
    group.settle()
    group.run(20 * ELECTION_TICKS)
    (leader,) = group.leaders
    assert leader in (1, 2)
    assert group.cores[3].leader == leader
    group.check_converged()


def test_9_stepping_down_keeps_the_vote_and_leaves_the_entries() -> None:
    lone = LoneCore()
    lone.lead()
    lone.tick(2 * ELECTION_TICKS)
    assert lone.core.role is Role.FOLLOWER
    assert lone.receive(Vote, 9, 0, sender=2, term=1).messages == (
        VoteReply(CLUSTER, 2, 1, 1, False),
    )
    assert lone.core.last_index == 1


def test_10_a_vote_granted_in_an_earlier_term_is_not_counted() -> None:
    lone = LoneCore()
    lone.stand()
    lone.tick(ELECTION_TICKS)
    lone.stand()
    assert lone.core.term == 2
    lone.receive(VoteReply, True, sender=2, term=1)
    assert not lone.core.is_leader


def test_11_a_stalled_disk_lets_the_others_elect_and_the_old_leader_step_down() -> None:
    group = group_of(3)
    group.elect(1)
    group.propose(1, b"x")
    for _ in range(6 * ELECTION_TICKS):  # the disk of 1 does nothing; its loop goes on
        for node in group.nodes:
            group.tick(node)
        busy = [node for node in (2, 3) if group.disks[node].jobs]
        while busy or group.network:
            if busy:
                group.finish_job(busy[0])
            else:
                group.deliver()
            busy = [node for node in (2, 3) if group.disks[node].jobs]
    # It still leads: heartbeats do not wait for its disk, and a quorum of others commits.
    assert group.leaders == [1]
    assert group.checks.log[-1].payload == b"x"
    assert group.cores[1].durable_index < group.cores[1].commit


def test_11_a_follower_whose_disk_stalls_still_answers_heartbeats() -> None:
    group = group_of(3)
    group.elect(1)
    group.propose(1, b"x")
    while group.network:
        group.deliver()
    assert group.disks[2].jobs
    group.tick(1, 2)
    sent = len(group.network)
    group.deliver()
    assert len(group.network) == sent  # one heartbeat taken, one answer sent
    assert group.network[-1].sender == 2


def test_33_in_joint_consensus_neither_half_elects_alone() -> None:
    members = Membership((1, 2, 3), (), (4, 5, 6))
    group = CoreGroup(6, members=members, settings=lambda node: lone_settings(node))
    group.isolate(1, 2, 3)
    group.run(20 * ELECTION_TICKS)
    assert group.leaders == []
    group.heal()
    group.run(20 * ELECTION_TICKS)
    assert len(group.leaders) == 1


def test_31_a_learner_answers_a_candidate_that_knows_it_votes() -> None:
    lone = LoneCore((2, 3), learners=(1,))
    lone.receive(Vote, 5, 1, term=2)
    assert lone.step(Written(lone.ticket)).messages == (VoteReply(CLUSTER, 2, 1, 2, True),)
