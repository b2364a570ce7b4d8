"""Locks and elections of real processes: killed, frozen, told to end, against real nodes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import coord
from coord import ops
from coord.testing.local_cluster import LocalProcesses, started_cluster, wait_for
from recipes import blocking

pytestmark = pytest.mark.integration

START = (
    "from recipes.commands.lock import lock; from recipes.commands.elect import elect;"
    " from coord.cli.main import main; main.add_command(lock); main.add_command(elect); main()"
)
TTL_S = 1.0
HOLDER = """
import sys
import coord
from coord import ops
from recipes import blocking

with coord.connect(timeout_ms=30_000) as client, client.session(ttl_ms=1000) as session:
    hold = blocking.Lock(client, "frozen").acquire(session)
    print(hold.token, flush=True)
    sys.stdin.readline()
    session.lost.wait(20)
    written = client.txn([hold.guard()], [ops.put("frozen-effect", "stale")]).succeeded
    print(session.lost.is_set(), written, flush=True)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcesses]:
    with started_cluster(tmp_path_factory.mktemp("cluster"), nodes=1) as running:
        yield running


@pytest.fixture
def client(cluster: LocalProcesses) -> Iterator[coord.Client]:
    with coord.connect(cluster.endpoints, timeout_ms=30_000) as connected:
        yield connected


def start(cluster: LocalProcesses, *words: str, stdin: bool = False) -> subprocess.Popen[str]:
    """Start a Python with these words, as a client of the cluster."""
    return subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COORD_ENDPOINTS": cluster.endpoints},
    )


def run_coord(cluster: LocalProcesses, *words: str) -> subprocess.Popen[str]:
    return start(cluster, "-c", START, *words)


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def wait_for_line(client: coord.Client, prefix: str, count: int) -> None:
    """Wait until so many stand in line."""
    wait_for(lambda: client.get(prefix, prefix=True).count == count, 15, lambda: prefix)


def test_a_holder_killed_on_the_spot_is_followed_within_its_time_to_live_and_a_second(
    cluster: LocalProcesses, client: coord.Client
) -> None:
    holder = run_coord(cluster, "lock", "killed", "--ttl", str(TTL_S))
    assert read_line(holder).startswith("killed/")
    with client.session(ttl_ms=5000) as session:
        holder.kill()
        killed_s = time.monotonic()
        blocking.Lock(client, "killed").acquire(session, timeout_ms=15_000).release()
        assert time.monotonic() - killed_s < TTL_S + 1.0
    holder.communicate(timeout=15)


def test_a_holder_frozen_past_its_lease_is_told_and_its_guarded_write_is_refused(
    cluster: LocalProcesses, client: coord.Client
) -> None:
    holder = start(cluster, "-c", HOLDER, stdin=True)
    old_token = int(read_line(holder))
    holder.send_signal(signal.SIGSTOP)
    with client.session(ttl_ms=5000) as session:
        hold = blocking.Lock(client, "frozen").acquire(session, timeout_ms=15_000)
        assert hold.token > old_token
        assert client.txn([hold.guard()], [ops.put("frozen-effect", "fresh")]).succeeded
        holder.send_signal(signal.SIGCONT)
        told, errors = holder.communicate("go on\n", timeout=30)
        assert told.split() == ["True", "False"], errors
        assert client.get("frozen-effect").kvs[0].value == b"fresh"
        hold.release()


def test_a_command_runs_while_the_lock_is_held_and_its_exit_code_is_ours(
    cluster: LocalProcesses, client: coord.Client
) -> None:
    script = "echo $COORD_LOCK_KEY $COORD_LOCK_TOKEN; exit 7"
    ran = run_coord(cluster, "lock", "command", "--", "sh", "-c", script)
    told, errors = ran.communicate(timeout=30)
    key, token = told.split()
    assert (ran.returncode, errors) == (7, "")
    assert key.startswith("command/")
    assert int(token) > 0
    assert client.get("command/", prefix=True).count == 0


