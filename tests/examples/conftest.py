"""A one-member cluster for the examples to run against."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import coord
from workers.demo.index.processes import node_programs


@pytest.fixture(scope="session")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a node and return where it serves clients."""
    folder: Path = tmp_path_factory.mktemp("examples")
    (node,) = node_programs(1, folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *node.program.arguments], stdout=log, stderr=log
        )
    try:
        with coord.connect(node.client, timeout_ms=30_000) as client:
            client.get("ready")  # answered only once there is a leader
        yield node.client
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def environment(endpoints: str) -> dict[str, str]:
    """Return the environment an example runs in."""
    root = str(Path(__file__).resolve().parents[2])
    paths = (root, os.environ.get("PYTHONPATH", ""))
    joined = os.pathsep.join(path for path in paths if path)
    return {**os.environ, "COORD_ENDPOINTS": endpoints, "PYTHONPATH": joined}
