"""What the peers have in common: a Redis of their own, one worker command, results in Redis."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.cpu_time import children
from tests.bench.job_systems.redis_broker import URL, RedisBroker, count_keys
from tests.bench.job_systems.system import Pids


class OnRedis:
    """A peer's broker and worker; what is the peer's own is its subclass's."""

    name = ""
    results_pattern = ""
    """Which keys of Redis are results."""

    def __init__(self) -> None:
        self._broker = RedisBroker()
        self._worker: subprocess.Popen[bytes] | None = None
        self._functions: dict[str, Any] = {}
        self._redis: Any = None

    def start(self, folder: Path) -> None:
        """See JobSystem."""
        import redis

        self._broker.start(folder)
        self._redis = redis.Redis.from_url(URL)
        self._functions = self.load()
        with (folder / f"{self.name}.log").open("wb") as log:
            command = [sys.executable, "-m", *self.worker_command()]
            self._worker = subprocess.Popen(command, stdout=log, stderr=log)
        self.result(self.enqueue("noop", 0))
        self.forget()

    def load(self) -> dict[str, Any]:
        """Import the peer's application and return its jobs by name."""
        raise NotImplementedError

    def worker_command(self) -> tuple[str, ...]:
        """Return the command line of the peer's workers, after the interpreter's -m."""
        raise NotImplementedError

    def enqueue(self, job: str, number: int) -> Any:
        """See JobSystem."""
        raise NotImplementedError

    def enqueue_bulk(self, job: str, count: int) -> None:
        """See JobSystem: most have no bulk call."""
        for number in range(count):
            self.enqueue(job, number)

    def result(self, handle: Any) -> object:
        """See JobSystem."""
        raise NotImplementedError

    def results(self, wanted: int) -> int:
        """See JobSystem."""
        return count_keys(self._redis, self.results_pattern, wanted)

    def forget(self) -> None:
        """See JobSystem."""
        for key in self._redis.scan_iter(self.results_pattern, count=10_000):
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
