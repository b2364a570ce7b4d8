"""`coord serve`: what is refused before a node starts, and what a node is told."""

from pathlib import Path
from typing import Any

import pytest

from coord.cli.node_options import as_arguments
from coord.cli.processes import plan_nodes, serve_command
from coord.config import NodeConfig, parse_initial_cluster
from coord.errors import Corruption, ErrorCode, Misuse
from transport.base import TransportError

GIVEN = {
    "--name": "n1",
    "--listen-peer": "tcp://127.0.0.1:7411",
    "--listen-client": "tcp://127.0.0.1:7412",
    "--initial-cluster": "n1=tcp://127.0.0.1:7411,n2=tcp://127.0.0.1:7421",
}


def arguments(tmp_path: Path, **changes: str | None) -> list[str]:
    given: dict[str, str | None] = {**GIVEN, "--data-dir": str(tmp_path / "n1")}
    given |= {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return [word for name, value in given.items() if value is not None for word in (name, value)]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[NodeConfig]:
    """Take the place of the node; remember what it was told."""
    configs: list[NodeConfig] = []

    def run(config: NodeConfig) -> int:
        configs.append(config)
        return 0

    monkeypatch.setattr("coord.node.serve.serve", run)
    return configs


def test_a_node_is_told_what_the_command_line_says(
    coord_command: Any, tmp_path: Path, served: list[NodeConfig]
) -> None:
    result = coord_command("serve", *arguments(tmp_path, tick_ms="7", log_format="json"))
    assert result.exit_code == 0
    (config,) = served
    assert (config.name, config.data_dir) == ("n1", tmp_path / "n1")
    assert config.initial_cluster == parse_initial_cluster(GIVEN["--initial-cluster"])
    assert (config.tick_ms, config.log_format) == (7, "json")
    assert config.advertise_client == GIVEN["--listen-client"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": None}, "Missing option '--name'"),
        ({"data_dir": None}, "Missing option '--data-dir'"),
        ({"listen_peer": None}, "Missing option '--listen-peer'"),
        ({"initial_cluster": None}, "Missing option '--initial-cluster'"),
        ({"name": "n9"}, "'n9' is not in the initial cluster (n1, n2)"),
        ({"listen_client": "nowhere"}, "is not tcp://host:port"),
        ({"initial_cluster": "n1"}, "'n1' is not name=tcp://host:port"),
        ({"tick_ms": "0"}, "tick-ms is 0; 1 to 60000 are allowed"),
        ({"tick_ms": "soon"}, "'soon' is not a valid integer"),
        ({"log_level": "loud"}, "'loud' is not one of"),
    ],
)
def test_a_bad_flag_is_misuse_and_says_what_is_allowed(
    coord_command: Any,
    tmp_path: Path,
    served: list[NodeConfig],
    changes: dict[str, str | None],
    said: str,
) -> None:
    result = coord_command("serve", *arguments(tmp_path, **changes))
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert served == []


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (TransportError("tcp://127.0.0.1:7411 is taken"), 1),
        (PermissionError(13, "Permission denied"), 1),
        (Corruption("wal/1.log at 17: checksum"), 1),
        (Misuse("data folder of another member", ErrorCode.INVALID_OPTION), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_a_node_that_cannot_start_says_why_in_one_line(
    coord_command: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    exit_code: int,
) -> None:
    def run(config: NodeConfig) -> int:
        raise error

    monkeypatch.setattr("coord.node.serve.serve", run)
    result = coord_command("serve", *arguments(tmp_path))
    assert result.exit_code == exit_code
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == (0 if exit_code == 130 else 1)


def test_a_local_cluster_is_laid_out_in_steps_of_ten_ports(tmp_path: Path) -> None:
    first, second = plan_nodes(2, tmp_path, 7400)
    assert (first.name, first.peer, first.client) == (
        "n1",
        "tcp://127.0.0.1:7411",
        "tcp://127.0.0.1:7412",
    )
    assert second.client == "tcp://127.0.0.1:7422"
    assert second.data_dir == tmp_path / "n2"


def test_up_starts_nodes_with_command_lines_that_serve_takes(
    coord_command: Any, tmp_path: Path, served: list[NodeConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coord.cli.serve.die_with_parent", lambda pid, number: None)
    tuning = {
        "tick_ms": 9,
        "heartbeat_ticks": 5,
        "election_ticks": 40,
        "history_revisions": 0,
        "snapshot_log_bytes": 1 << 20,
        "log_bytes_in_memory": 1 << 20,
        "disk_reserve_bytes": 0,
        "log_level": "error",
        "log_format": "json",
        "affinity": "none",
    }
    plans = plan_nodes(3, tmp_path, 7400)
    command = serve_command(plans[1], plans, tuning)
    assert command[1:4] == ["-m", "coord.cli", "serve"]
    assert coord_command(*command[3:]).exit_code == 0
    (config,) = served
    assert config.name == "n2"
    assert sorted(config.initial_cluster) == ["n1", "n2", "n3"]
    assert {name: getattr(config, name) for name in tuning} == tuning
    assert len(as_arguments(tuning)) == len(tuning)
