"""Celery over Redis, results in Redis, a prefork pool."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.cpu_time import children
from tests.bench.job_systems.redis_broker import URL, RedisBroker, count_keys
from tests.bench.job_systems.system import WORKERS, Pids

_RESULTS = "celery-task-meta-*"


class CeleryJobs:
    """JobSystem over Celery."""

    name = "celery"

    def __init__(self) -> None:
        self._broker = RedisBroker()
        self._worker: subprocess.Popen[bytes] | None = None

    def start(self, folder: Path) -> None:
        """See JobSystem."""
        import redis

        from tests.bench.job_systems import celery_app

        self._broker.start(folder)
        self._redis = redis.Redis.from_url(URL)
        self._tasks: dict[str, Any] = {
            "noop": celery_app.noop,
            "small_io": celery_app.small_io,
        }
        self._app = celery_app.app
        with (folder / "celery.log").open("wb") as log:
            self._worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-A", "tests.bench.job_systems.celery_app"),
                    *("worker", "-c", str(WORKERS), "-P", "prefork", "-l", "ERROR"),
                    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                ],
                stdout=log,
                stderr=log,
            )
        self.result(self.enqueue("noop", 0))
        self.forget()

    def enqueue(self, job: str, number: int) -> Any:
        """See JobSystem."""
        return self._tasks[job].delay(number)

    def enqueue_bulk(self, job: str, count: int) -> None:
        """See JobSystem: one producer for all, which is the documented way to publish many."""
        task = self._tasks[job]
        with self._app.producer_pool.acquire(block=True) as producer:
            for number in range(count):
                task.apply_async((number,), producer=producer)

    def result(self, handle: Any) -> object:
        """See JobSystem."""
        return handle.get(timeout=60)

    def results(self, wanted: int) -> int:
        """See JobSystem: one key for each result, beside a handful of Celery's own."""
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
