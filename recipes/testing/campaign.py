"""Many seeds of clusters and recipes, and counts of what happened.

As in coord.testing.campaign: a failure is told with the line that repeats it, and what the campaign
is for must have happened somewhere in it.
"""

import functools
import multiprocessing
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

import attrs

from coord.testing.campaign import Outcome, count
from coord.testing.faults import Fault, Swarm, draw_plan, draw_swarm
from coord.testing.schedule import Schedule, Trace
from coord.testing.violation import Violation
from recipes.testing.cast import PARTS, Part
from recipes.testing.player import Manners
from recipes.testing.world import RecipeWorld

FROM_BELOW = (
    "elections",
    "snapshots installed",
    "torn writes",
    "repeats answered from the record",
    "partitions",
    "crashes",
    "leaves",
    "pauses",
    "freezes",
    "clients cut off",
    "power losses",
    "slow disks",
    "full disks",
    "disk errors",
    "leases expired",
    "sessions",
    "sessions lost by expiry",
)
"""What is counted of the cluster's own; all of it has to happen in a campaign."""

# Programs write larger revisions than plain clients do. All pieces of one have to fit into a
# connection's queue, or a watch of it begins anew for ever; a real one has room for 10,000.
QUEUE_MIN = 64


@attrs.frozen
class Run:
    """Everything that is drawn before a run."""

    swarm: Swarm
    plan: tuple[Fault, ...]
    manners: Manners
    parts: tuple[Part, ...]


def draw_run(seed: int, parts: tuple[Part, ...] = PARTS) -> Run:
    """Return what a seed stands for, with some of the `parts`."""
    luck = Schedule(seed).stream("plan")
    drawn = draw_swarm(luck)
    swarm = attrs.evolve(
        drawn,
        fault_ms=2 * drawn.fault_ms,  # a program takes many steps to get anywhere
        clients=luck.choice((0, 0, 1)),
        lanes=1,
        restarts=0.0,
        client_queue=max(drawn.client_queue, QUEUE_MIN),
    )
    manners = _draw_manners(luck, is_calm=not swarm.crashes and not swarm.loss)
    chosen = luck.sample(parts, min(len(parts), luck.choice((1, 2, 2, 3))))
    struck = attrs.evolve(swarm, clients=manners.players + swarm.clients)
    return Run(swarm, draw_plan(luck, struck), manners, tuple(chosen))


def _draw_manners(luck: Random, *, is_calm: bool) -> Manners:
    blows = 0.0 if is_calm else 1.0
    return Manners(
        players=luck.randint(2, 5),
        ttl_ms=luck.choice((300, 600, 1_200)),
        think_ms=luck.choice((2.0, 8.0, 40.0)),
        kills=blows * luck.choice((0.0, 0.05, 0.2)),
        pauses=blows * luck.choice((0.0, 0.05, 0.3)),
        pace=luck.choice((0.0, 0.05)),
    )


def run_seed(
    seed: int, parts: tuple[Part, ...] = PARTS, show: Callable[[str], None] | None = None
) -> Outcome:
    """Run one seed from beginning to end; see coord.testing.campaign.run_seed."""
    run = draw_run(seed, parts)
    started = time.monotonic()
    world = RecipeWorld(seed, run.swarm, run.manners, run.parts, Trace(show))
    failure = ""
    try:
        world.run(run.plan)
    except Violation as violation:
        failure = f"{type(violation).__name__}: {violation}"
    except Exception:  # noqa: BLE001 - whatever it is, it ended a node, a program or a check
        failure = traceback.format_exc()
    counts = {name: number for name, number in count(world).items() if name in FROM_BELOW}
    for player in world.players:
        counts["processes killed"] = counts.get("processes killed", 0) + player.restarts
        counts["processes stopped"] = counts.get("processes stopped", 0) + player.pauses
    counts.update(world.journal.counts)
    wall_s = time.monotonic() - started
    return Outcome(seed, failure, counts, world.schedule.trace.digest(), wall_s)


def run_campaign(seeds: Iterable[int], jobs: int, names: Sequence[str] = ()) -> Iterator[Outcome]:
    """Run many seeds, `jobs` at a time; outcomes come as they end.

    Args:
        seeds: which.
        jobs: how many processes.
        names: of the parts to draw from; none for all.
    """
    run = functools.partial(run_named, names=tuple(names))
    if jobs == 1:
        yield from map(run, seeds)
        return
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    with context.Pool(jobs) as pool:
        yield from pool.imap_unordered(run, seeds, chunksize=1)


def run_named(
    seed: int, names: Sequence[str], show: Callable[[str], None] | None = None
) -> Outcome:
    """Run one seed with parts from among those named; none for all."""
    return run_seed(seed, parts_named(names), show)


def parts_named(names: Sequence[str]) -> tuple[Part, ...]:
    """Return the parts of these names; all when there are none."""
    return tuple(part for part in PARTS if part.name in names) if names else PARTS


def never_happened(totals: Counter[str]) -> list[str]:
    """Return what had to happen at least once and did not."""
    return [name for name, number in totals.items() if not number]
