"""Dramatiq's side of the comparison: the module its workers load."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from tests.bench.job_systems import small_jobs
from tests.bench.job_systems.redis_broker import URL

broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)

noop = dramatiq.actor(store_results=True, actor_name="noop")(small_jobs.noop)
small_io = dramatiq.actor(store_results=True, actor_name="small_io")(small_jobs.small_io)
