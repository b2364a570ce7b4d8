"""Celery over Redis, results in Redis, a prefork pool."""

from typing import Any

from tests.bench.job_systems.on_redis import OnRedis
from tests.bench.job_systems.system import WORKERS


class CeleryJobs(OnRedis):
    """JobSystem over Celery."""

    name = "celery"
    results_pattern = "celery-task-meta-*"

    def load(self) -> dict[str, Any]:
        """See OnRedis."""
        from tests.bench.job_systems import celery_app

        self._app = celery_app.app
        return {"noop": celery_app.noop, "small_io": celery_app.small_io}

    def worker_command(self) -> tuple[str, ...]:
        """See OnRedis."""
        return (
            *("celery", "-A", "tests.bench.job_systems.celery_app"),
            *("worker", "-c", str(WORKERS), "-P", "prefork", "-l", "ERROR"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        )

    def enqueue(self, job: str, number: int) -> Any:
        """See JobSystem."""
        return self._functions[job].delay(number)

    def enqueue_bulk(self, job: str, count: int) -> None:
        """See JobSystem: one producer for all, which is the documented way to publish many."""
        task = self._functions[job]
        with self._app.producer_pool.acquire(block=True) as producer:
            for number in range(count):
                task.apply_async((number,), producer=producer)

    def result(self, handle: Any) -> object:
        """See JobSystem."""
        return handle.get(timeout=60)
