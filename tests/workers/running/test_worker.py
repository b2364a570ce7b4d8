"""Workers with real children on a local store: jobs end as they should, each exactly once."""

import asyncio
import os
from pathlib import Path

import pytest

from coord.testing.local import LocalCluster, in_loop
from workers.model.job import Backoff, Job
from workers.model.states import State
from workers.store.jobs import JobStore
from workers.testing.at_work import working
from workers.testing.endings import ended, result, shows

pytestmark = pytest.mark.integration

SOON = Backoff(base_ms=1, factor=1.0, jitter=0.0)


@in_loop
async def test_a_job_runs_in_a_child_and_its_result_is_kept(app: str) -> None:
    store = JobStore(LocalCluster().client())
    async with working(store.client, app) as worker:
        ending = await ended(store, Job("double", {"number": 21}))
        told = result(ending)
        assert isinstance(told, dict)
        assert (told["number"], told["attempt"]) == (42, 1)
        assert told["pid"] in worker.pids
        assert told["pid"] != os.getpid()
    assert (ending.state, ending.attempt, ending.worker) == (State.DONE, 1, "w")
    assert worker.tally.done == 1


@in_loop
async def test_a_failed_attempt_is_tried_again_and_remembered(app: str) -> None:
    store = JobStore(LocalCluster().client())
    async with working(store.client, app) as worker:
        ending = await ended(store, Job("fail_until", {"attempt": 3}, backoff=SOON))
    assert (ending.state, ending.attempt, result(ending)) == (State.DONE, 3, 3)
    assert [attempt.number for attempt in ending.history] == [1, 2]
    assert "LookupError: attempt 2" in ending.history[1].cause
    assert worker.tally.retried == 2


@in_loop
async def test_a_job_that_fails_every_time_is_dead_with_the_last_cause(app: str) -> None:
    store = JobStore(LocalCluster().client())
    async with working(store.client, app):
        ending = await ended(store, Job("fail", attempts_max=2, backoff=SOON))
    assert (ending.state, ending.attempt) == (State.DEAD, 2)
    assert ending.cause.startswith("Traceback")
    assert "LookupError: nothing there" in ending.cause
    assert ending.cause.count('File "') == 1


@in_loop
async def test_many_jobs_each_end_once(app: str) -> None:
    cluster = LocalCluster()
    store = JobStore(cluster.client())
    async with working(store.client, app, slots=3) as worker:
        jobs = [await store.enqueue("default", Job("noop")) for _ in range(500)]
        async with asyncio.timeout(30):
            endings = [await store.wait(job) for job in jobs]
    assert {ending.state for ending in endings} == {State.DONE}
    assert {ending.attempt for ending in endings} == {1}
    assert worker.tally.done == 500


@in_loop
async def test_a_stopped_worker_puts_back_what_it_kills_and_says_what(
    app: str, tmp_path: Path
) -> None:
    store = JobStore(LocalCluster().client())
    job = await store.enqueue("default", Job("hang", {"started": str(tmp_path / "pid")}))
    async with working(store.client, app) as worker:
        await shows(store, "hanging")
    found = await store.find(job)
    assert found is not None
    assert found.state is State.READY
    assert worker.tally.handed_back == [str(job)]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
