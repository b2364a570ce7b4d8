"""The same seed gives the same run, to the byte of every message, under any hash seed."""

import os
import subprocess
import sys

import pytest

from coord.testing.campaign import run_seed
from coord.testing.raft_campaign import run_raft_seed


def _trace_of(seed: int, hash_seed: int) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    told = subprocess.run(
        [sys.executable, "-m", "coord.testing.sim", "--seed", str(seed)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.splitlines()[-1].split(",")[0]


@pytest.mark.parametrize("seed", [31])
def test_two_processes_with_different_hash_seeds_see_the_same_run(seed: int) -> None:
    assert _trace_of(seed, 1) == _trace_of(seed, 2) == f"trace {run_seed(seed).trace}"


def test_different_seeds_see_different_runs() -> None:
    assert run_raft_seed(1).trace != run_raft_seed(2).trace


def test_bare_cores_repeat_too() -> None:
    assert run_raft_seed(5, rough=True).trace == run_raft_seed(5, rough=True).trace
