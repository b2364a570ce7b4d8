"""`python -m coord.testing.chaos`: run a campaign and print what came of it."""

import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

import click

from coord.testing.chaos.campaign import Campaign, Plan, Report
from coord.testing.local_cluster import started_cluster

_SHOWN_VIOLATIONS = 20


@click.command()
@click.option("--seconds", type=click.FloatRange(5, 3600), default=60.0, show_default=True)
@click.option("--writers", type=click.IntRange(1, 100), default=8, show_default=True)
@click.option("--watchers", type=click.IntRange(0, 100), default=4, show_default=True)
@click.option("--kill-every", type=click.FloatRange(1, 600), default=5.0, show_default=True)
@click.option("--pause", is_flag=True, help="Stop the leader for two seconds instead of killing.")
@click.option("--nodes", type=click.IntRange(3, 9), default=3, show_default=True)
@click.option("-w", "write_out", type=click.Choice(["simple", "json"]), default="simple")
def main(
    seconds: float,
    writers: int,
    watchers: int,
    kill_every: float,
    pause: bool,
    nodes: int,
    write_out: str,
) -> None:
    """Kill the leader of a real cluster again and again while clients write and watch.

    Checks at the end that every acknowledged write is there exactly once and that every watcher
    saw every revision in order exactly once. Exit code 1 if not.
    """
    plan = Plan(seconds, writers, watchers, kill_every, pause)
    with (
        tempfile.TemporaryDirectory(prefix="coord-chaos-") as folder,
        started_cluster(Path(folder), nodes=nodes, options=["--restart"]) as cluster,
    ):
        campaign = Campaign(plan, cluster, lambda line: click.echo(line, err=True))
        report = asyncio.run(campaign.run())
    _print(report, write_out)
    sys.exit(1 if report.violations or not report.gaps_ms or not report.acknowledged else 0)


def _print(report: Report, write_out: str) -> None:
    shown = {
        "acknowledged": report.acknowledged,
        "unknown": report.unknown,
        "not_done": report.undone,
        "revisions": report.revisions,
        "events_seen": report.events_seen,
        "hits": len(report.gaps_ms),
        "resume_ms_median": round(statistics.median(report.gaps_ms or (0.0,)), 1),
        "resume_ms_max": round(max(report.gaps_ms, default=0.0), 1),
        "violations": len(report.violations),
    }
    if write_out == "json":
        click.echo(json.dumps(shown))
    else:
        for name, value in shown.items():
            click.echo(f"{name:18} {value}")
    for line in report.violations[:_SHOWN_VIOLATIONS]:
        click.echo(f"VIOLATION: {line}", err=True)


main()
