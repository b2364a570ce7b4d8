"""Parked jobs pass in order, as their limits allow, and never more at once than that."""

import pytest

from coord.testing.local import in_loop, settle
from workers.limits.rule import Rule
from workers.limits.store import LimitStore
from workers.model.job import Job, decode_job
from workers.steward import admission
from workers.steward.admission import AdmissionChore
from workers.steward.due import DueChore
from workers.testing.job_world import JobWorld, at_work


def _limits(world: JobWorld) -> LimitStore:
    return LimitStore(world.client, world.places, world.timer)


async def _admitted(world: JobWorld, limit: str) -> int:
    return (await world.client.get(world.places.admitted(limit), prefix=True)).count


@in_loop
async def test_a_job_whose_limit_has_no_rule_passes() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        job_id = await world.enqueue(Job("f", limits=("disk",)))
        await settle()
        assert await world.items(world.q.ready) == [job_id.item]
        assert await world.items(world.places.waiting("disk")) == []
        assert await world.items(world.places.admitted("disk")) == [str(job_id)]


@in_loop
async def test_no_more_jobs_than_allowed_are_admitted_and_the_next_as_one_ends() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _limits(world).set("disk", Rule(concurrency=2))
        jobs = [await world.enqueue(Job("f", limits=("disk",))) for _ in range(4)]
        await settle()
        assert await world.items(world.q.ready) == [job.item for job in jobs[:2]]
        held = await world.claim()
        assert held is not None
        await settle()
        assert await world.items(world.q.parked) == [job.item for job in jobs[2:]]
        assert await world.end(held)
        await settle()
        assert await world.items(world.q.ready) == [job.item for job in jobs[1:3]]
        assert await _admitted(world, "disk") == 2


@in_loop
async def test_a_job_lost_with_its_worker_keeps_its_place_and_runs_again() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _limits(world).set("disk", Rule(concurrency=1))
        first, _ = [await world.enqueue(Job("f", limits=("disk",))) for _ in range(2)]
        await settle()
        await world.claim("w")
        world.sessions["w"].stall()
        world.cluster.advance(2_000)
        await settle()
        assert await world.items(world.q.ready) == [first.item]
        assert await _admitted(world, "disk") == 1


@in_loop
async def test_a_job_that_waits_for_another_try_lets_others_pass() -> None:
    async with at_work(JobWorld(), AdmissionChore, DueChore) as world:
        await _limits(world).set("disk", Rule(concurrency=1))
        first, second = [await world.enqueue(Job("f", limits=("disk",))) for _ in range(2)]
        await settle()
        held = await world.claim()
        assert held is not None
        assert await world.retry(held, 100)
        await settle()
        assert await world.items(world.q.ready) == [second.item]
        await world.advance(100)
        assert await world.items(world.q.parked) == [first.item]


@in_loop
async def test_jobs_of_all_queues_pass_by_urgency_then_by_arrival() -> None:
    world = JobWorld()
    await _limits(world).set("disk", Rule(concurrency=1))
    job = Job("f", limits=("disk",))
    late_queue = await world.enqueue(job, "z")
    early_queue = await world.enqueue(job, "a")
    urgent = await world.enqueue(job, "m", priority=9)
    async with at_work(world, AdmissionChore):
        passed = []
        for _ in range(3):
            (name,) = await world.items(world.places.admitted("disk"))
            queue, _, item = name.partition(":")
            passed.append(name)
            held = await world.claim("w", queue)
            assert held is not None
            assert held.key.endswith(item.encode())
            await world.end(held)
            await settle()
    assert passed == [str(urgent), str(late_queue), str(early_queue)]


@in_loop
async def test_many_queues_behind_one_limit_are_merged_though_one_is_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "WINDOW_MIN", 3)
    world = JobWorld()
    await _limits(world).set("disk", Rule(concurrency=2))
    job = Job("f", limits=("disk",))
    first_z = await world.enqueue(job, "z")
    first_m = await world.enqueue(job, "m")
    for _ in range(10):
        await world.enqueue(job, "a")
    async with at_work(world, AdmissionChore):
        admitted = await world.items(world.places.admitted("disk"))
        assert admitted == [str(first_m), str(first_z)]


@in_loop
async def test_a_rate_lets_jobs_pass_one_by_one_at_their_times() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _limits(world).set("api", Rule(rate=2, period_ms=1_000))
        for _ in range(4):
            await world.enqueue(Job("f", limits=("api",)))
        await settle()
        passed = []
        for _ in range(15):
            passed.append(len(await world.items(world.q.ready)))
            await world.advance(100)
        assert passed == [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3]


@in_loop
async def test_a_rate_is_kept_over_a_change_of_steward() -> None:
    world = JobWorld()
    await _limits(world).set("api", Rule(rate=1, period_ms=1_000))
    for _ in range(3):
        await world.enqueue(Job("f", limits=("api",)))
    for expected in (1, 1, 2):
        async with at_work(world, AdmissionChore):
            assert len(await world.items(world.q.ready)) == expected
            await world.advance(500)


@in_loop
async def test_a_burst_passes_at_once_after_a_quiet_time() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _limits(world).set("api", Rule(rate=1, period_ms=1_000, burst=3))
        for _ in range(5):
            await world.enqueue(Job("f", limits=("api",)))
        await settle()
        assert len(await world.items(world.q.ready)) == 3


