"""A worker over the real store in this process, with real child processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from coord.errors import MaybeDone
from coord.limits import VALUE_BYTES_MAX
from coord.requests import Compare, Put, TxnOp, TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.consumer import Consumer
from recipes.mirror import Mirror
from recipes.progress import Board
from recipes.queue import Counts, Done, Queue
from workers.jobs import Job
from workers.policy import RetryPolicy
from workers.settings import WorkerSettings
from workers.slot import AppNotLoaded
from workers.worker import Worker

pytestmark = pytest.mark.integration


@asynccontextmanager
async def working(client: LocalClient, app: str, slots: int = 1) -> AsyncIterator[Worker]:
    """Run a worker on the queue q/ until the block ends."""
    settings = WorkerSettings("w", "q/", app, slots=slots, ttl_ms=1000, retry=RetryPolicy(2))
    worker = Worker(client, settings)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await running


async def until(client: LocalClient, **wanted: int) -> Counts:
    """Wait until the queue counts what is wanted."""
    queue = Queue(client, "q/")
    async with Mirror(client, "q/") as mirror:
        while True:
            counts = await queue.counts()
            if all(getattr(counts, name) == value for name, value in wanted.items()):
                return counts
            await mirror.change()


async def done(client: LocalClient, item: str) -> Done:
    """Return the record of a completed job."""
    found = await client.get(f"q/done/{item}")
    return msgspec.json.decode(found.kvs[0].value, type=Done)


@in_loop
async def test_jobs_are_run_and_their_results_kept(app: str) -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    jobs = [Job("double", {"number": number}).encode() for number in range(5)]
    ids = await queue.put_all(jobs)
    async with working(client, app, slots=2) as worker:
        await until(client, done=5)
        assert worker.tally.completed == 5
    results = [msgspec.json.decode((await done(client, item)).result) for item in ids]
    assert [result["number"] for result in results] == [0, 2, 4, 6, 8]
    assert len({result["pid"] for result in results}) == 2


@in_loop
async def test_a_job_whose_child_dies_is_tried_again(app: str) -> None:
    client = LocalCluster().client()
    item = await Queue(client, "q/").put(Job("die-once").encode())
    async with working(client, app):
        await until(client, done=1)
    assert (await done(client, item)).attempt == 2
    tries = await client.get(f"q/tries/{item}/", prefix=True)
    assert [kv.value for kv in tries.kvs] == [b"child process killed by SIGKILL"]


@in_loop
async def test_a_job_that_always_fails_is_buried_with_its_cause(app: str) -> None:
    client = LocalCluster().client()
    item = await Queue(client, "q/").put(Job("raise").encode())
    async with working(client, app) as worker:
        await until(client, dead=1)
        assert worker.tally.failed == 2
    tries = await client.get(f"q/tries/{item}/", prefix=True)
    assert len(tries.kvs) == 2
    assert all(b"LookupError" in kv.value for kv in tries.kvs)


@in_loop
async def test_a_job_whose_result_is_too_large_is_buried_and_harms_no_worker(app: str) -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    item = await queue.put(Job("large", {"size_bytes": VALUE_BYTES_MAX}).encode())
    await queue.put(Job("double", {"number": 1}).encode())
    async with working(client, app):
        await until(client, dead=1, done=1)
    (why,) = (await client.get(f"q/tries/{item}/", prefix=True)).kvs
    assert b"value is too large" in why.value


@in_loop
async def test_a_worker_whose_application_cannot_be_imported_takes_no_job() -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    await queue.put(Job("double", {"number": 1}).encode())
    worker = Worker(client, WorkerSettings("w", "q/", "no.such:registry", slots=2))
    with pytest.raises(AppNotLoaded):
        await worker.run()
    (waiting,) = (await client.get("q/ready/", prefix=True)).kvs
    assert waiting.claims == 0
    assert worker.pids == ()


@in_loop
async def test_an_item_that_is_no_job_is_buried_at_once(app: str) -> None:
    client = LocalCluster().client()
    await Queue(client, "q/").put("not a job")
    async with working(client, app):
        await until(client, dead=1)


@in_loop
async def test_a_stopped_worker_hands_back_at_once_and_says_what(app: str, tmp_path: Path) -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    job = Job("hang", {"started": str(tmp_path / "pid")})
    item = await queue.put(job.encode())
    async with working(client, app) as worker, Board(client, "progress/") as board:
        while not any(progress.message == "hanging" for progress in board.tasks.values()):
            await board.change()
    pid = int((tmp_path / "pid").read_text())
    counts = await queue.counts()
    assert (counts.ready, counts.held) == (1, 0)
    assert worker.tally.handed_back == [item]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@in_loop
async def test_a_worker_takes_no_more_than_it_has_slots_for(app: str, tmp_path: Path) -> None:
    client = LocalCluster().client()
    queue = Queue(client, "q/")
    hang = [Job("hang", {"started": str(tmp_path / str(n))}).encode() for n in range(5)]
    await queue.put_all(hang)
    async with working(client, app, slots=2):
        counts = await until(client, held=2)
        await settle()
        assert counts.ready == 3
        assert (await queue.counts()).held == 2


@in_loop
async def test_a_worker_that_lost_its_session_starts_over_with_a_new_one(app: str) -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/")
    await queue.put(Job("double", {"number": 1}).encode())
    async with working(client, app) as worker:
        await until(client, done=1)
        for session in cluster.sessions:
            await client.revoke(session.lease)
        cluster.notice_lost_sessions()
        await queue.put(Job("double", {"number": 1}).encode())
        await until(client, done=2)
        assert worker.tally.sessions_lost == 1


@in_loop
async def test_a_job_is_killed_when_the_session_it_runs_under_is_lost(
    app: str, tmp_path: Path
) -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/")
    await queue.put(Job("hang", {"started": str(tmp_path / "pid")}).encode())
    async with working(client, app), Board(client, "progress/") as board:
        while not any(progress.message == "hanging" for progress in board.tasks.values()):
            await board.change()
        pid = int((tmp_path / "pid").read_text())
        for session in cluster.sessions:
            await client.revoke(session.lease)
        cluster.notice_lost_sessions()
        await until(client, held=1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@in_loop
async def test_a_worker_that_stood_still_too_long_cannot_complete_what_another_has_now(
    app: str, tmp_path: Path
) -> None:
    cluster = LocalCluster()
    client = cluster.client()
    queue = Queue(client, "q/")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    item = await queue.put(Job("read", {"pipe": str(pipe)}).encode())
    async with working(client, app) as worker, Board(client, "progress/") as board:
        while not any(progress.message == "reading" for progress in board.tasks.values()):
            await board.change()
        (session,) = cluster.sessions
        session.stall()
        cluster.advance(1100)
        async with client.session() as other:
            consumer = Consumer(queue, other, "other")
            await consumer.complete((await consumer.take())[0], "of the other")
        await asyncio.to_thread(pipe.write_text, "of the one who stood still")
        while not worker.tally.stale:
            await settle()
        session.wake()
    assert (await done(client, item)).consumer == "other"
    assert worker.tally.completed == 0


class LosesAnOutcome(LocalClient):
    """Loses the answer to the first completion, not the completion."""

    lost = False

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        steps = tuple(success)
        reply = await super().txn(compare, steps, failure)
        completes = any(isinstance(op, Put) and b"/done/" in op.key for op in steps)
        if completes and not self.lost:
            self.lost = True
            raise MaybeDone
        return reply


@in_loop
async def test_a_completion_whose_answer_was_lost_counts_once_and_is_not_stale(app: str) -> None:
    cluster = LocalCluster()
    client, workers_client = cluster.client(), LosesAnOutcome(cluster)
    await Queue(client, "q/").put(Job("double", {"number": 1}).encode())
    async with working(workers_client, app) as worker:
        await until(client, done=1)
        while not worker.tally.completed:
            await settle()
    assert workers_client.lost
    assert (worker.tally.completed, worker.tally.stale) == (1, 0)
