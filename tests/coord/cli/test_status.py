"""`coord status` and `coord transfer-leader`."""

import json
from typing import Any

import pytest

from coord.errors import ErrorCode, error_from
from coord.requests import MemberStatus, StatusReply, TransferReply

MEMBERS = tuple(
    MemberStatus(number, f"n{number}", f"tcp://p:{number}", f"tcp://c:{number}", True)
    for number in (1, 2)
)
REPLY = StatusReply(
    cluster=7,
    node=1,
    name="n1",
    role="leader",
    leader=1,
    term=3,
    commit_index=10,
    applied_index=9,
    revision=5,
    compact_revision=0,
    keys=4,
    leases=2,
    watches=1,
    cluster_time_ms=1234,
    alarms=("n2: no space",),
    members=MEMBERS,
    version="0.1.0",
)


def test_status_shows_a_row_for_every_member(coord_command: Any) -> None:
    result = coord_command("status", statuses={"tcp://c:1": REPLY, "tcp://c:2": REPLY})
    assert result.exit_code == 0
    assert "tcp://c:1" in result.stdout
    assert "leader" in result.stdout
    assert "n2: no space" in result.stdout


def test_status_says_which_member_is_silent_and_ends_with_unavailable(coord_command: Any) -> None:
    silent = error_from(ErrorCode.TIMED_OUT)
    answers = {"tcp://c:2": silent, "tcp://c:1": REPLY}
    result = coord_command("status", "-w", "simple", statuses=answers)
    assert result.exit_code == 4
    first, second = result.stdout.splitlines()
    assert first.startswith("tcp://c:1, n1, 1, leader, n1, 3, 5, 10, 9, 4, 2, 1")
    assert second.startswith("tcp://c:2, request timed out")


def test_a_silent_member_holds_nobody_up_for_longer_than_was_chosen(coord_command: Any) -> None:
    coord_command("status", statuses={})
    coord_command("status", "--timeout", "0.5")
    options = [options for _, _, options in coord_command.client.calls]
    assert options == [{"timeout_ms": None}, {"timeout_ms": 500}]


def test_status_as_json_has_etcdctls_shape(coord_command: Any) -> None:
    answers = {"tcp://c:1": REPLY, "tcp://c:2": error_from(ErrorCode.TIMED_OUT)}
    result = coord_command("status", "-w", "json", statuses=answers)
    first, second = json.loads(result.stdout)
    assert first["Endpoint"] == "tcp://c:1"
    assert first["Status"]["header"]["raft_term"] == 3
    assert first["Status"]["leader"] == 1
    assert first["Status"]["members"][1]["clientURLs"] == ["tcp://c:2"]
    assert second == {"Endpoint": "tcp://c:2", "Error": "request timed out"}


def test_leadership_goes_to_the_member_that_was_named(coord_command: Any) -> None:
    result = coord_command("transfer-leader", "n2", status=REPLY, transfer_leader=TransferReply(2))
    assert result.stdout == "leadership goes to n2\n"
    assert coord_command.client.calls[-1] == ("transfer_leader", (2,), {})


def test_without_a_name_the_leader_chooses(coord_command: Any) -> None:
    result = coord_command(
        "transfer-leader", "-w", "json", status=REPLY, transfer_leader=TransferReply(2)
    )
    assert json.loads(result.stdout) == {"target": 2, "name": "n2"}
    assert coord_command.client.calls[-1] == ("transfer_leader", (0,), {})


def test_an_unknown_member_is_misuse_and_the_known_ones_are_named(coord_command: Any) -> None:
    result = coord_command("transfer-leader", "n9", status=REPLY)
    assert result.exit_code == 2
    assert result.stderr == "coord: invalid option: no member 'n9'; there are n1, n2\n"


def test_a_member_may_be_named_by_its_id(coord_command: Any) -> None:
    coord_command("transfer-leader", "2", status=REPLY, transfer_leader=TransferReply(2))
    assert coord_command.client.calls[-1] == ("transfer_leader", (2,), {})


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["status", "extra"], "unexpected extra argument"),
        (["status", "-w", "xml"], "'xml' is not one of"),
        (["transfer-leader", "n1", "n2"], "unexpected extra argument"),
        (["transfer-leader", "--nonsense"], "No such option"),
        (["version", "extra"], "unexpected extra argument"),
        (["version", "-w", "xml"], "'xml' is not one of"),
    ],
)
def test_bad_input_is_misuse_told_in_one_line(
    coord_command: Any, args: list[str], said: str
) -> None:
    result = coord_command(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert coord_command.client.calls == []
