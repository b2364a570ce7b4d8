"""The measurements of recipes do what they say: every item once, one holder at a time, no herd."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from coord.testing.local_cluster import LocalProcesses, started_cluster
from tests.bench.herd import Disturbance, a_put, a_release
from tests.bench.recipe_load import LOADS

pytestmark = pytest.mark.integration

TOTAL = 60
CLIENTS = 5


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcesses]:
    with started_cluster(tmp_path_factory.mktemp("cluster"), nodes=1) as running:
        yield running


@pytest.mark.parametrize("op", LOADS)
def test_a_load_reports_its_rate_and_that_nothing_went_wrong(
    cluster: LocalProcesses, op: str
) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.recipe_load", "--op", op),
            *(
                "--clients",
                str(CLIENTS),
                "--total",
                str(TOTAL),
                "--first",
                str(list(LOADS).index(op)),
            ),
            *("--endpoints", cluster.endpoints),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["failed"] == 0
    assert report["total"] >= TOTAL
    assert report["per_second"] > 0
    assert 0 < report["p50_ms"] <= report["p99_ms"]


@pytest.mark.parametrize("event", [a_release, a_put])
def test_an_event_disturbs_as_few_with_many_waiting_as_with_two(
    cluster: LocalProcesses, event: Callable[[str, int], Coroutine[Any, Any, Disturbance]]
) -> None:
    few, many = (asyncio.run(event(cluster.endpoints, waiting)) for waiting in (2, 40))
    assert few.wake_ups >= 1
    assert not many.costs_more_than(few)
