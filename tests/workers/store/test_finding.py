"""Looking a job up: what is said of it, and while compaction goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from coord.client.ops import Text
from coord.requests import Compact, RangeReply
from coord.testing.local import LocalClient, LocalCluster, in_loop
from workers.model.ids import JobId
from workers.model.job import Job
from workers.model.states import State
from workers.store.jobs import JobStore
from workers.testing.hand_timer import HandTimer


class Overtaken(LocalClient):
    """Finds the past compacted, the first time it reads it."""

    is_overtaken = False

    async def get(self, key: Text, *, revision: int = 0, **options: Any) -> RangeReply:
        if revision and not self.is_overtaken:
            self.is_overtaken = True
            newer = await self.put("something else")
            self.cluster.write(Compact(newer.revision))
        return await super().get(key, revision=revision, **options)


@asynccontextmanager
async def held(store: JobStore, client: LocalClient) -> AsyncIterator[JobId]:
    """Enqueue a job and hold it; leaving puts it back."""
    job_id = await store.enqueue("mail", Job("send"))
    at = store.places.queue("mail")
    async with client.session() as session:
        await client.claim(at.ready, at.held_by("w"), session.lease)
        yield job_id


@in_loop
async def test_a_running_job_is_found_although_compaction_overtakes_the_search() -> None:
    client = Overtaken(LocalCluster())
    store = JobStore(client, timer=HandTimer())
    async with held(store, client) as job_id:
        found = await store.find(job_id)
    assert client.is_overtaken
    assert found is not None
    assert (found.state, found.worker) == (State.HELD, "w")


@in_loop
async def test_a_job_put_back_after_somebody_asked_for_its_end_says_so() -> None:
    client = LocalClient(LocalCluster())
    store = JobStore(client, timer=HandTimer())
    async with held(store, client) as job_id:
        await store.cancel(job_id, "not wanted")
    found = await store.find(job_id)
    assert found is not None
    assert (found.state, found.cancel_reason) == (State.READY, "not wanted")
