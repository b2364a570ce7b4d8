"""Endings kept under a lease that is gone by then: what keeps one is tried again with another."""

from coord.requests import LeaseRevoke
from coord.testing.local import LocalCluster, in_loop
from workers.model.job import Job
from workers.model.states import State
from workers.store.jobs import JobStore
from workers.store.new import WhenTaken
from workers.testing.hand_timer import HandTimer

UNIQUE = Job("send", unique="h")


@in_loop
async def test_a_lease_that_is_gone_does_not_keep_a_job_from_being_replaced() -> None:
    cluster = LocalCluster()
    store = JobStore(cluster.client(), timer=HandTimer())
    first = await store.enqueue("mail", UNIQUE)
    second = await store.enqueue("mail", UNIQUE, when_taken=WhenTaken.REPLACE)
    replaced = await store.find(first)
    assert replaced is not None
    cluster.write(LeaseRevoke(replaced.kv.lease))
    third = await store.enqueue("mail", UNIQUE, when_taken=WhenTaken.REPLACE)
    states = [found.state for each in (second, third) if (found := await store.find(each))]
    assert states == [State.CANCELLED, State.READY]


@in_loop
async def test_leases_that_go_again_and_again_do_not_keep_a_queue_from_being_purged() -> None:
    cluster = LocalCluster()
    store = JobStore(cluster.client(), timer=HandTimer())
    for _ in range(3):
        await store.enqueue("mail", Job("send"))
    grant = store.site.leases.lease_for
    revoked: list[int] = []

    async def short_lived(ttl_ms: int, endings: int = 1) -> int:
        lease = await grant(ttl_ms, endings)
        if len(revoked) < 3 and lease not in revoked:
            revoked.append(lease)
            cluster.write(LeaseRevoke(lease))
        return lease

    store.site.leases.lease_for = short_lived  # type: ignore[method-assign]
    assert await store.purge("mail", State.READY) == 3
    assert len(revoked) == 3
