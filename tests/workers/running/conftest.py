"""What tests of running workers share."""

import os
from pathlib import Path

import pytest

APP = "sample_app:app"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the path of the sample jobs, importable by child processes."""
    here = Path(__file__).parent
    roots = (str(here), str(here.parents[2]), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(root for root in roots if root))
    return APP
