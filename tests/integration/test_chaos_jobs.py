"""A short campaign against jobs in real processes; the long one is `make chaos-jobs`."""

import asyncio
from pathlib import Path

import pytest

from coord.testing.local_cluster import started_cluster
from workers.chaos.campaign import Campaign
from workers.chaos.fleet import Fleet
from workers.chaos.plan import Plan


@pytest.mark.slow
@pytest.mark.integration
def test_every_job_ends_once_though_processes_are_killed_and_frozen(tmp_path: Path) -> None:
    plan = Plan(seconds=12.0, rate=100.0, hit_every_s=1.5)
    with started_cluster(tmp_path, options=["--restart"]) as cluster:
        fleet = Fleet(plan, cluster.endpoints, tmp_path)
        try:
            report = asyncio.run(Campaign(plan, cluster, fleet, lambda line: None).run())
        finally:
            fleet.end()
    assert report.violations == ()
    assert report.hits.total() >= 5
    assert report.enqueued["plain"] > 300
