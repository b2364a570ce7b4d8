"""`coord up`: its ready file and what it refuses; the rest needs real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coord.cli.processes import plan_nodes
from coord.cli.ready_file import ready_text, write_ready_file


def test_the_ready_file_tells_who_runs_where_and_who_leads(tmp_path: Path) -> None:
    first, second = plan_nodes(2, tmp_path, 7400)
    found = json.loads(ready_text([(first, 17), (second, None)], "n1"))
    assert found["leader"] == "n1"
    assert found["nodes"] == [
        {"name": "n1", "pid": 17, "client": first.client, "peer": first.peer},
        {"name": "n2", "pid": None, "client": second.client, "peer": second.peer},
    ]


def test_the_ready_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ready"
    write_ready_file(path, "one")
    inode = path.stat().st_ino
    write_ready_file(path, "two")
    assert path.read_text() == "two"
    assert path.stat().st_ino != inode
    assert os.listdir(path.parent) == ["ready"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "Missing option '--data-dir'"),
        (["--data-dir", "{file}"], "is a file"),
        (["--data-dir", "{folder}", "--nodes", "0"], "0 is not in the range"),
        (["--data-dir", "{folder}", "--nodes", "many"], "'many' is not a valid integer"),
        (["--data-dir", "{folder}", "--base-port", "70000"], "70000 is not in the range"),
        (["--data-dir", "{folder}", "--ready-file", "{folder}"], "is a directory"),
        (["--data-dir", "{folder}", "--tick-ms", "0"], "tick-ms is 0"),
        (["--data-dir", "{folder}", "extra"], "unexpected extra argument"),
    ],
)
def test_bad_input_is_misuse_told_in_one_line(
    coord_command: Any, tmp_path: Path, args: list[str], said: str
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    filled = [arg.format(file=file, folder=tmp_path) for arg in args]
    result = coord_command("up", *filled)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "up"])
def test_nothing_runs_without_its_asserts(tmp_path: Path, command: str) -> None:
    args = ["--data-dir", str(tmp_path)]
    if command == "serve":
        args += ["--name", "n1", "--listen-peer", "tcp://127.0.0.1:1"]
        args += ["--listen-client", "tcp://127.0.0.1:2"]
        args += ["--initial-cluster", "n1=tcp://127.0.0.1:1"]
    done = subprocess.run(
        [sys.executable, "-O", "-m", "coord.cli", command, *args],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "run without python -O" in done.stderr
