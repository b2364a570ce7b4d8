"""A short campaign of kills against real processes; the long one is `make chaos`."""

import asyncio
from pathlib import Path

import pytest

from coord.testing.chaos.campaign import Campaign, Plan
from coord.testing.local_cluster import started_cluster


@pytest.mark.integration
def test_nothing_acknowledged_is_lost_when_the_leader_is_killed(tmp_path: Path) -> None:
    plan = Plan(seconds=9.0, writers=4, watchers=2, kill_every_s=3.0)
    with started_cluster(tmp_path, options=["--restart"]) as cluster:
        report = asyncio.run(Campaign(plan, cluster, lambda line: None).run())
    assert report.violations == ()
    assert len(report.gaps_ms) == 2
    assert report.acknowledged > 100
