"""Celery's side of the comparison: the application its workers load."""

from celery import Celery

from tests.bench.job_systems import small_jobs
from tests.bench.job_systems.redis_broker import URL

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    worker_prefetch_multiplier=32,  # more than the default of 4 is faster for short jobs
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    result_expires=3600,
)

noop = app.task(name="noop")(small_jobs.noop)
small_io = app.task(name="small_io")(small_jobs.small_io)
