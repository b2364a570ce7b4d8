"""The comparison with etcd's own recipes runs as it stands, and its floors are met."""

import json
import subprocess
import sys

import pytest

from tests.bench.compare_etcd import missing

pytestmark = [pytest.mark.integration, pytest.mark.foreign, pytest.mark.slow]


@pytest.mark.skipif(bool(missing()), reason=f"this machine has no {missing()}")
def test_short_runs_of_all_loads_meet_the_floors_and_nothing_fails() -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.compare_recipes"),
            *("--rounds", "1", "--share", "0.05", "--base-port", "27000", "-w", "json"),
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    loads = json.loads(ran.stdout)["loads"]
    assert len(loads) == 8
    for load in loads:
        runs = [*load["coord_runs"], *load["etcd_runs"]]
        assert [run["failed"] for run in runs] == [0, 0], load["name"]
