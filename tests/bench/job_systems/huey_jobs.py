"""Huey over Redis, results in Redis, four worker processes."""

from typing import Any

from tests.bench.job_systems.on_redis import OnRedis
from tests.bench.job_systems.system import WORKERS


class HueyJobs(OnRedis):
    """JobSystem over Huey."""

    name = "huey"

    def load(self) -> dict[str, Any]:
        """See OnRedis."""
        from tests.bench.job_systems import huey_app

        self._huey = huey_app.huey
        return {"noop": huey_app.noop, "small_io": huey_app.small_io}

    def worker_command(self) -> tuple[str, ...]:
        """See OnRedis."""
        return (
            *("huey.bin.huey_consumer", "tests.bench.job_systems.huey_app.huey"),
            *("-w", str(WORKERS), "-k", "process", "-n"),
        )

    def enqueue(self, job: str, number: int) -> Any:
        """See JobSystem."""
        return self._functions[job](number)

    def result(self, handle: Any) -> object:
        """See JobSystem."""
        # Its own wait polls, by default ever more slowly; this is the fastest it can be told to.
        return handle.get(blocking=True, timeout=60, backoff=1, max_delay=0.001)

    def results(self, wanted: int) -> int:
        """See JobSystem: one hash holds them all."""
        return int(self._huey.storage.result_store_size())

    def forget(self) -> None:
        """See JobSystem."""
        self._huey.storage.flush_results()
