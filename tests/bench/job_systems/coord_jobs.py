"""coord's jobs on three durable nodes: every step is on two disks before it is acknowledged."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import coord
from tests.bench.coord_cluster import CoordCluster
from tests.bench.cpu_time import children
from tests.bench.job_systems.system import WORKERS, Pids

BASE_PORT = 26900


class CoordJobs:
    """JobSystem over coord."""

    name = "coord"

    def __init__(self) -> None:
        self._cluster: CoordCluster | None = None
        self._worker: subprocess.Popen[bytes] | None = None

    def start(self, folder: Path) -> None:
        """See JobSystem: one worker of four child processes, as one would have for four cores."""
        self._cluster = CoordCluster(folder, BASE_PORT)
        self._cluster.start()
        endpoints = self._cluster.endpoints
        os.environ["COORD_ENDPOINTS"] = endpoints
        from tests.bench.job_systems import coord_app

        self._app = coord_app.app
        self._jobs: dict[str, Any] = {"noop": coord_app.noop, "small_io": coord_app.small_io}
        self._client = coord.connect(endpoints)
        with (folder / "worker.log").open("wb") as log:
            self._worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "coord.cli", "worker", "start"),
                    *("-A", "tests.bench.job_systems.coord_app:app", "-c", str(WORKERS)),
                ],
                stdout=log,
                stderr=log,
            )
        self.result(self.enqueue("noop", 0))
        self.forget()

    def enqueue(self, job: str, number: int) -> Any:
        """See JobSystem."""
        return self._jobs[job].enqueue(number)

    def enqueue_bulk(self, job: str, count: int) -> None:
        """See JobSystem."""
        made = self._jobs[job]
        self._app.enqueue_many(made.call(number) for number in range(count))

    def result(self, handle: Any) -> object:
        """See JobSystem."""
        return handle.result(timeout_s=60)

    def results(self, wanted: int) -> int:
        """See JobSystem."""
        found = self._client.get("coord/queue/default/done/", prefix=True, count_only=True)
        return int(found.count)

    def forget(self) -> None:
        """See JobSystem."""
        self._client.delete("coord/queue/default/done/", prefix=True)

    def pids(self) -> Pids:
        """See JobSystem."""
        assert self._worker is not None
        assert self._cluster is not None
        parent = self._worker.pid
        nodes = tuple(int(node["pid"]) for node in self._cluster.nodes)
        return Pids((parent, *children(parent, "")), nodes)

    def stop(self) -> None:
        """See JobSystem."""
        if self._worker is not None:
            self._worker.terminate()
            self._worker.wait()
            self._client.close()
            self._app.close()
        if self._cluster is not None:
            self._cluster.stop()
