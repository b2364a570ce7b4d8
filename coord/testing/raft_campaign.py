"""Seeds for worlds of bare cores: cheaper by ten, for what only consensus can get wrong."""

import traceback
from random import Random

import attrs

from coord.testing.campaign import Outcome
from coord.testing.faults import Swarm, draw_plan, draw_swarm
from coord.testing.raft_world import Pace, RaftWorld
from coord.testing.schedule import Schedule
from coord.testing.violation import Violation


def draw_rough(luck: Random) -> Swarm:
    """Draw a run with three or five nodes in which crashes and partitions are never far."""
    swarm = draw_swarm(luck)
    nodes = luck.choice((3, 5))
    return attrs.evolve(
        swarm,
        nodes=nodes,
        drift=tuple(luck.uniform(0.95, 1.05) for _ in range(nodes)),
        partitions=luck.uniform(0.5, 3.0),
        crashes=luck.uniform(0.5, 3.0),
        freezes=luck.uniform(0.0, 2.0),
    )


TRICKLE = Pace(append_bytes_max=1, append_inflight_max=1, snapshot_entries=1_000)
"""One entry at a time, as in figure 8: leaders often go with their entries half way out."""


def draw_trickle(luck: Random) -> Swarm:
    """Draw a run of five nodes with slow links, in which no leader lasts."""
    return attrs.evolve(
        draw_swarm(luck),
        nodes=5,
        drift=tuple(luck.uniform(0.95, 1.05) for _ in range(5)),
        delay_mean_ms=20.0,
        sync_mean_ms=2.0,
        loss=luck.uniform(0.0, 0.1),
        partitions=1.0,
        crashes=0.0,
        leaves=0.0,
        pauses=0.0,
        freezes=0.0,
        think_ms=20.0,
        fault_ms=8_000.0,
    )


def run_raft_seed(seed: int, *, rough: bool = False, trickle: bool = False) -> Outcome:
    """Run one seed of bare cores; see `campaign.run_seed`.

    Args:
        seed: everything follows from it.
        rough: with crashes and partitions never far.
        trickle: with short-lived leaders that send one entry at a time.
    """
    luck = Schedule(seed).stream("plan")
    draw = draw_trickle if trickle else draw_rough if rough else draw_swarm
    swarm = draw(luck)
    world = RaftWorld(seed, swarm, pace=TRICKLE if trickle else None, assassin=trickle)
    failure = ""
    try:
        world.run(draw_plan(luck, swarm))
    except Violation as violation:
        failure = f"{type(violation).__name__}: {violation}"
    except Exception:  # noqa: BLE001 - whatever it is, it ended a core or a check: a finding
        failure = traceback.format_exc()
    counts = {
        "commits": world.checks.committed,
        "elections": world.checks.leaders,
        "log truncations": world.checks.truncations,
        "snapshots installed": world.checks.installs,
        "torn writes": sum(host.machine.torn for host in world.hosts),
        "crashes": sum(host.starts - 1 for host in world.hosts),
    }
    return Outcome(seed, failure, counts, world.schedule.trace.digest(), 0.0)
