"""What tests of running workers share."""

import os
from pathlib import Path

import pytest

from coord.testing.local import LocalCluster
from workers.store.jobs import JobStore

APP = "sample_app:app"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the path of the sample jobs, importable by child processes."""
    here = Path(__file__).parent
    roots = (str(here), str(here.parents[2]), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(root for root in roots if root))
    return APP


@pytest.fixture
def cluster() -> LocalCluster:
    """Return a store at hand, without nodes or time of its own."""
    return LocalCluster()


@pytest.fixture
def store(cluster: LocalCluster) -> JobStore:
    """Return its jobs."""
    return JobStore(cluster.client())
