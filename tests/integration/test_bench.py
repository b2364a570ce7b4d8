"""coord bench against a real cluster: each load runs, in one process and in two."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from coord.testing.local_cluster import LocalProcesses, started_cluster

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcesses]:
    with started_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("op", ["put", "get", "sget", "txn", "keepalive", "watch", "mixed"])
def test_every_load_does_all_it_was_asked_and_nothing_fails(
    cluster: LocalProcesses, op: str, processes: str
) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "coord.cli", "bench", op, "-w", "json"),
            *("--clients", "4", "--total", "60", "--keys", "50", "--processes", processes),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"COORD_ENDPOINTS": cluster.endpoints},
    )
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    # Four watchers each see every write.
    assert report["total"] == (240 if op == "watch" else 60)
    assert (report["op"], report["failed"]) == (op, 0)
    assert 0 < report["p50_ms"] <= report["p99_ms"] <= report["max_ms"]