@in_loop
async def test_a_job_under_two_limits_needs_both_and_holds_up_nobody_who_needs_one() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _limits(world).set("a", Rule(concurrency=2))
        await _limits(world).set("b", Rule(concurrency=1))
        b_only = await world.enqueue(Job("f", limits=("b",)))
        await settle()
        both = [await world.enqueue(Job("f", limits=("a", "b"))) for _ in range(2)]
        a_only = [await world.enqueue(Job("f", limits=("a",))) for _ in range(2)]
        await settle()
        # The first that needs both is next at b, so its place at a is kept; the second's is not.
        assert await world.items(world.q.ready) == [b_only.item, a_only[0].item]
        held = await world.claim()
        assert held is not None
        await world.end(held)
        await settle()
        assert await world.items(world.q.ready) == [both[0].item, a_only[0].item]


@in_loop
async def test_jobs_far_behind_others_that_wait_for_another_limit_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "WINDOW_MIN", 4)
    world = JobWorld()
    await _limits(world).set("a", Rule(concurrency=3))
    await _limits(world).set("b", Rule(concurrency=1))
    async with at_work(world, AdmissionChore):
        await world.enqueue(Job("f", limits=("b",)))
        await settle()
        for _ in range(20):
            await world.enqueue(Job("f", limits=("a", "b")))
        far = await world.enqueue(Job("f", limits=("a",)))
        await settle(300)
        assert far.item in await world.items(world.q.ready)


@in_loop
async def test_a_queue_comes_under_a_limit_with_the_jobs_that_are_ready_in_it() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        jobs = [await world.enqueue(Job("f", limits=limits)) for limits in ((), ("disk",), ())]
        await settle()
        await _limits(world).set("queue.q", Rule(concurrency=1))
        await settle(200)
        assert await world.items(world.q.ready) == [jobs[0].item]
        assert await world.items(world.q.parked) == [job.item for job in jobs[1:]]
        assert await _admitted(world, "disk") == 0


@in_loop
async def test_attempts_lost_before_a_job_was_parked_stay_counted() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await world.enqueue(Job("f"))
        await world.claim("w")
        await world.sessions["w"].close()
        await _limits(world).set("queue.q", Rule(concurrency=1))
        await settle(200)
        (ready,) = (await world.client.get(world.q.ready, prefix=True)).kvs
        job = decode_job(ready.value)
        assert job is not None
        assert (job.tries, ready.claims) == (1, 0)


@in_loop
async def test_removing_a_queues_limit_lets_everybody_pass_and_later_jobs_never_wait() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _limits(world).set("queue.q", Rule(concurrency=1))
        for _ in range(3):
            await world.enqueue(Job("f"))
        await settle()
        assert len(await world.items(world.q.parked)) == 2
        assert await _limits(world).remove("queue.q")
        await settle()
        await world.enqueue(Job("f"))
        assert len(await world.items(world.q.ready)) == 4
        assert not await _limits(world).remove("queue.q")


@in_loop
async def test_a_raised_limit_acts_at_once_and_a_lowered_one_as_jobs_end() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _limits(world).set("disk", Rule(concurrency=1))
        for _ in range(6):
            await world.enqueue(Job("f", limits=("disk",)))
        await settle()
        await _limits(world).set("disk", Rule(concurrency=3))
        await settle()
        assert await _admitted(world, "disk") == 3
        await _limits(world).set("disk", Rule(concurrency=2))
        counts = []
        for _ in range(3):
            held = await world.claim()
            assert held is not None
            await world.end(held)
            await settle()
            counts.append(await _admitted(world, "disk"))
        assert counts == [2, 2, 2]


@in_loop
async def test_what_waited_while_nobody_was_in_office_is_admitted_by_the_next() -> None:
    world = JobWorld()
    await _limits(world).set("disk", Rule(concurrency=1))
    await world.enqueue(Job("f", limits=("disk",)))
    await world.enqueue(Job("f", limits=("tape",)))
    async with at_work(world, AdmissionChore):
        assert len(await world.items(world.q.ready)) == 2


@in_loop
async def test_entries_of_no_parked_job_are_dropped_and_hold_nobody_up() -> None:
    world = JobWorld()
    stale = b"q:4" + b"0" * 20
    await world.client.put(world.places.waiting("disk") + stale)
    await world.client.put(world.places.waiting("disk") + b"not an id")
    await world.client.put(world.places.rule("disk"), b"no rule")
    job_id = await world.enqueue(Job("f", limits=("disk",)))
    async with at_work(world, AdmissionChore):
        assert await world.items(world.q.ready) == [job_id.item]
        assert await world.items(world.places.waiting("disk")) == ["not an id"]


@in_loop
async def test_a_watch_that_fell_behind_hides_no_ending() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _limits(world).set("disk", Rule(concurrency=1))
        for _ in range(2):
            await world.enqueue(Job("f", limits=("disk",)))
        await settle()
        held = await world.claim()
        assert held is not None
        world.cluster.cut_watches()
        await world.end(held)
        await settle()
        assert await world.items(world.q.ready) == []
        world.cluster.fail_cut_watches()
        await settle()
        assert len(await world.items(world.q.ready)) == 1
