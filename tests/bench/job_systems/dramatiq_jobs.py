"""Dramatiq over Redis, results in Redis, four processes of two threads each."""

from typing import Any

from tests.bench.job_systems.on_redis import OnRedis
from tests.bench.job_systems.system import WORKERS

_THREADS = 2  # of each process; measured faster than 1 and than the default of 8


class DramatiqJobs(OnRedis):
    """JobSystem over Dramatiq."""

    name = "dramatiq"
    results_pattern = "?" * 32  # a digest names each result

    def load(self) -> dict[str, Any]:
        """See OnRedis."""
        from tests.bench.job_systems import dramatiq_app

        return {"noop": dramatiq_app.noop, "small_io": dramatiq_app.small_io}

    def worker_command(self) -> tuple[str, ...]:
        """See OnRedis."""
        module = "tests.bench.job_systems.dramatiq_app"
        return ("dramatiq", module, "-p", str(WORKERS), "-t", str(_THREADS))

    def enqueue(self, job: str, number: int) -> Any:
        """See JobSystem."""
        return self._functions[job].send(number)

    def result(self, handle: Any) -> object:
        """See JobSystem."""
        return handle.get_result(block=True, timeout=60_000)
