"""Limits from outside: set, listed, explained, removed."""

import pytest

from coord.errors import Misuse
from coord.testing.local import in_loop, settle
from workers.limits.rule import Rule
from workers.limits.store import LimitStore
from workers.model.job import Job
from workers.steward.admission import AdmissionChore
from workers.testing.job_world import JobWorld, at_work


def _store(world: JobWorld) -> LimitStore:
    return LimitStore(world.client, world.places, world.timer)


@in_loop
async def test_a_list_tells_rules_and_how_many_wait_and_are_admitted() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _store(world).set("disk", Rule(concurrency=1))
        await _store(world).set("queue.q", Rule(rate=1))
        for _ in range(3):
            await world.enqueue(Job("f", limits=("disk", "tape")))
        await settle()
        found = [
            (view.name, str(view.rule), view.waiting_count, view.admitted)
            for view in await _store(world).list()
        ]
        assert found == [
            ("disk", "1 at once", 2, 1),
            ("queue.q", "1 per 1000 ms", 2, 1),
            ("tape", "None", 2, 1),
        ]


@in_loop
async def test_a_parked_job_is_explained_by_what_is_full_and_how_many_are_ahead() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _store(world).set("disk", Rule(concurrency=1))
        jobs = [await world.enqueue(Job("f", limits=("disk", "tape"))) for _ in range(3)]
        await settle()
        disk, tape = await _store(world).explain(jobs[2])
        assert (disk.limit.name, disk.is_full, disk.ahead) == ("disk", True, 1)
        assert (tape.limit.name, tape.is_full) == ("tape", False)
        assert await _store(world).explain(jobs[0]) == ()


@in_loop
async def test_thousands_of_limits_are_listed_without_reading_who_waits() -> None:
    world = JobWorld()
    for number in range(450):
        await _store(world).set(f"tenant.{number:03}", Rule(concurrency=1))
    for _ in range(300):
        await world.enqueue(Job("f", limits=("tenant.100",)))
    views = await _store(world).list()
    assert len(views) == 450
    assert sum(view.waiting_count for view in views) == 300


@pytest.mark.parametrize("name", ["", "a/b", "queue.", "queue.a:b"])
@in_loop
async def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(Misuse):
        await _store(JobWorld()).set(name, Rule(concurrency=1))


@in_loop
async def test_setting_a_rule_anew_starts_its_rate_anew() -> None:
    async with at_work(JobWorld(), AdmissionChore) as world:
        await _store(world).set("api", Rule(rate=1, period_ms=60_000))
        for _ in range(2):
            await world.enqueue(Job("f", limits=("api",)))
        await settle()
        assert (await _store(world).show("api")).room == 0
        await _store(world).set("api", Rule(rate=1, period_ms=1_000))
        await settle()
        assert len(await world.items(world.q.ready)) == 2
