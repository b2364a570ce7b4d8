"""`coord worker` as a process of its own against a real node: it works, and leaves in order."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import coord
from workers.demo.index.processes import node_programs
from workers.jobs import Job

pytestmark = pytest.mark.integration

START = (
    "from workers.command import worker; from coord.cli.main import main;"
    " main.add_command(worker); main()"
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[coord.Client]:
    """Start a node and return a client of it."""
    folder = tmp_path_factory.mktemp("node")
    (node,) = node_programs(1, folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *node.program.arguments], stdout=log, stderr=log
        )
    try:
        with coord.connect(node.client, timeout_ms=30_000) as client:
            client.get("ready")
            os.environ["COORD_ENDPOINTS"] = node.client
            yield client
    finally:
        del os.environ["COORD_ENDPOINTS"]
        process.terminate()
        process.wait(20)


def start(app: str, queue: str, *options: str) -> subprocess.Popen[str]:
    """Start a worker on a queue."""
    return subprocess.Popen(
        [sys.executable, "-c", START, "worker", app, "--queue", queue, *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def wait_for(client: coord.Client, prefix: str, holding: bytes = b"") -> coord.KeyValue:
    """Return the first key under `prefix` whose value has `holding` in it."""
    found = client.get(prefix, prefix=True)
    fit = [kv for kv in found.kvs if holding in kv.value]
    if fit:
        return fit[0]
    with client.watch(prefix, prefix=True, start_revision=found.revision + 1) as changes:
        for batch in changes:
            for event in batch.events:
                if event.kind is coord.EventKind.PUT and holding in event.kv.value:
                    return event.kv
    raise AssertionError("the watch ended")


def runs(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has collected yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_jobs_put_by_anybody_are_done(client: coord.Client, app: str) -> None:
    client.put("q1/ready/", Job("double", {"number": 4}).encode(), sequence=True)
    worker = start(app, "q1/", "--slots", "1")
    done = json.loads(wait_for(client, "q1/done/").value)
    worker.terminate()
    _, told = worker.communicate(timeout=20)
    assert done["result"]["number"] == 8
    assert "1 completed, 0 failed, handed back nothing" in told
    assert worker.returncode == 0


def test_a_worker_told_to_end_hands_back_what_it_holds_and_names_it(
    client: coord.Client, app: str, tmp_path: Path
) -> None:
    args: dict[str, object] = {"started": str(tmp_path / "pid")}
    put = client.put("q2/ready/", Job("hang", args).encode(), sequence=True)
    worker = start(app, "q2/", "--slots", "1", "--ttl", "60", "--progress", "p2/")
    wait_for(client, "p2/", b"hanging")
    worker.terminate()
    _, told = worker.communicate(timeout=20)
    assert f"handed back {put.key.decode().removeprefix('q2/ready/')}" in told
    assert client.get("q2/ready/", prefix=True).count == 1
    assert client.get("q2/held/", prefix=True).count == 0
    assert client.get("p2/", prefix=True).count == 0


def test_a_killed_workers_job_returns_within_its_time_to_live_and_its_child_is_gone(
    client: coord.Client, app: str, tmp_path: Path
) -> None:
    args: dict[str, object] = {"started": str(tmp_path / "pid")}
    client.put("q3/ready/", Job("hang", args).encode(), sequence=True)
    worker = start(app, "q3/", "--slots", "1", "--ttl", "1", "--progress", "p3/")
    wait_for(client, "p3/", b"hanging")
    child = int((tmp_path / "pid").read_text())
    worker.kill()
    worker.communicate(timeout=20)
    back = wait_for(client, "q3/ready/")
    assert back.claims == 1
    assert not runs(child)


def test_an_application_that_is_not_there_is_misuse() -> None:
    worker = start("no.such:registry", "q4/", "--slots", "1")
    _, told = worker.communicate(timeout=20)
    assert worker.returncode == 2
    assert "no.such" in told or "No module named 'no'" in told