def test_trying_a_held_lock_ends_at_once_and_runs_nothing(
    cluster: LocalProcesses, client: coord.Client, tmp_path: Path
) -> None:
    with client.session() as session, blocking.Lock(client, "tried").acquire(session):
        for words in (("--try",), ("--wait", "0.1")):
            ran = run_coord(cluster, "lock", "tried", *words, "touch", str(tmp_path / "ran"))
            _, errors = ran.communicate(timeout=30)
            assert ran.returncode == 4
            assert errors.startswith("coord: Others held it")
        assert not (tmp_path / "ran").exists()
        assert client.get("tried/", prefix=True).count == 1


def test_term_reaches_the_command_and_the_lock_is_free_afterwards(
    cluster: LocalProcesses, client: coord.Client
) -> None:
    script = "trap 'echo told; exit 5' TERM; echo ready; while true; do sleep 0.05; done"
    ran = run_coord(cluster, "lock", "signalled", "--", "sh", "-c", script)
    assert read_line(ran) == "ready"
    ran.terminate()
    told, errors = ran.communicate(timeout=30)
    assert (ran.returncode, told, errors) == (5, "told\n", "")
    assert client.get("signalled/", prefix=True).count == 0


def test_term_while_waiting_leaves_no_place_in_line(
    cluster: LocalProcesses, client: coord.Client
) -> None:
    with client.session() as session, blocking.Lock(client, "queued").acquire(session):
        waiting = run_coord(cluster, "lock", "queued", "true")
        wait_for_line(client, "queued/", 2)
        waiting.terminate()
        waiting.communicate(timeout=30)
        assert waiting.returncode == 143
        assert client.get("queued/", prefix=True).count == 1


def test_a_lock_taken_away_ends_the_command(cluster: LocalProcesses, client: coord.Client) -> None:
    ran = run_coord(cluster, "lock", "taken", "--", "sh", "-c", "echo ready; exec sleep 60")
    assert read_line(ran) == "ready"
    client.delete("taken/", prefix=True)
    _, errors = ran.communicate(timeout=30)
    assert (ran.returncode, errors) == (1, "coord: the lock was lost\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel must tell the child")
def test_a_command_whose_coord_lock_is_killed_on_the_spot_is_told_to_end(
    cluster: LocalProcesses,
) -> None:
    script = "trap 'echo told; exit' TERM; echo ready; while true; do sleep 0.05; done"
    ran = run_coord(cluster, "lock", "orphan", "--ttl", "1", "--", "sh", "-c", script)
    assert read_line(ran) == "ready"
    ran.kill()
    told, _ = ran.communicate(timeout=30)  # ends when the command has let go of stdout
    assert told == "told\n"


def test_a_command_that_is_not_there_is_127(cluster: LocalProcesses) -> None:
    ran = run_coord(cluster, "lock", "absent", "no-such-command-here")
    _, errors = ran.communicate(timeout=30)
    assert (ran.returncode, errors) == (127, "coord: no-such-command-here: command not found\n")


def test_candidates_lead_one_after_the_other_and_a_listener_is_told(
    cluster: LocalProcesses, client: coord.Client
) -> None:
    listener = run_coord(cluster, "elect", "office", "--listen")
    first = run_coord(cluster, "elect", "office", "one")
    assert read_line(first).startswith("office/")
    second = run_coord(cluster, "elect", "office", "two", "--", "sh", "-c", "exit 9")
    wait_for_line(client, "office/", 2)
    first.terminate()
    first.communicate(timeout=30)
    second.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (143, 9)
    assert [read_line(listener) for _ in range(4)][1::2] == ["one", "two"]
    listener.terminate()
    listener.communicate(timeout=30)


@pytest.mark.parametrize(
    "words",
    [
        ("lock",),
        ("lock", ""),
        ("lock", "a", "--ttl", "-1"),
        ("lock", "a", "--try", "--wait", "1"),
        ("elect", "a"),
        ("elect", "a", "b", "--listen"),
    ],
)
def test_command_lines_that_cannot_work_are_misuse(
    cluster: LocalProcesses, words: tuple[str, ...]
) -> None:
    ran = run_coord(cluster, *words)
    _, errors = ran.communicate(timeout=30)
    assert ran.returncode == 2
    assert errors.count("\n") == 1
