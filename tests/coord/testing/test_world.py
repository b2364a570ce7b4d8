"""Whole worlds on quiet days: everything is answered, everybody agrees, and blows are survived."""

import pytest

from coord.testing.faults import Crash, DiskFull, Fault, Partition, PowerLoss, Shape, Swarm
from coord.testing.world import World


@pytest.mark.parametrize("nodes", [1, 3, 5])
def test_on_a_quiet_day_every_request_is_answered(nodes: int) -> None:
    world = World(1, Swarm(nodes=nodes, fault_ms=1_500.0))
    world.run(())
    calls = world.history.calls
    assert len(calls) > 50
    late = [call for call in calls if not call.answered and call.called_ms > 700]
    assert late == []
    assert world.replay.store.revision > 10


def test_a_leader_cut_off_is_replaced_and_nothing_is_lost() -> None:
    world = World(2, Swarm(fault_ms=3_000.0))
    world.run((Fault(1_000.0, Partition(Shape.ISOLATE, -1, 1_500.0, salt=1)),))
    assert world.checks.leaders >= 2
    answered_meanwhile = [c for c in world.history.calls if c.answered and c.called_ms > 1_800]
    assert answered_meanwhile


def test_the_whole_cluster_losing_power_loses_nothing() -> None:
    world = World(3, Swarm(fault_ms=2_500.0))
    world.run((Fault(1_200.0, PowerLoss(20.0)),))
    assert all(host.starts >= 2 for host in world.hosts)


def test_a_lone_node_that_crashes_keeps_what_it_acknowledged() -> None:
    world = World(4, Swarm(nodes=1, fault_ms=2_000.0))
    world.run(tuple(Fault(500.0 + 300 * n, Crash(0, 5 * n, 1.0)) for n in range(4)))
    assert world.hosts[0].starts >= 4


def test_a_node_out_of_space_raises_the_alarm_and_it_is_cleared_again() -> None:
    world = World(5, Swarm(fault_ms=5_000.0))
    world.run((Fault(800.0, DiskFull(0, 1_500.0)),))
    assert world.replay.alarms >= 1
    assert world.replay.store.alarms == set()
