"""The `coord` command against real processes: every command, and a cluster whose nodes die."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from coord.testing.local_cluster import (
    LocalProcesses,
    free_base_port,
    started_cluster,
    stop,
    wait_for,
)

pytestmark = pytest.mark.integration


@attrs.frozen
class Coord:
    """Runs `coord` as users do, against one cluster."""

    endpoints: str

    def __call__(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "coord.cli", *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=os.environ | {"COORD_ENDPOINTS": self.endpoints},
        )

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "coord.cli", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"COORD_ENDPOINTS": self.endpoints},
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcesses]:
    with started_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def coord(cluster: LocalProcesses) -> Coord:
    return Coord(cluster.endpoints)


def test_what_is_put_can_be_read_and_deleted(coord: Coord) -> None:
    assert coord("put", "keys/a", "1").stdout == "OK\n"
    assert coord("put", "keys/b", stdin="two").stdout == "OK\n"
    assert coord("get", "--prefix", "keys/").stdout == "keys/a\n1\nkeys/b\ntwo\n"
    assert coord("get", "--prefix", "keys/", "--count-only").stdout == "2\n"
    assert coord("get", "--prefix", "keys/", "--keys-only", "--order", "descend").stdout == (
        "keys/b\n\nkeys/a\n\n"
    )
    assert coord("del", "--prefix", "keys/").stdout == "2\n"
    assert coord("get", "--prefix", "keys/").stdout == ""


def test_an_old_revision_can_be_read_until_it_is_compacted(coord: Coord) -> None:
    coord("put", "old", "1")
    revision = json.loads(coord("get", "old", "-w", "json").stdout)["kvs"][0]["mod_revision"]
    coord("put", "old", "2")
    assert coord("get", "old", "--rev", str(revision)).stdout == "old\n1\n"
    assert coord("compact", str(revision + 1)).returncode == 0
    refused = coord("get", "old", "--rev", str(revision))
    assert refused.returncode == 1
    assert "required revision has been compacted" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_transaction_runs_whole_or_not_at_all(coord: Coord) -> None:
    text = 'create("txn") = "0"\n\nput txn "first"\nget txn\n\nget txn\n\n'
    assert coord("txn", stdin=text).stdout == "SUCCESS\n\nOK\n\ntxn\nfirst\n"
    assert coord("txn", stdin=text).stdout == "FAILURE\n\ntxn\nfirst\n"


def test_a_key_goes_with_its_lease(coord: Coord) -> None:
    granted = coord("lease", "grant", "60").stdout
    lease = granted.split()[1]
    coord("put", "--lease", lease, "leased", "here")
    assert "attached keys([leased])" in coord("lease", "ttl", lease, "--keys").stdout
    assert lease in coord("lease", "list").stdout
    assert coord("lease", "keep-alive", "--once", lease).returncode == 0
    assert coord("lease", "revoke", lease).stdout == f"lease {lease} revoked\n"
    assert coord("get", "leased").stdout == ""
    assert coord("lease", "keep-alive", "--once", lease).returncode == 1
    assert coord("lease", "revoke", lease).returncode == 1


def test_a_watch_prints_the_past_and_ends_cleanly_on_a_signal(coord: Coord) -> None:
    coord("put", "seen", "1")
    first = json.loads(coord("get", "seen", "-w", "json").stdout)["kvs"][0]["mod_revision"]
    coord("put", "seen", "2")
    coord("del", "seen")
    for number, ended_with in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        watch = coord.start("watch", "seen", "--rev", str(first))
        assert watch.stdout is not None
        lines = [watch.stdout.readline() for _ in range(9)]
        assert b"".join(lines) == b"PUT\nseen\n1\nPUT\nseen\n2\nDELETE\nseen\n\n"
        watch.send_signal(number)
        _, errors = watch.communicate(timeout=15)
        # Click ends the line that the terminal shows ^C on.
        assert (watch.returncode, errors.strip()) == (ended_with, b"")


def test_status_shows_every_member_to_who_knows_one(cluster: LocalProcesses, coord: Coord) -> None:
    one = Coord(cluster.endpoints.split(",")[0])
    # Longer than the usual two seconds: a disk that stalls for as long must not fail this.
    asked = ("status", "-w", "json", "--timeout", "20")
    # A member that started just now makes its address known a moment later.
    wait_for(lambda: len(json.loads(one(*asked).stdout)) == 3, 30, cluster.log)
    shown = one(*asked)
    assert shown.returncode == 0, shown.stdout + cluster.log()
    found = json.loads(shown.stdout)
    assert {each["Status"]["name"] for each in found} == {"n1", "n2", "n3"}
    assert len({each["Status"]["leader"] for each in found}) == 1


def test_leadership_can_be_handed_over(cluster: LocalProcesses, coord: Coord) -> None:
    target = next(name for name in ("n1", "n2") if name != cluster.leader)
    assert coord("transfer-leader", target).stdout == f"leadership goes to {target}\n"
    cluster.wait_until(lambda state: state["leader"] == target)
    assert coord("put", "after", "transfer").returncode == 0


def test_a_cluster_that_cannot_be_reached_is_unavailable() -> None:
    nobody = Coord(f"tcp://127.0.0.1:{free_base_port(1) + 12}")
    result = nobody("get", "a", "--timeout", "0.5")
    assert result.returncode == 4
    assert result.stderr.count("\n") == 1
    assert nobody("status", "--timeout", "0.5").returncode == 4


def test_the_cluster_serves_on_when_its_leader_is_killed_and_keeps_what_it_said(
    tmp_path: Path,
) -> None:
    with started_cluster(tmp_path) as cluster:
        coord = Coord(cluster.endpoints)
        assert coord("put", "kept", "1").returncode == 0
        dead = cluster.leader
        pid = cluster.pid(dead)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        cluster.wait_until(lambda state: state["leader"] != dead)
        assert coord("get", "kept").stdout == "kept\n1\n"
        assert coord("put", "kept", "2").returncode == 0
        assert cluster.pid(dead) is None
        assert f"{dead} ended by itself: signal 9" in cluster.log()
        assert coord("status", "--timeout", "1").returncode == 4
        base_port = cluster.base_port
    assert cluster.process.returncode == 0
    with started_cluster(tmp_path, base_port=base_port) as again:
        assert Coord(again.endpoints)("get", "kept").stdout == "kept\n2\n"


def test_a_node_that_dies_is_started_again_when_asked(tmp_path: Path) -> None:
    with started_cluster(tmp_path, nodes=1, options=["--restart"]) as cluster:
        pid = cluster.pid("n1")
        assert pid is not None
        assert Coord(cluster.endpoints)("put", "kept", "1").returncode == 0
        os.kill(pid, signal.SIGKILL)
        cluster.wait_until(lambda state: state["nodes"][0]["pid"] not in (pid, None))
        assert Coord(cluster.endpoints)("get", "kept").stdout == "kept\n1\n"


def test_nodes_do_not_outlive_a_killed_up(tmp_path: Path) -> None:
    with started_cluster(tmp_path, nodes=1) as cluster:
        pid = cluster.pid("n1")
        cluster.process.kill()
        cluster.process.wait()
        wait_for(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), 15, cluster.log)


def test_up_refuses_ports_that_are_taken(tmp_path: Path, cluster: LocalProcesses) -> None:
    result = Coord("")("up", "--data-dir", str(tmp_path), "--base-port", str(cluster.base_port))
    assert result.returncode == 4
    assert "already in use" in result.stderr
    assert result.stderr.count("\n") == 1


def test_up_ends_when_it_cannot_write_its_ready_file(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    result = Coord("")(
        *("up", "--nodes", "1", "--data-dir", str(tmp_path / "data"), "--log-level", "error"),
        *("--base-port", str(free_base_port(1)), "--ready-file", str(in_the_way / "ready")),
    )
    assert result.returncode == 1
    assert "Not a directory" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_node_that_cannot_start_ends_the_whole_cluster(tmp_path: Path) -> None:
    log = tmp_path / "data" / "n1"
    log.mkdir(parents=True)
    (log / "identity").write_text("not one")
    result = Coord("")(
        *("up", "--nodes", "1", "--data-dir", str(tmp_path / "data")),
        *("--base-port", str(free_base_port(1))),
    )
    assert result.returncode == 1
    assert "identity" in result.stderr
    assert "n1 ended by itself: exit code 1" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_node_ends_cleanly_on_term(tmp_path: Path) -> None:
    base_port = free_base_port(1)
    peer, client = (f"tcp://127.0.0.1:{base_port + kind}" for kind in (11, 12))
    node = Coord(client).start(
        *("serve", "--name", "n1", "--data-dir", str(tmp_path / "n1")),
        *("--listen-peer", peer, "--listen-client", client, "--initial-cluster", f"n1={peer}"),
    )
    assert Coord(client)("put", "a", "1").stdout == "OK\n"
    assert stop(node) == 0
    assert node.stderr is not None
    assert b"Traceback" not in node.stderr.read()
    node.stderr.close()
    assert node.stdout is not None
    node.stdout.close()


def _is_zombie(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_new_cluster_begins_with_what_was_saved(
    cluster: LocalProcesses, coord: Coord, tmp_path: Path
) -> None:
    lease = coord("lease", "grant", "600").stdout.split()[1]
    coord("put", "saved/a", "1", "--lease", lease)
    file = tmp_path / "backup.snap"
    assert coord("snapshot", "save", str(file)).returncode == 0
    coord("put", "saved/b", "too late")
    base_port = free_base_port(3)
    peers = {f"n{i}": f"tcp://127.0.0.1:{base_port + 10 * i + 1}" for i in (1, 2, 3)}
    members = ",".join(f"{name}={peer}" for name, peer in peers.items())
    for name in peers:
        folder = str(tmp_path / "data" / name)
        made = coord(
            *("snapshot", "restore", str(file), "--name", name, "--data-dir", folder),
            *("--initial-cluster", members),
        )
        assert made.returncode == 0, made.stderr
    with started_cluster(tmp_path, base_port=base_port) as again:
        restored = Coord(again.endpoints)
        found = json.loads(restored("get", "saved/", "--prefix", "-w", "json").stdout)
        assert [kv["key"] for kv in found["kvs"]] == ["c2F2ZWQvYQ=="]
        assert found["header"]["revision"] > 1_000_000_000
        assert lease in restored("lease", "list").stdout
        assert restored("get", "saved/a", "--rev", "5").returncode == 1
        assert restored("put", "saved/b", "2").returncode == 0
        shown = json.loads(restored("status", "-w", "json").stdout)
        assert [each["Status"]["keys"] for each in shown] == [found_keys(restored)] * 3


def found_keys(coord: Coord) -> int:
    return int(coord("get", "", "--prefix", "--count-only").stdout)


def test_a_command_can_be_run_beside_a_cluster_of_its_own() -> None:
    script = (
        "import coord; c = coord.connect(); c.put('a', 'b'); print(c.get('a').count); c.close()"
    )
    beside = [sys.executable, "-m", "coord.testing.with_cluster", "--nodes", "1", "--"]
    done = subprocess.run(
        [*beside, sys.executable, "-c", f"{script}; raise SystemExit(7)"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (7, "1\n")
