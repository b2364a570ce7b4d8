"""`coord embedded` on a real embedded store in a folder of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

import coord


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for the embedded store that nobody else has."""
    monkeypatch.setenv("COORD_HOME", str(tmp_path))
    monkeypatch.delenv("COORD_ENDPOINTS", raising=False)
    return tmp_path


def test_nothing_runs_in_a_new_home_and_stopping_it_is_no_error(
    coord_command: Any, home: Path
) -> None:
    assert coord_command("embedded", "status").stdout == f"not running\n{home}\n"
    stopped = coord_command("embedded", "stop")
    assert (stopped.exit_code, stopped.stdout) == (0, "not running\n")


@pytest.mark.integration
def test_a_running_store_is_shown_stopped_and_found_again_with_its_data(
    coord_command: Any, home: Path
) -> None:
    with coord.connect() as client:
        client.put("kept", "yes")
    shown = json.loads(coord_command("embedded", "status", "-w", "json").stdout)
    assert (shown["running"], shown["home"]) == (True, str(home))
    assert coord_command("embedded", "stop").stdout == f"stopped process {shown['pid']}\n"
    assert not json.loads(coord_command("embedded", "status", "-w", "json").stdout)["running"]
    with coord.connect() as client:
        assert client.get("kept").kvs[0].value == b"yes"
    assert coord_command("embedded", "stop").exit_code == 0
