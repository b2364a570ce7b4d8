"""Pipelines on a real cluster, by real workers, from a program without an event loop.

The worker that is the steward and the node that leads are killed while a stage of many jobs runs.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import coord
from coord.testing.local_cluster import LocalProcesses, started_cluster, wait_for
from tests.workers.pipelines.piped_app import squares
from workers.gates.blocking import GateStore
from workers.gates.conditions import QueueSize
from workers.gates.gate import Gate
from workers.model.job import decode_job
from workers.model.places import Places
from workers.pipelines.blocking import PipelineStore
from workers.pipelines.run import RunState

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
JOBS = 2_000
TTL_S = {"first": 2, "second": 30}  # the first is killed; the second outlives every pause


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalProcesses]:
    folder = tmp_path / "nodes"
    folder.mkdir()
    with started_cluster(folder, nodes=3) as cluster:
        yield cluster


@pytest.fixture
def workers(cluster: LocalProcesses) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two workers; the first that was started is the steward."""
    environment = os.environ | {
        "COORD_ENDPOINTS": cluster.endpoints,
        "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parents[2]))),
    }
    command = [sys.executable, "-m", "coord.cli", "worker", "start", "-A", "piped_app:app"]
    started = []
    with coord.connect(cluster.endpoints, timeout_ms=30_000) as client:
        for name, ttl_s in TTL_S.items():
            options = ["-c", "2", "-n", name, "--ttl", str(ttl_s)]
            started.append(
                subprocess.Popen(
                    [*command, *options],
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            count = len(started)
            wait_for(partial(_stand_for_steward, client, count), 30, lambda: "no worker came")
    yield started
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def test_killed_steward_and_leader_neither_lose_nor_double_a_job(
    cluster: LocalProcesses, workers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    spec = squares(str(tmp_path), JOBS)
    with coord.connect(cluster.endpoints, timeout_ms=60_000) as client:
        gates, pipelines = GateStore(client), PipelineStore(client)
        gates.set(Gate("first", QueueSize("default", 1), queue="default"))
        made = pipelines.start(spec, once="squares")
        assert gates.wait("first").by == ("at least 1 jobs ready in queue default",)
        wait_for(lambda: _ran(tmp_path)["parse 100"] > 0, 60, lambda: "too few jobs")
        workers[0].kill()
        held = _held_by(client, "first")
        leader = cluster.pid(cluster.leader)
        assert leader is not None
        os.kill(leader, signal.SIGKILL)
        assert pipelines.start(spec, once="squares") == made
        pipelines.signal(made, "go", by="ann")
        run = pipelines.wait(made)
        assert run.state is RunState.DONE, run
        assert list(pipelines.results(made, "merge")) == [sum(range(JOBS))]
        assert len(list(pipelines.results(made, "parse"))) == JOBS
        assert (len(list(pipelines.results(made, "scan"))), run.stages["scan"].released) == (2, 1)
    ran = _ran(tmp_path)
    assert set(ran) == {*(f"parse {n}" for n in range(JOBS)), "added", "own", "merge"}
    # Only what the killed worker had in its hands may have run twice.
    assert {name for name, times in ran.items() if times > 1} <= held
    assert max(ran.values()) <= 2


def _stand_for_steward(client: coord.Client, count: int) -> bool:
    return client.get("coord/steward/", prefix=True, count_only=True).count == count


def _held_by(client: coord.Client, worker: str) -> set[str]:
    """Return what the jobs that a worker has in its hands note when they run."""
    keys = client.get(Places().queue("default").held_by(worker), prefix=True).kvs
    jobs = [job for job in (decode_job(kv.value) for kv in keys) if job is not None]
    assert {job.name for job in jobs} <= {"scan", "parse", "note"}
    return {
        f"parse {job.args['number']}" if job.name == "parse" else str(job.args["word"])
        for job in jobs
        if job.name != "scan"
    }


def _ran(folder: Path) -> Counter[str]:
    try:
        return Counter((folder / "ran").read_text().splitlines())
    except FileNotFoundError:
        return Counter()
