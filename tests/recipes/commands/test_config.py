"""`coord config`: settings for people."""

import json
from typing import Any

import pytest

from coord import ops


def test_what_is_set_can_be_read_by_name_or_all_at_once(coord_command: Any) -> None:
    assert coord_command("config", "set", "search", "rate", "250").stdout == "OK\n"
    coord_command("config", "set", "search", "host", "10.0.0.7")
    coord_command("config", "set", "searching", "rate", "1")
    assert coord_command("config", "get", "search", "rate").stdout == "250\n"
    assert coord_command("config", "get", "search").stdout == "host=10.0.0.7\nrate=250\n"
    as_json = json.loads(coord_command("config", "get", "search", "-w", "json").stdout)
    assert as_json == {"host": "10.0.0.7", "rate": 250}
    assert "10.0.0.7" in coord_command("config", "get", "search", "-w", "table").stdout


def test_a_setting_that_is_not_there_is_not_done(coord_command: Any) -> None:
    result = coord_command("config", "get", "search", "rate")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "coord: search has no setting rate\n"


def test_another_prefix_is_another_set_of_settings(coord_command: Any) -> None:
    coord_command("config", "set", "search", "rate", "250", "--prefix", "other/")
    assert coord_command("config", "get", "search").stdout == ""
    assert coord_command("config", "get", "search", "--prefix", "other/").stdout == "rate=250\n"


def test_following_prints_what_is_there_and_then_each_change_until_told_to_end(
    coord_command: Any,
) -> None:
    cluster = coord_command.cluster
    cluster.write(ops.put("config/search/rate", "1"))
    coord_command.steps += [
        lambda: cluster.write(ops.put("config/search/rate", "2")),
        lambda: cluster.write(ops.delete("config/search/rate")),
    ]
    result = coord_command("config", "follow", "search")
    assert result.stdout == "rate=1\nrate=2\n-rate\n"
    assert result.exit_code == 143


def test_followed_as_json_each_change_is_one_document(coord_command: Any) -> None:
    cluster = coord_command.cluster
    coord_command.steps += [
        lambda: cluster.write(ops.put("config/search/rate", "[1]")),
        lambda: cluster.write(ops.put("config/search/rate", b"\xff")),
        lambda: cluster.write(ops.delete("config/search/rate")),
    ]
    lines = coord_command("config", "follow", "search", "-w", "json").stdout.splitlines()
    assert [json.loads(line)["value"] for line in lines] == [[1], "\\xff", None]
    assert [json.loads(line)["gone"] for line in lines] == [False, False, True]


@pytest.mark.parametrize("args", [["get"], ["set", "a"], ["set", "a", "b"], ["follow"], ["drop"]])
def test_a_command_line_that_cannot_work_is_misuse(coord_command: Any, args: list[str]) -> None:
    assert coord_command("config", *args).exit_code == 2


@pytest.mark.parametrize(
    "args",
    [
        ["get", ""], ["get", "a/b"], ["get", "a", ""], ["set", "", "n", "1"],
        ["set", "a", "", "1"], ["set", "a/b", "n", "1"], ["follow", ""], ["follow", "a/b"],
    ],
)  # fmt: skip
def test_a_name_that_is_none_or_anothers_is_refused(coord_command: Any, args: list[str]) -> None:
    result = coord_command("config", *args)
    assert result.exit_code == 2
    assert "not empty" in result.stderr
    assert not coord_command.cluster.applied
