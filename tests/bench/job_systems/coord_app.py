"""coord's side of the comparison: the application its workers load."""

from tests.bench.job_systems import small_jobs
from workers.app.app import App

app = App()

noop = app.job(name="noop", result_ttl_ms=3_600_000)(small_jobs.noop)
small_io = app.job(name="small_io", result_ttl_ms=3_600_000)(small_jobs.small_io)
