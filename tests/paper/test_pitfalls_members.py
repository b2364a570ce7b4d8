"""What Raft implementations got wrong about changing members, each kept from coming back."""

from coord.raft.messages import Membership, ProposeMembership
from coord.testing.cores import CoreGroup
from coord.testing.lone_core import ELECTION_TICKS, lone_settings


def group_of(size: int, members: Membership | None = None) -> CoreGroup:
    return CoreGroup(size, members=members, settings=lambda node: lone_settings(node))


def change(group: CoreGroup, node: int, members: Membership) -> int:
    proposed = group.step(node, ProposeMembership(members)).proposed
    assert proposed is not None
    return proposed.first_index


def test_29_two_leaders_cannot_each_change_the_members_by_one() -> None:
    # The schedule of the 2015 erratum: 1 adds 5 in its term and is cut off; 2, elected, may not
    # remove 1 before an entry of its own term is committed, which overrides the addition.
    group = CoreGroup(
        5,
        members=Membership((1, 2, 3, 4)),
        draw=lambda _low, high: high,
        settings=lambda node: lone_settings(node),
    )
    group.elect(1)
    group.isolate(1)
    assert change(group, 1, Membership((1, 2, 3, 4), (5,)))
    for node in (3, 4):
        group.tick(node, ELECTION_TICKS)
    group.tick(2, 2 * ELECTION_TICKS)
    while not group.cores[2].is_leader:
        busy = [node for node in (2, 3, 4) if group.disks[node].jobs]
        if busy:
            group.finish_job(busy[0])
        else:
            group.deliver()
    assert change(group, 2, Membership((2, 3, 4))) == 0
    group.settle()
    assert change(group, 2, Membership((2, 3, 4))) > 0


def test_29_one_change_at_a_time() -> None:
    group = group_of(5, Membership((1, 2, 3)))
    group.elect(1)
    assert change(group, 1, Membership((1, 2, 3), (4,)))
    assert change(group, 1, Membership((1, 2, 3), (4, 5))) == 0
    group.settle()
    assert change(group, 1, Membership((1, 2, 3), (4, 5)))


def test_30_a_list_that_is_overwritten_is_rolled_back() -> None:
    group = group_of(3)
    group.elect(1)
    group.isolate(1)
    assert change(group, 1, Membership((1, 2)))
    assert group.cores[1].membership == Membership((1, 2))
    group.elect(2)
    group.heal()
    group.run(3 * ELECTION_TICKS)
    assert group.cores[1].membership == Membership((1, 2, 3))
    group.check_converged()


def test_31_a_new_server_joins_as_a_learner_and_writes_go_on_meanwhile() -> None:
    group = group_of(4, Membership((1, 2, 3)))
    group.elect(1)
    for number in range(20):
        group.propose(1, b"%d" % number)
    group.settle()
    group.crash(3)
    assert change(group, 1, Membership((1, 2, 3), (4,)))
    group.cut.update({(1, 4), (4, 1)})  # it does not even answer
    group.propose(1, b"during")
    group.run(ELECTION_TICKS, nodes=(1, 2, 4))
    assert group.checks.log[-1].payload == b"during"
    assert change(group, 1, Membership((1, 2, 3, 4))) == 0  # not before it has caught up
    group.heal()
    group.run(ELECTION_TICKS, nodes=(1, 2, 4))
    assert change(group, 1, Membership((1, 2, 3, 4))) > 0


def test_32_a_leader_can_remove_itself_from_two_and_from_three() -> None:
    for size in (2, 3):
        group = group_of(size)
        group.elect(1)
        rest = tuple(range(2, size + 1))
        assert change(group, 1, Membership(rest))
        group.settle()
        group.run(5 * ELECTION_TICKS)
        (leader,) = group.leaders
        assert leader in rest
        assert group.cores[leader].membership == Membership(rest)


def test_32_a_removal_that_only_the_leader_holds_can_still_be_finished_by_it() -> None:
    group = group_of(2)
    group.elect(1)
    assert change(group, 1, Membership((2,)))
    group.network.clear()
    group.finish_job(1)
    group.crash(1)
    group.restart(1)
    group.run(20 * ELECTION_TICKS)
    assert group.leaders == [2]
    assert group.cores[2].membership == Membership((2,))


def test_33_joint_consensus_replaces_everyone_at_once() -> None:
    group = group_of(6, Membership((1, 2, 3)))
    group.elect(1)
    assert change(group, 1, Membership((1, 2, 3), (4, 5, 6)))
    group.settle()
    assert change(group, 1, Membership((4, 5, 6), (), (1, 2, 3)))
    group.settle()
    assert change(group, 1, Membership((4, 5, 6)))
    group.settle()
    group.run(5 * ELECTION_TICKS)
    (leader,) = group.leaders
    assert leader in (4, 5, 6)
    group.propose(leader, b"new house")
    group.settle()
    assert group.checks.log[-1].payload == b"new house"


def test_36_a_cut_off_leader_cannot_remove_the_others() -> None:
    group = group_of(3)
    group.elect(1)
    group.isolate(1)
    for members in (Membership((1, 2)), Membership((1, 3)), Membership((1,))):
        change(group, 1, members)
    group.run(3 * ELECTION_TICKS)
    assert group.cores[1].commit < group.cores[1].last_index
    assert not group.cores[1].is_leader


def test_36_a_change_that_would_stop_the_cluster_is_refused() -> None:
    group = group_of(3)
    group.elect(1)
    group.crash(3)
    group.run(3 * ELECTION_TICKS, nodes=(1, 2))
    assert change(group, 1, Membership((1, 3))) == 0
    assert change(group, 1, Membership((1, 2))) > 0
