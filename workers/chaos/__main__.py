"""`python -m workers.chaos`: run a campaign against the job framework, print what came of it."""

import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

import click

from coord.testing.local_cluster import started_cluster
from workers.chaos.campaign import Campaign, Report
from workers.chaos.fleet import Fleet
from workers.chaos.plan import Plan

_SHOWN_VIOLATIONS = 20


@click.command()
@click.option("--seconds", type=click.FloatRange(5, 3600), default=60.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--rate", type=click.FloatRange(1, 5000), default=340.0, show_default=True)
@click.option("--workers", type=click.IntRange(3, 20), default=4, show_default=True)
@click.option("--ttl", type=click.FloatRange(0.5, 60), default=2.0, show_default=True)
@click.option("--hit-every", type=click.FloatRange(0.5, 600), default=2.0, show_default=True)
@click.option("--nodes", type=click.IntRange(3, 9), default=3, show_default=True)
@click.option("-w", "write_out", type=click.Choice(["simple", "json"]), default="simple")
def main(
    seconds: float,
    seed: int,
    rate: float,
    workers: int,
    ttl: float,
    hit_every: float,
    nodes: int,
    write_out: str,
) -> None:
    """Enqueue jobs while workers, their children, stewards and leader nodes are killed or stopped.

    Every revision is judged as it comes; when the hits are over every acknowledged job must have
    ended, once, as it should; delayed ones not early, limits kept. Exit code 1 if not.
    """
    plan = Plan(seed, seconds, rate, workers, ttl_s=ttl, hit_every_s=hit_every)
    with (
        tempfile.TemporaryDirectory(prefix="coord-chaos-") as name,
        started_cluster(Path(name), nodes=nodes, options=["--restart"]) as cluster,
    ):
        fleet = Fleet(plan, cluster.endpoints, Path(name))
        campaign = Campaign(plan, cluster, fleet, lambda line: click.echo(line, err=True))
        try:
            report = asyncio.run(campaign.run())
        finally:
            fleet.end()
        if report.violations:
            click.echo(fleet.log.read_text(errors="replace")[-4000:], err=True)
    _print(plan, report, write_out)
    sys.exit(1 if report.violations or not report.hits else 0)


def _print(plan: Plan, report: Report, write_out: str) -> None:
    hand_overs_s = report.hand_overs_s or (0.0,)
    shown: dict[str, object] = {
        "seed": plan.seed,
        **{f"enqueued {kind}": count for kind, count in sorted(report.enqueued.items())},
        **{hit.value: count for hit, count in report.hits.items()},
        **dict(sorted(report.counts.items())),
        "jobs lost by a worker": len(report.returns_s),
        "in line again after s, median": round(statistics.median(report.returns_s or (0.0,)), 2),
        "claimed again after s, median": round(statistics.median(hand_overs_s), 2),
        "claimed again after s, max": round(max(hand_overs_s), 2),
        "settled after s": round(report.settled_s, 1),
        "violations": len(report.violations),
    }
    if write_out == "json":
        click.echo(json.dumps(shown))
    else:
        for name, value in shown.items():
            click.echo(f"{name:45} {value}")
    for line in report.violations[:_SHOWN_VIOLATIONS]:
        click.echo(f"VIOLATION: {line}", err=True)


main()
