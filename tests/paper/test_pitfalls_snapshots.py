"""What Raft implementations got wrong about snapshots, each kept from coming back."""

from coord.raft.messages import (
    ChunkReceived,
    InstallSnapshot,
    Membership,
    ProposeMembership,
    SnapshotReply,
)
from coord.raft.progress import ProgressState
from coord.testing.cores import CoreGroup
from coord.testing.lone_core import ELECTION_TICKS, HEARTBEAT_TICKS, lone_settings


def behind() -> CoreGroup:
    """Node 3 was away while 1 and 2 went on and compacted everything."""
    group = CoreGroup(3, settings=lambda node: lone_settings(node))
    group.elect(1)
    group.isolate(3)
    for number in range(5):
        group.propose(1, b"%d" % number)
        group.settle()
    group.compact(1)
    group.compact(2)
    group.heal()
    return group


def until_chunk(group: CoreGroup, last: bool = False) -> None:
    """Go on until node 3 has a (last) chunk on its way to the disk."""
    for _ in range(10_000):
        jobs = group.disks[3].jobs
        if any(isinstance(job, ChunkReceived) and job.last >= last for job in jobs):
            return
        busy = [node for node in group.nodes if group.disks[node].jobs]
        if busy:
            group.finish_job(busy[0])
        elif group.network:
            group.deliver()
        else:
            group.tick(1, HEARTBEAT_TICKS)
    raise AssertionError("no chunk was ever sent")


def test_37_a_snapshot_carries_the_members_and_a_second_generation_keeps_them() -> None:
    group = CoreGroup(4, members=Membership((1, 2, 3)), settings=lambda node: lone_settings(node))
    group.elect(1)
    group.isolate(3)
    group.step(1, ProposeMembership(Membership((1, 2, 3), (4,))))
    group.settle()
    for node in (1, 2, 4):
        group.compact(node)
    group.heal()
    group.run(5 * ELECTION_TICKS)
    group.compact(3)
    group.crash(3)
    group.restart(3)
    assert group.cores[3].membership == Membership((1, 2, 3), (4,))


def test_38_an_old_snapshot_does_not_take_back_newer_entries() -> None:
    group = behind()
    until_chunk(group)
    chunks = [m for m in group.network if isinstance(m, InstallSnapshot)]
    group.settle()
    group.run(5 * ELECTION_TICKS)
    group.propose(1, b"newer")
    group.settle()
    last = group.cores[3].last_index
    for chunk in chunks:
        group.network.append(chunk)
    group.settle()
    assert group.cores[3].last_index == last
    group.check_converged()


def test_39_a_leader_change_in_the_middle_starts_the_transfer_over() -> None:
    group = behind()
    until_chunk(group)
    group.finish_job(3)
    group.crash(1)
    group.network.clear()
    group.run(10 * ELECTION_TICKS, nodes=(2, 3))
    assert group.leaders == [2]
    assert group.machines[3] == group.machines[2]
    assert group.checks.installs == 1


def test_39_messages_that_arrive_while_the_snapshot_is_being_installed_do_no_harm() -> None:
    group = behind()
    until_chunk(group, last=True)
    group.propose(1, b"meanwhile")
    for _ in range(3 * ELECTION_TICKS):
        for node in group.nodes:
            group.tick(node)
        while group.network:
            group.deliver()
        for node in (1, 2):
            while group.disks[node].jobs:
                group.finish_job(node)
    assert group.checks.installs == 0
    group.settle()
    assert group.checks.installs == 1
    group.run(5 * ELECTION_TICKS)
    group.check_converged()


def test_40_a_lost_last_chunk_is_repeated_and_match_waits_for_the_answer() -> None:
    group = behind()
    until_chunk(group, last=True)
    group.crash(3)  # before it was durable
    (progress,) = [p for p in group.cores[1].followers if p.node == 3]
    assert progress.match < group.disks[1].meta.index
    assert progress.state is ProgressState.SNAPSHOT
    group.restart(3)
    group.run(5 * ELECTION_TICKS)
    assert group.checks.installs == 1
    group.check_converged()


def test_40_a_lost_answer_to_the_last_chunk_is_made_up_for() -> None:
    group = behind()
    until_chunk(group, last=True)
    group.finish_job(3)
    group.network[:] = [m for m in group.network if not isinstance(m, SnapshotReply)]
    group.run(5 * ELECTION_TICKS)
    assert group.checks.installs == 1
    group.check_converged()


def test_42_a_crash_in_the_middle_of_a_transfer_leaves_the_old_state() -> None:
    group = behind()
    until_chunk(group, last=True)
    last = group.cores[3].last_index
    group.crash(3)
    group.restart(3)
    assert group.cores[3].last_index == last
    assert group.machines[3].index == 0
    group.run(5 * ELECTION_TICKS)
    group.check_converged()
