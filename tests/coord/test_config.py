"""Settings of a node: what is refused, and the identities drawn from names."""

from pathlib import Path
from typing import Any

import pytest

from coord.config import NodeConfig, cluster_id, member_id, parse_initial_cluster
from coord.errors import Misuse

CLUSTER = {"n1": "tcp://127.0.0.1:7411", "n2": "tcp://127.0.0.1:7421"}


def config(tmp_path: Path, **changes: Any) -> NodeConfig:
    given: dict[str, Any] = {
        "name": "n1",
        "data_dir": tmp_path,
        "listen_peer": "tcp://127.0.0.1:7411",
        "listen_client": "tcp://127.0.0.1:7412",
        "initial_cluster": CLUSTER,
    }
    return NodeConfig(**(given | changes))


def test_what_is_listened_on_is_advertised_unless_said_otherwise(tmp_path: Path) -> None:
    plain = config(tmp_path)
    assert plain.advertise_peer == plain.listen_peer
    assert plain.advertise_client == plain.listen_client
    behind = config(
        tmp_path, listen_client="tcp://*:7412", advertise_client="tcp://db1.example:7412"
    )
    assert behind.advertise_client == "tcp://db1.example:7412"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "n3"}, "'n3' is not in the initial cluster (n1, n2)"),
        ({"name": "a b"}, "name 'a b': allowed are"),
        ({"listen_client": "127.0.0.1:7412"}, "is not tcp://host:port"),
        ({"listen_client": "tcp://127.0.0.1:0"}, "port of 1 to 65535"),
        ({"listen_client": "tcp://127.0.0.1:99999"}, "port of 1 to 65535"),
        ({"listen_client": "tcp://0.0.0.0:7412"}, "cannot be reached from elsewhere"),
        ({"listen_client": "tcp://127.0.0.1:7411"}, "are both"),
        ({"listen_peer": "tcp://127.0.0.1:9"}, "they must be equal"),
        ({"cluster_token": ""}, "cluster token is empty"),
        ({"tick_ms": 0}, "tick-ms is 0; 1 to 60000"),
        ({"tick_ms": 10**21}, "1 to 60000 are allowed"),
        ({"history_revisions": 10**21}, "history-revisions is 1"),
        ({"election_ticks": 10}, "must be more than twice heartbeat-ticks"),
        ({"log_level": "loud"}, "allowed are debug, info, warning, error"),
        ({"log_format": "xml"}, "allowed are console, json"),
        ({"snapshot_log_bytes": 1}, "snapshot-log-bytes is 1"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(Misuse) as caught:
        config(tmp_path, **changes)
    assert said in str(caught.value)


def test_a_data_dir_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(Misuse, match="is not a folder"):
        config(tmp_path, data_dir=file)


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misuse) as caught:
        config(tmp_path, name="n3", tick_ms=0, log_level="loud")
    said = str(caught.value)
    assert "initial cluster" in said
    assert "tick-ms" in said
    assert "log-level" in said


def test_identities_are_the_same_on_every_machine() -> None:
    # Pinned: a data folder names its cluster and member, so these may never change.
    assert member_id("n1", "coord") == 135295100507446234
    assert cluster_id(CLUSTER, "coord") == 1117337346607612265


def test_identities_differ_by_name_and_token_but_not_by_address() -> None:
    assert member_id("n1", "coord") != member_id("n2", "coord")
    assert member_id("n1", "coord") != member_id("n1", "other")
    moved = {"n2": "tcp://far:1", "n1": "tcp://away:1"}
    assert cluster_id(CLUSTER, "coord") == cluster_id(moved, "coord")
    assert cluster_id(CLUSTER, "coord") != cluster_id(CLUSTER, "other")


def test_identities_are_positive_and_fit_63_bits() -> None:
    for name in ("a", "b", "n1", "x" * 63):
        assert 0 < member_id(name, "coord") < 2**63


def test_an_initial_cluster_is_read_from_text() -> None:
    text = "n1=tcp://127.0.0.1:7411, n2=tcp://127.0.0.1:7421,"
    assert parse_initial_cluster(text) == CLUSTER


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no member given"),
        ("n1", "'n1' is not name=tcp://host:port"),
        ("=tcp://a:1", "is not name="),
        ("n1=tcp://a:1,n1=tcp://b:1", "named twice"),
        ("n1=tcp://a:1,n2=tcp://a:1", "given twice"),
    ],
)
def test_a_malformed_initial_cluster_is_refused(text: str, said: str) -> None:
    with pytest.raises(Misuse, match=said):
        parse_initial_cluster(text)


def test_peer_addresses_are_keyed_by_node_id(tmp_path: Path) -> None:
    addresses = config(tmp_path).peer_addresses()
    assert addresses[member_id("n1", "coord")] == CLUSTER["n1"]
    assert len(addresses) == 2
