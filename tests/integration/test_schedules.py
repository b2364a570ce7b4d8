"""Schedules on real processes: stewards and a leader killed, each due time fired exactly once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import coord
from coord.testing.local_cluster import started_cluster, stop, wait_for
from workers.model.job import Job, decode_job
from workers.model.places import Places
from workers.schedules.blocking import ScheduleStore
from workers.schedules.values import Every, Overlap, Schedule
from workers.schedules.zones import parse_time
from workers.testing.schedule_world import due_of

pytestmark = pytest.mark.integration

INTERVAL_MS = 100
APP = "from workers import App\n\napp = App()\n"
PLACES = Places()


@contextmanager
def _worker(folder: Path, endpoints: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker that may be steward, and whose queue is empty."""
    (folder / "no_jobs.py").write_text(APP)
    command = [sys.executable, "-m", "coord.cli", "worker", "start", "-A", "no_jobs:app"]
    command += ["-n", name, "-Q", "empty", "-c", "1", "--ttl", "1", "--endpoints", endpoints]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((root, str(folder)))}
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        stop(process)


def _fired(client: coord.Client) -> list[int]:
    """Return the due times of all jobs there are, in the order they were enqueued."""
    found = client.get(PLACES.queue("ticks").ready, prefix=True)
    jobs = [decode_job(kv.value) for kv in found.kvs]
    return [parse_time(due_of(job)) for job in jobs if job is not None]


def _steward(client: coord.Client) -> str:
    """Return the name of the worker in office."""
    line = client.get(PLACES.steward, prefix=True).kvs
    return min(line, key=lambda kv: kv.create_revision).value.decode() if line else ""


def _killed(process: subprocess.Popen[bytes] | None) -> bool:
    """Kill a process, and say whether there was one to kill."""
    if process is None or process.poll() is not None:
        return False
    process.kill()
    return True


def test_each_due_time_is_fired_once_while_stewards_and_the_leader_are_killed(
    tmp_path: Path,
) -> None:
    with (
        started_cluster(tmp_path, nodes=3) as cluster,
        coord.connect(cluster.endpoints, timeout_ms=20_000) as client,
        _worker(tmp_path, cluster.endpoints, "a") as a,
        _worker(tmp_path, cluster.endpoints, "b") as b,
        _worker(tmp_path, cluster.endpoints, "c") as c,
    ):
        processes = {"a": a, "b": b, "c": c}
        schedules = ScheduleStore(client)
        every = Every(INTERVAL_MS)
        job = Job("tick", result_ttl_ms=0)
        schedules.set(Schedule("tick", job, every, queue="ticks", overlap=Overlap.ALLOW))

        def go_on(more: int) -> None:
            until = len(_fired(client)) + more
            wait_for(lambda: len(_fired(client)) >= until, 30, cluster.log)

        def kill_the_steward() -> None:
            # The line is empty for a moment where every lease of a slow machine ran out.
            wait_for(lambda: _killed(processes.get(_steward(client))), 30, cluster.log)

        go_on(5)
        kill_the_steward()
        go_on(20)
        leader = cluster.pid(cluster.leader)
        assert leader is not None
        os.kill(leader, signal.SIGKILL)
        kill_the_steward()
        go_on(40)
        schedules.pause("tick")
        fired = _fired(client)
        state = schedules.find("tick").state
    assert fired == list(range(fired[0], fired[0] + INTERVAL_MS * len(fired), INTERVAL_MS))
    assert (state.firings, state.skipped) == (len(fired), 0)
    assert state.missed <= 1  # what was due in the instant of the pause
