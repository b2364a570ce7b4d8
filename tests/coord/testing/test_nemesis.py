"""Plans carried out: cuts add up, what goes down comes up, and in the end all is whole."""

import pytest

from coord.testing.faults import Crash, Fault, Freeze, Partition, Pause, PowerLoss, Shape, Swarm
from coord.testing.raft_world import RaftWorld


def _world(nodes: int = 3) -> RaftWorld:
    world = RaftWorld(1, Swarm(nodes=nodes, fault_ms=2_000.0))
    for host in world.hosts:
        host.start()
    return world


def _run(world: RaftWorld, until_ms: float) -> None:
    while world.schedule.step(until_ms):
        pass


def test_overlapping_cuts_of_a_link_end_with_the_last() -> None:
    world = _world()
    cut = Partition(Shape.ISOLATE, 0, 100.0, salt=1)
    world.nemesis.follow([Fault(10.0, cut), Fault(60.0, cut)])
    _run(world, 130.0)
    assert world.network.is_cut("n1", "n2")
    _run(world, 170.0)
    assert not world.network.is_cut("n1", "n2")


def test_a_paused_node_takes_no_turns_and_then_goes_on() -> None:
    world = _world()
    world.nemesis.follow([Fault(100.0, Pause(1, 300.0))])
    _run(world, 110.0)
    turns = world.hosts[1].turns
    _run(world, 390.0)
    assert world.hosts[1].turns == turns
    _run(world, 500.0)
    assert world.hosts[1].turns > turns


def test_a_frozen_node_wakes_alone() -> None:
    world = _world()
    world.nemesis.follow([Fault(100.0, Freeze(0, 200.0, 100.0))])
    _run(world, 350.0)
    assert world.hosts[0].can_turn
    assert world.network.is_cut("n1", "n3")
    assert world.network.is_cut("n3", "n1")
    _run(world, 450.0)
    assert not world.network.is_cut("n1", "n3")


@pytest.mark.parametrize("effects", [0, 3, 25])
def test_a_crashed_node_goes_down_and_comes_back(effects: int) -> None:
    world = _world()
    world.nemesis.follow([Fault(300.0, Crash(0, effects, 200.0))])
    _run(world, 2_000.0)
    assert world.hosts[0].up
    assert world.hosts[0].starts == 2


def test_a_power_loss_takes_all_and_the_cluster_lives_again() -> None:
    world = _world()
    world.nemesis.follow([Fault(500.0, PowerLoss(50.0))])
    _run(world, 520.0)
    assert not any(host.up for host in world.hosts)
    _run(world, 3_000.0)
    assert any(host.process and host.process.core.is_leader for host in world.hosts)


def test_leaving_makes_everything_whole() -> None:
    world = _world()
    plan = [
        Fault(10.0, Partition(Shape.ISOLATE, 0, 9_000.0, salt=1)),
        Fault(10.0, Pause(1, 9_000.0)),
        Fault(10.0, Crash(2, 0, 9_000.0)),
    ]
    world.nemesis.follow(plan)
    _run(world, 200.0)
    world.nemesis.leave()
    assert not world.network.is_cut("n1", "n2")
    assert all(host.can_turn for host in world.hosts)
    assert world.nemesis.struck["Crash"] == 1
