"""Huey over Redis, results in Redis, four worker processes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.cpu_time import children
from tests.bench.job_systems.redis_broker import RedisBroker
from tests.bench.job_systems.system import WORKERS, Pids


class HueyJobs:
    """JobSystem over Huey."""

    name = "huey"

    def __init__(self) -> None:
        self._broker = RedisBroker()
        self._worker: subprocess.Popen[bytes] | None = None

    def start(self, folder: Path) -> None:
        """See JobSystem."""
        from tests.bench.job_systems import huey_app

        self._broker.start(folder)
        self._huey = huey_app.huey
        self._tasks: dict[str, Any] = {"noop": huey_app.noop, "small_io": huey_app.small_io}
        with (folder / "huey.log").open("wb") as log:
            self._worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "huey.bin.huey_consumer"),
                    *("tests.bench.job_systems.huey_app.huey",),
                    *("-w", str(WORKERS), "-k", "process", "-n"),
                ],
                stdout=log,
                stderr=log,
            )
        self.result(self.enqueue("noop", 0))
        self.forget()

    def enqueue(self, job: str, number: int) -> Any:
        """See JobSystem."""
        return self._tasks[job](number)

    def enqueue_bulk(self, job: str, count: int) -> None:
        """See JobSystem: there is no bulk call."""
        task = self._tasks[job]
        for number in range(count):
            task(number)

    def result(self, handle: Any) -> object:
        """See JobSystem."""
        # Its own wait polls, by default ever more slowly; this is the fastest it can be told to.
        return handle.get(blocking=True, timeout=60, backoff=1, max_delay=0.001)

    def results(self, wanted: int) -> int:
        """See JobSystem."""
        return int(self._huey.storage.result_store_size())

    def forget(self) -> None:
        """See JobSystem."""
        self._huey.storage.flush_results()

    def pids(self) -> Pids:
        """See JobSystem."""
        assert self._worker is not None
        parent = self._worker.pid
        return Pids((parent, *children(parent, "")), (self._broker.pid,))

    def stop(self) -> None:
        """See JobSystem."""
        if self._worker is not None:
            self._worker.send_signal(2)
            self._worker.wait()
        self._broker.stop()
