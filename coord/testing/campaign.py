"""Many seeds, several processes, and counts of what happened.

A run in which nothing happened proves nothing.
A failure is told with the one line that repeats it. The counters over all seeds must not stay at
zero, or the campaign has not tested what it says.
"""

import multiprocessing
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import attrs

from coord.model import Cause
from coord.testing.faults import Fault, Swarm, draw_plan, draw_swarm
from coord.testing.linearizability import Verdict
from coord.testing.schedule import Schedule, Trace
from coord.testing.violation import Violation
from coord.testing.world import World

SOMETIMES = (
    "elections",
    "log truncations",
    "snapshots installed",
    "snapshots saved",
    "torn writes",
    "lost bytes",
    "unknown answers",
    "repeats answered from the record",
    "partitions",
    "crashes",
    "leaves",
    "pauses",
    "freezes",
    "clients cut off",
    "power losses",
    "slow disks",
    "watches ended by compaction",
    "watch events",
    "client restarts",
    "leases expired",
    "sessions lost by expiry",
    "jobs claimed",
    "jobs given back",
    "registers linearizable",
    "commits",
    "space alarms",
    "disk errors",
    "crashes in recovery",
)
"""What has to happen at least once in a campaign."""


@attrs.frozen
class Outcome:
    """What one seed brought."""

    seed: int
    failure: str
    """Empty if everything held."""
    counts: dict[str, int]
    trace: str
    wall_s: float


def draw_run(seed: int) -> tuple[Swarm, tuple[Fault, ...]]:
    """Return the character and the fault plan of a seed."""
    luck = Schedule(seed).stream("plan")
    swarm = draw_swarm(luck)
    return swarm, draw_plan(luck, swarm)


def run_seed(seed: int, show: Callable[[str], None] | None = None) -> Outcome:
    """Run one seed from beginning to end.

    Args:
        seed: everything follows from it.
        show: takes each line of the trace.

    Returns:
        How it went; a broken promise or any error of the system is a failure, not an exception.
    """
    swarm, plan = draw_run(seed)
    started = time.monotonic()
    world = World(seed, swarm, Trace(show))
    failure = ""
    try:
        world.run(plan)
    except Violation as violation:
        failure = f"{type(violation).__name__}: {violation}"
    except Exception:  # noqa: BLE001 - whatever it is, it ended a node or a check: a finding
        failure = traceback.format_exc()
    if show is not None:
        show(f"swarm {swarm}")
    wall_s = time.monotonic() - started
    return Outcome(seed, failure, count(world), world.schedule.trace.digest(), wall_s)


def count(world: World) -> dict[str, int]:
    """Return what happened in a world, by name."""
    struck, replay = world.nemesis.struck, world.replay
    watches = [record for client in world.clients for record in client.watches]
    causes = Counter(event.cause for events in replay.events.values() for event in events)
    disks = [host.machine.disk for host in world.hosts]
    return {
        "calls": len(world.history.calls),
        "commits": world.checks.committed,
        "elections": world.checks.leaders,
        "log truncations": world.checks.truncations,
        "snapshots installed": world.checks.installs,
        "snapshots saved": world.checks.saves,
        "torn writes": sum(disk.torn_writes for disk in disks),
        "lost bytes": sum(disk.lost_bytes for disk in disks),
        "unknown answers": sum(call.unknown for call in world.history.calls),
        "definite failures": sum(call.certainly_not_done for call in world.history.calls),
        "repeats answered from the record": replay.repeated,
        "repeats refused": replay.refused_late,
        "partitions": struck["Partition"],
        "crashes": sum(host.starts - 1 for host in world.hosts),
        "leaves": struck["Leave"],
        "pauses": struck["Pause"],
        "freezes": struck["Freeze"],
        "clients cut off": struck["ClientCut"],
        "power losses": struck["PowerLoss"],
        "slow disks": struck["SlowDisk"],
        "full disks": struck["DiskFull"],
        "writes carried out at once": sum(host.machine.hurried for host in world.hosts),
        "disk errors": sum(host.machine.disk_errors for host in world.hosts),
        "crashes in recovery": sum(host.machine.failed_starts for host in world.hosts),
        "space alarms": replay.alarms,
        "client restarts": sum(client.restarts for client in world.clients),
        "writers closed by others": sum(client.forgeries for client in world.clients),
        "watches": len(watches),
        "watch events": sum(len(events) for record in watches for events, _ in record.batches),
        "watches ended by compaction": sum(r.compact_revision is not None for r in watches),
        "leases expired": causes[Cause.EXPIRED],
        "sessions": sum(len(client.sessions) for client in world.clients),
        "sessions lost by expiry": world.sessions_lost,
        "jobs claimed": world.claims,
        "jobs given back": world.returned,
        "registers linearizable": world.verdicts[Verdict.OK],
        "registers undecided": world.verdicts[Verdict.UNKNOWN],
        "steps": world.schedule.steps,
    }


def run_campaign(seeds: Iterable[int], jobs: int) -> Iterator[Outcome]:
    """Run many seeds, `jobs` at a time; outcomes come as they end."""
    if jobs == 1:
        yield from map(run_seed, seeds)
        return
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    with context.Pool(jobs) as pool:
        yield from pool.imap_unordered(run_seed, seeds, chunksize=1)


def never_happened(totals: Counter[str]) -> list[str]:
    """Return what had to happen at least once and did not."""
    return [name for name in SOMETIMES if totals[name] == 0]
