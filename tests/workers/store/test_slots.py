"""Handing jobs over: what a program knows of idle workers, and when that is out of date."""

import pytest

from coord.client import ops
from coord.requests import LeaseRevoke
from coord.testing.local import LocalCluster, in_loop
from workers.model.ids import JobId
from workers.model.job import Job
from workers.model.places import Places
from workers.model.states import State
from workers.steps.hand import Slot, slot_key
from workers.store.jobs import JobStore
from workers.store.slots import QUEUES_MAX, FreeSlots
from workers.testing.hand_timer import HandTimer

PLACES = Places()
AT = PLACES.queue("q")


@pytest.fixture
def cluster() -> LocalCluster:
    return LocalCluster()


@pytest.fixture
def store(cluster: LocalCluster) -> JobStore:
    return JobStore(cluster.client(), timer=HandTimer())


async def lay_out(store: JobStore, worker: str, slots: int) -> int:
    lease = (await store.client.grant(60_000)).lease
    for number in range(slots):
        await store.client.put(slot_key(AT, worker, b"%04x" % number), lease=lease)
    return int(lease)


async def clear_line(store: JobStore) -> None:
    await store.client.txn(success=[ops.delete(AT.ready, prefix=True)])


async def states(store: JobStore, *jobs: JobId) -> list[State | None]:
    return [found.state if (found := await store.find(job)) else None for job in jobs]


@in_loop
async def test_the_first_job_learns_who_is_idle_and_the_next_are_handed_over(
    store: JobStore,
) -> None:
    await lay_out(store, "w", 2)
    first = await store.enqueue("q", Job("f"))
    assert await states(store, first) == [State.READY]
    await clear_line(store)
    jobs = [await store.enqueue("q", Job("f")) for _ in range(3)]
    assert await states(store, *jobs) == [State.HELD, State.HELD, State.READY]


@in_loop
async def test_a_slot_laid_out_again_is_used_again_without_asking(
    store: JobStore, cluster: LocalCluster
) -> None:
    lease = await lay_out(store, "w", 1)
    await store.enqueue("q", Job("f"))
    await clear_line(store)
    for _ in range(3):
        before = len(cluster.applied)
        job = await store.enqueue("q", Job("f"))
        assert len(cluster.applied) == before + 1
        assert await states(store, job) == [State.HELD]
        await store.client.put(slot_key(AT, "w", b"0000"), lease=lease)


@in_loop
async def test_what_is_out_of_date_costs_nothing_but_a_place_in_line(
    store: JobStore, cluster: LocalCluster
) -> None:
    lease = await lay_out(store, "gone", 2)
    await store.enqueue("q", Job("f"))
    await clear_line(store)
    cluster.write(LeaseRevoke(lease))
    await lay_out(store, "w", 1)
    before = len(cluster.applied)
    late = await store.enqueue("q", Job("f"))
    assert len(cluster.applied) == before + 1
    assert await states(store, late) == [State.READY]
    await clear_line(store)
    assert await states(store, await store.enqueue("q", Job("f"))) == [State.HELD]


@in_loop
async def test_with_jobs_in_line_or_the_queue_paused_nothing_is_handed_over(
    store: JobStore,
) -> None:
    await lay_out(store, "w", 8)
    jobs = [await store.enqueue("q", Job("f")) for _ in range(3)]
    assert await states(store, *jobs) == [State.READY] * 3
    await clear_line(store)
    await store.pause("q")
    assert await states(store, await store.enqueue("q", Job("f"))) == [State.READY]


@in_loop
async def test_a_job_for_later_leaves_what_is_known_as_it_is(store: JobStore) -> None:
    await lay_out(store, "w", 1)
    await store.enqueue("q", Job("f"))
    await clear_line(store)
    due = store.site.timer.now_unix_ms() + 1000
    later = await store.enqueue("q", Job("f", due_unix_ms=due))
    assert await states(store, later) == [State.LATER]
    assert await states(store, await store.enqueue("q", Job("f"))) == [State.HELD]


@in_loop
async def test_a_queue_under_a_limit_parks_its_jobs_though_a_worker_is_idle(
    store: JobStore, cluster: LocalCluster
) -> None:
    await lay_out(store, "w", 2)
    await store.enqueue("q", Job("f"))
    await clear_line(store)
    cluster.write(ops.put(AT.limit, "queue.q"))
    assert await states(store, await store.enqueue("q", Job("f"))) == [State.PARKED]


def test_known_slots_are_used_in_turn_and_bounded_by_queues() -> None:
    slots = FreeSlots(PLACES)
    assert slots.take("q") is None
    for number in range(QUEUES_MAX + 5):
        slots.used(f"q{number}", Slot("w", b"0000", 1))
    one, two = Slot("w", b"0000", 1), Slot("w", b"0001", 1)
    slots.learn("q", ())
    slots.used("q", one)
    slots.used("q", two)
    assert [slots.take("q"), slots.take("q"), slots.take("q")] == [one, two, None]
    assert slots.take("q0") is None, "too many queues: forgotten"
