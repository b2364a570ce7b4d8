"""Dramatiq over Redis, results in Redis, four processes of two threads each."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.cpu_time import children
from tests.bench.job_systems.redis_broker import URL, RedisBroker, count_keys
from tests.bench.job_systems.system import WORKERS, Pids

_RESULTS = "?" * 32  # a digest names each result
_THREADS = 2  # of each process; measured faster than 1 and than the default of 8


class DramatiqJobs:
    """JobSystem over Dramatiq."""

    name = "dramatiq"

    def __init__(self) -> None:
        self._broker = RedisBroker()
        self._worker: subprocess.Popen[bytes] | None = None

    def start(self, folder: Path) -> None:
        """See JobSystem."""
        import redis

        self._broker.start(folder)
        self._redis = redis.Redis.from_url(URL)
        from tests.bench.job_systems import dramatiq_app

        self._actors: dict[str, Any] = {
            "noop": dramatiq_app.noop,
            "small_io": dramatiq_app.small_io,
        }
        with (folder / "dramatiq.log").open("wb") as log:
            self._worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "dramatiq", "tests.bench.job_systems.dramatiq_app"),
                    *("-p", str(WORKERS), "-t", str(_THREADS)),
                ],
                stdout=log,
                stderr=log,
            )
        self.result(self.enqueue("noop", 0))
        self.forget()

    def enqueue(self, job: str, number: int) -> Any:
        """See JobSystem."""
        return self._actors[job].send(number)

    def enqueue_bulk(self, job: str, count: int) -> None:
        """See JobSystem: there is no bulk call."""
        actor = self._actors[job]
        for number in range(count):
            actor.send(number)

    def result(self, handle: Any) -> object:
        """See JobSystem."""
        return handle.get_result(block=True, timeout=60_000)

    def results(self, wanted: int) -> int:
        """See JobSystem."""
        return count_keys(self._redis, _RESULTS, wanted)

    def forget(self) -> None:
        """See JobSystem."""
        for key in self._redis.scan_iter(_RESULTS, count=10_000):
            self._redis.delete(key)

    def pids(self) -> Pids:
        """See JobSystem."""
        assert self._worker is not None
        parent = self._worker.pid
        return Pids((parent, *children(parent, "")), (self._broker.pid,))

    def stop(self) -> None:
        """See JobSystem."""
        if self._worker is not None:
            self._worker.terminate()
            self._worker.wait()
        self._broker.stop()
