"""Huey's side of the comparison: the module its consumer loads."""

from huey import RedisHuey

from tests.bench.job_systems import small_jobs
from tests.bench.job_systems.redis_broker import URL

huey = RedisHuey("bench", url=URL, blocking=True, results=True)

noop = huey.task(name="noop")(small_jobs.noop)
small_io = huey.task(name="small_io")(small_jobs.small_io)
