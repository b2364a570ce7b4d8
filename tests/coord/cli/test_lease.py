"""`coord lease`: ids in hexadecimal, times in seconds."""

import json
import threading
from typing import Any

import pytest

from coord.errors import ErrorCode, error_from
from coord.requests import (
    LeaseGrantReply,
    LeaseKeepAliveReply,
    LeaseListReply,
    LeaseRevokeReply,
    LeaseTimeToLiveReply,
)

LEASE = 0x3513A202EBAF0C0D


def test_grant_takes_seconds_with_decimals(coord_command: Any) -> None:
    result = coord_command("lease", "grant", "0.5", grant=LeaseGrantReply(LEASE, 500))
    assert coord_command.call == ("grant", (500, 0), {})
    assert result.stdout == "lease 3513a202ebaf0c0d granted with TTL(0.5s)\n"


def test_grant_can_ask_for_an_id(coord_command: Any) -> None:
    result = coord_command("lease", "grant", "100", "--id", "1f", grant=LeaseGrantReply(31, 100000))
    assert coord_command.call == ("grant", (100_000, 31), {})
    assert result.stdout == "lease 000000000000001f granted with TTL(100s)\n"


def test_grant_as_json_rounds_seconds_up_and_adds_milliseconds(coord_command: Any) -> None:
    result = coord_command("lease", "grant", "0.5", "-w", "json", grant=LeaseGrantReply(31, 500))
    assert json.loads(result.stdout) == {"ID": 31, "TTL": 1, "TTL_ms": 500}


def test_revoke_says_what_it_revoked(coord_command: Any) -> None:
    result = coord_command("lease", "revoke", f"{LEASE:x}", revoke=LeaseRevokeReply(9))
    assert coord_command.call == ("revoke", (LEASE,), {})
    assert result.stdout == "lease 3513a202ebaf0c0d revoked\n"


def test_revoke_of_an_unknown_lease_is_not_done(coord_command: Any) -> None:
    result = coord_command("lease", "revoke", "1f", revoke=error_from(ErrorCode.LEASE_NOT_FOUND))
    assert result.exit_code == 1
    assert result.stderr == "coord: requested lease not found\n"


def test_keep_alive_once_renews_once(coord_command: Any) -> None:
    reply = LeaseKeepAliveReply(LEASE, 60_000)
    result = coord_command("lease", "keep-alive", "--once", f"{LEASE:x}", keep_alive=reply)
    assert result.stdout == "lease 3513a202ebaf0c0d keepalived with TTL(60)\n"
    assert len(coord_command.client.calls) == 1


def test_keep_alive_renews_three_times_in_a_ttl_until_the_lease_ends(
    coord_command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", lambda self, time_s: waited.append(time_s))
    answers = [LeaseKeepAliveReply(31, 600), LeaseKeepAliveReply(31, 600)]
    ended = [*answers, LeaseKeepAliveReply(31, 0)]
    result = coord_command("lease", "keep-alive", "1f", keep_alive=ended)
    assert waited == pytest.approx([0.2, 0.2])
    assert result.exit_code == 1
    assert result.stderr == "coord: requested lease not found: 000000000000001f\n"


def test_ttl_tells_what_remains_and_which_keys(coord_command: Any) -> None:
    reply = LeaseTimeToLiveReply(LEASE, 59_250, 60_000, (b"a", b"b"))
    result = coord_command("lease", "ttl", "--keys", f"{LEASE:x}", time_to_live=reply)
    assert result.stdout == (
        "lease 3513a202ebaf0c0d granted with TTL(60s), remaining(59.25s), attached keys([a b])\n"
    )


def test_ttl_of_an_ended_lease_says_so(coord_command: Any) -> None:
    reply = LeaseTimeToLiveReply(LEASE, -1, 0)
    result = coord_command("lease", "ttl", f"{LEASE:x}", time_to_live=reply)
    assert result.stdout == "lease 3513a202ebaf0c0d already expired\n"
    assert result.exit_code == 0


def test_ttl_as_json_has_etcdctls_shape(coord_command: Any) -> None:
    reply = LeaseTimeToLiveReply(31, 59_250, 60_000, (b"a",))
    result = coord_command("lease", "ttl", "1f", "-w", "json", time_to_live=reply)
    found = json.loads(result.stdout)
    assert (found["id"], found["ttl"], found["granted-ttl"]) == (31, 60, 60)
    assert found["ttl_ms"] == 59_250
    assert found["keys"] == ["YQ=="]


def test_list_shows_every_lease(coord_command: Any) -> None:
    result = coord_command("lease", "list", leases=LeaseListReply((LEASE, 31)))
    assert result.stdout == "found 2 leases\n3513a202ebaf0c0d\n000000000000001f\n"


@pytest.mark.parametrize("form", ["json", "table"])
@pytest.mark.parametrize(
    ("args", "answers"),
    [
        (["grant", "1"], {"grant": LeaseGrantReply(31, 1000)}),
        (["revoke", "1f"], {"revoke": LeaseRevokeReply(4)}),
        (["keep-alive", "--once", "1f"], {"keep_alive": LeaseKeepAliveReply(31, 1000)}),
        (["ttl", "1f"], {"time_to_live": LeaseTimeToLiveReply(31, 10, 1000)}),
        (["list"], {"leases": LeaseListReply((31,))}),
    ],
)
def test_every_command_can_write_every_form(
    coord_command: Any, args: list[str], answers: dict[str, Any], form: str
) -> None:
    result = coord_command("lease", *args, "-w", form, **answers)
    assert result.exit_code == 0
    assert result.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["grant"], "Missing argument 'TTL'"),
        (["grant", "long"], "'long' is not a number of seconds"),
        (["grant", "0"], "0.001 to 9000000000"),
        (["grant", "nan"], "'nan' is not a number of seconds"),
        (["grant", "1e300"], "0.001 to 9000000000"),
        (["revoke", "xyz"], "give its hexadecimal digits"),
        (["keep-alive"], "Missing argument 'LEASE_ID'"),
        (["ttl", "-5"], "No such option"),
        (["list", "extra"], "unexpected extra argument"),
        (["nonsense"], "No such command"),
    ],
)
def test_bad_input_is_misuse_told_in_one_line(
    coord_command: Any, args: list[str], said: str
) -> None:
    result = coord_command("lease", *args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert coord_command.client.calls == []
