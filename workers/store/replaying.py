"""Putting jobs back that failed for good: their attempts are counted from 0 again."""

from recipes.errors import Contended
from workers.errors import NotReplayable
from workers.model.ids import JobId
from workers.model.states import State
from workers.steps.waiting import replay as replay_step
from workers.store.finding import find_surely
from workers.store.site import TRIES_MAX, Site


async def replay(site: Site, job_id: JobId) -> None:
    """Put a dead job back; see `JobStore.replay`."""
    for _ in range(TRIES_MAX):
        found = await find_surely(site, job_id)
        if found.state is not State.DEAD or found.job is None:
            raise NotReplayable(f"job {job_id} is {found.state.value}; only a dead one is put back")
        limit = await site.client.get(site.places.queue(job_id.queue).limit)
        move = replay_step(site.places, job_id, found.kv, found.job, queue_limited=bool(limit.kvs))
        if (await site.client.txn(move.compare, move.ops)).succeeded:
            return
    raise Contended
