"""What a worker claims, gives up, never claims: queues, pauses, cancels, losses, lost answers."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from coord.errors import MaybeDone
from coord.requests import Claim, Compare, LeaseRevoke, Txn, TxnOp, TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.claims import Claimer
from workers.model.job import Backoff, Job
from workers.model.states import State
from workers.running.notice import Urgency
from workers.store.jobs import JobStore
from workers.testing.at_work import working
from workers.testing.endings import DEADLINE_S, ended, result, shows

pytestmark = pytest.mark.integration

SOON = Backoff(base_ms=1, factor=1.0, jitter=0.0)


async def held(store: JobStore) -> int:
    return (await store.client.get("coord/queue/default/held/", prefix=True, count_only=True)).count


@in_loop
async def test_a_worker_claims_no_more_long_jobs_than_it_has_slots(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    for number in range(5):
        await store.enqueue("default", Job("hang", {"started": str(tmp_path / str(number))}))
    async with working(store.client, app, slots=2):
        await shows(store, "hanging", times=2)
        await settle()
        assert await held(store) == 2


@in_loop
async def test_queues_are_served_in_the_order_given(app: str, store: JobStore) -> None:
    late = [await store.enqueue("b", Job("double", {"number": n})) for n in range(3)]
    soon = [await store.enqueue("a", Job("double", {"number": n})) for n in range(3)]
    async with working(store.client, app, queues=("a", "b")):
        endings = [await store.wait(job) for job in (*soon, *late)]
    ends = [ending.started_unix_ms for ending in endings]
    assert ends == sorted(ends)


@in_loop
async def test_a_worker_that_waits_takes_what_comes_to_any_of_its_queues(
    app: str, store: JobStore
) -> None:
    async with working(store.client, app, queues=("a", "b"), fair=True):
        first = await ended(store, Job("noop"), queue="b")
        second = await ended(store, Job("noop"), queue="a")
        third = await ended(store, Job("noop"), queue="b")
    assert {ending.state for ending in (first, second, third)} == {State.DONE}


@in_loop
async def test_a_paused_queue_is_left_alone_until_it_is_resumed(app: str, store: JobStore) -> None:
    await store.pause("default")
    job = await store.enqueue("default", Job("noop"))
    async with working(store.client, app, queues=("default", "other")):
        await ended(store, Job("noop"), queue="other")
        found = await store.find(job)
        assert found is not None
        assert found.state is State.READY
        await store.resume("default")
        assert (await store.wait(job)).state is State.DONE


@in_loop
async def test_a_running_job_that_looks_is_told_that_it_is_cancelled(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    async with working(store.client, app):
        job = await store.enqueue("default", Job("fail_on_cancel"))
        await shows(store, "waiting")
        await store.cancel(job, "not wanted")
        ending = await store.wait(job)
        args: dict[str, object] = {"started": str(tmp_path / "pid")}
        done = await store.enqueue("default", Job("wait_for_cancel", args))
        await shows(store, "waiting")
        await store.cancel(done, "not wanted")
        finished = await store.wait(done)
    assert (ending.state, ending.cause) == (State.CANCELLED, "not wanted")
    assert (finished.state, result(finished)) == (State.DONE, "tidied up")


@in_loop
async def test_a_running_job_that_does_not_look_is_killed_after_the_grace(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    async with working(store.client, app, crew={"cancel_grace_ms": 30}) as worker:
        job = await store.enqueue("default", Job("hang", {"started": str(tmp_path / "pid")}))
        await shows(store, "hanging")
        await store.cancel(job, "not wanted")
        ending = await store.wait(job)
        after = await ended(store, Job("noop"))
        assert worker.tally.cancelled == 1
    assert (ending.state, ending.cause) == (State.CANCELLED, "not wanted")
    assert after.state is State.DONE
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@in_loop
async def test_a_coroutine_is_cancelled_at_once(app: str, store: JobStore) -> None:
    async with working(store.client, app, slots=2):
        job = await store.enqueue("default", Job("sleep_for_ever"))
        await shows(store, "sleeping")
        await store.cancel(job, "not wanted")
        ending = await store.wait(job)
    assert ending.state is State.CANCELLED


@in_loop
async def test_a_job_cancelled_before_its_worker_died_is_not_started_again(
    app: str, cluster: LocalCluster, store: JobStore
) -> None:
    job = await store.enqueue("default", Job("noop"))
    async with store.client.session() as session:
        at = store.places.queue("default")
        await Claimer(store.client, session, at.ready, at.held_by("gone")).try_claim()
        await store.cancel(job, "not wanted")
    async with working(store.client, app) as worker:
        ending = await store.wait(job)
        assert worker.tally.done == 0
    assert (ending.state, ending.started_unix_ms) == (State.CANCELLED, 0)


@in_loop
async def test_a_job_whose_workers_were_lost_too_often_is_dead_and_never_started(
    app: str, store: JobStore
) -> None:
    job = await store.enqueue("default", Job("double", {"number": 1}, attempts_max=2))
    at = store.places.queue("default")
    for _ in range(2):
        async with store.client.session() as session:
            await Claimer(store.client, session, at.ready, at.held_by("gone")).try_claim()
    async with working(store.client, app):
        ending = await store.wait(job)
    assert (ending.state, ending.cause) == (State.DEAD, "its worker was lost 2 times")


@in_loop
async def test_an_attempt_lost_with_its_worker_counts_and_the_next_one_does_the_job(
    app: str, store: JobStore
) -> None:
    job = await store.enqueue("default", Job("double", {"number": 1}, attempts_max=2))
    at = store.places.queue("default")
    async with store.client.session() as session:
        await Claimer(store.client, session, at.ready, at.held_by("gone")).try_claim()
    async with working(store.client, app):
        ending = await store.wait(job)
    assert (ending.state, ending.attempt) == (State.DONE, 2)


@in_loop
async def test_a_job_not_started_in_time_is_not_started(app: str, store: JobStore) -> None:
    async with working(store.client, app, steward=False):
        ending = await ended(store, Job("noop", expires_unix_ms=1))
    assert (ending.state, ending.started_unix_ms) == (State.EXPIRED, 0)


@in_loop
async def test_a_worker_that_lost_its_session_kills_its_jobs_and_starts_over(
    app: str, cluster: LocalCluster, store: JobStore, tmp_path: Path
) -> None:
    args: dict[str, object] = {"started": str(tmp_path / "pid")}
    await store.enqueue("default", Job("hang", args, attempts_max=1))
    async with working(store.client, app) as worker:
        await shows(store, "hanging")
        pid = int((tmp_path / "pid").read_text())
        cluster.write(LeaseRevoke(cluster.sessions[0].lease))
        cluster.notice_lost_sessions()
        after = await ended(store, Job("noop"))
        assert worker.tally.sessions_lost == 1
        assert worker.tally.dead == 1
    assert after.state is State.DONE
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@in_loop
async def test_a_worker_that_stood_still_too_long_cannot_complete_what_another_has_now(
    app: str, cluster: LocalCluster, store: JobStore, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    job = await store.enqueue("default", Job("read", {"pipe": str(pipe)}))
    async with working(store.client, app, steward=False) as worker:
        await shows(store, "reading")
        (session,) = cluster.sessions
        session.stall()
        cluster.advance(10_000)
        at = store.places.queue("default")
        async with store.client.session() as other:
            claimer = Claimer(store.client, other, at.ready, at.held_by("other"))
            (kv,) = await claimer.try_claim()
            await asyncio.to_thread(pipe.write_text, "of the one who stood still")
            while not worker.tally.sessions_lost:
                await settle()
            found = await store.find(job)
            assert found is not None
            assert found.state is State.HELD
            assert found.worker == "other"
            assert kv.claims == 2
    assert worker.tally.done == 0


class LosesAnOutcome(LocalClient):
    """Loses the answer to one transaction that settles a job, not what it did; or the request."""

    lost = 0
    done_first = True

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        steps = tuple(success)
        settles = b"/done/" in repr(steps).encode() and not self.lost
        if settles and not self.done_first:
            self.lost += 1
            raise MaybeDone
        reply = await super().txn(compare, steps, failure)
        if settles:
            self.lost += 1
            raise MaybeDone
        return reply


@pytest.mark.parametrize("done_first", [True, False])
@in_loop
async def test_a_completion_whose_answer_was_lost_counts_once_and_is_not_stale(
    app: str, cluster: LocalCluster, store: JobStore, done_first: bool
) -> None:
    client = LosesAnOutcome(cluster)
    client.done_first = done_first
    async with working(client, app) as worker:
        jobs = [await store.enqueue("default", Job("double", {"number": n})) for n in range(5)]
        endings = [await store.wait(job) for job in jobs]
        while worker.tally.done < len(jobs):
            await settle()
    assert client.lost == 1
    assert {ending.attempt for ending in endings} == {1}
    assert (worker.tally.done, worker.tally.stale) == (5, 0)


@in_loop
async def test_a_worker_that_drains_ends_its_jobs_and_claims_no_more(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    job = await store.enqueue("default", Job("read", {"pipe": str(pipe)}))
    async with working(store.client, app, urgency=Urgency.DRAIN) as worker:
        await shows(store, "reading")
        worker.notice.give(Urgency.DRAIN)
        other = await store.enqueue("default", Job("noop"))
        await settle()
        await asyncio.to_thread(pipe.write_text, "read")
    ending, left = await store.wait(job), await store.find(other)
    assert (ending.state, result(ending)) == (State.DONE, "read")
    assert left is not None
    assert left.state is State.READY
    assert worker.tally.handed_back == []


@in_loop
async def test_a_worker_told_to_stop_hands_back_what_is_not_done_within_its_grace(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    args: dict[str, object] = {"started": str(tmp_path / "pid")}
    job = await store.enqueue("default", Job("hang", args, attempts_max=1))
    async with working(store.client, app, urgency=Urgency.STOP, grace_s=0.05) as worker:
        await shows(store, "hanging")
    found = await store.find(job)
    assert found is not None
    assert found.state is State.READY
    assert found.job is not None
    assert found.job.tries == 0
    assert worker.tally.handed_back == [str(job)]
    assert (await store.client.get("coord/progress/", prefix=True)).count == 0


@in_loop
async def test_a_busy_worker_pays_at_most_one_transaction_for_a_job(
    app: str, cluster: LocalCluster, store: JobStore
) -> None:
    # On a machine that is busy itself a worker may have to ask more often: the best of a few.
    paid = [await _paid(app, cluster, store) for _ in range(3)]
    assert min(paid) <= 45


async def _paid(app: str, cluster: LocalCluster, store: JobStore) -> int:
    """Have 40 jobs done, and return how many transactions claimed or settled some."""
    jobs = [await store.enqueue("default", Job("double", {"number": n})) for n in range(40)]
    before = len(cluster.applied)
    async with working(store.client, app, steward=False):
        for job in jobs:
            await store.wait(job)
        txns = [op for op in cluster.applied[before:] if isinstance(op, Txn)]
    assert sum(map(_settles, txns)) <= len(jobs)
    return sum(_settles(op) or _claims(op) for op in txns)


def _settles(op: Txn) -> bool:
    return any(isinstance(part, Txn) and b"/done/" in repr(part).encode() for part in op.success)


def _claims(op: Txn) -> bool:
    return any(
        isinstance(part, Txn) and any(isinstance(step, Claim) for step in part.success)
        for part in op.success
    )


@in_loop
async def test_what_was_claimed_ahead_behind_a_long_job_is_done_by_another_worker(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    async with working(store.client, app, name="a"):
        for job in [await store.enqueue("default", Job("noop")) for _ in range(300)]:
            await store.wait(job)
        at = store.places.queue("default")
        await store.pause("default")
        await store.enqueue("default", Job("hang", {"started": str(tmp_path / "pid")}), priority=9)
        short = [await store.enqueue("default", Job("noop")) for _ in range(30)]
        await store.resume("default")
        await shows(store, "hanging")
        ahead = await store.client.get(at.held_by("a"), prefix=True, count_only=True)
        async with working(store.client, app, name="b"), asyncio.timeout(DEADLINE_S):
            endings = [await store.wait(job) for job in short]
    assert ahead.count > 1
    assert {ending.worker for ending in endings} == {"b"}
    assert {ending.attempt for ending in endings} == {1}
