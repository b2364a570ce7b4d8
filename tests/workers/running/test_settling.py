"""Verdicts as transactions, carried out on a local store."""

import msgspec
import pytest

from coord.limits import VALUE_BYTES_MAX
from coord.model import KeyValue
from coord.requests import TxnReply
from coord.testing.local import LocalCluster, in_loop
from recipes.claims import Claimer
from workers.model.ending import Ending, decode_ending
from workers.model.ids import JobId
from workers.model.job import Attempt, Job, decode_job, encode_job
from workers.model.places import Places
from workers.model.states import State
from workers.running.held_job import HeldJob
from workers.running.settling import Settled, settled, settling
from workers.running.verdict import PutBack, Snooze, Verdict, judge
from workers.running.wire import Failed, Finished, Spawned
from workers.steps.cancel import ask_to_end
from workers.store.jobs import JobStore

NOW = 1_700_000_000_000
PLACES = Places()
AT = PLACES.queue("mail")


async def claimed(store: JobStore, job: Job) -> HeldJob:
    """Enqueue a job and claim it; its session is never ended."""
    job_id = await store.enqueue("mail", job)
    session = await store.client.session().__aenter__()
    (kv,) = await Claimer(store.client, session, AT.ready, AT.held_by("w")).try_claim()
    found = decode_job(kv.value)
    assert found is not None
    return HeldJob(job_id, kv, found, found.tries + kv.claims, started_unix_ms=NOW)


async def carried_out(store: JobStore, held: HeldJob, verdict: Verdict) -> Settled:
    lease = (await store.client.grant(60_000)).lease
    step = settling(PLACES, "w", held, verdict, lease, NOW)
    reply = await store.client.txn(success=[step])
    return settled(reply.replies[0], held)


def done(held: HeldJob, result: bytes = b"1", spawned: tuple[Spawned, ...] = ()) -> Verdict:
    return judge(held, Finished(1, 1, result, spawned=spawned), "w", NOW, lambda: 0.0)


def failed(held: HeldJob, cause: str = "why", log: str = "") -> Verdict:
    return judge(held, Failed(1, 1, cause, log=log), "w", NOW, lambda: 0.0)


@pytest.fixture
def store() -> JobStore:
    return JobStore(LocalCluster().client())


async def ending_of(store: JobStore, job: JobId) -> Ending:
    reply = await store.client.get(AT.done + job.item.encode())
    ending = decode_ending(reply.kvs[0].value)
    assert ending is not None
    return ending


@in_loop
async def test_a_verdict_told_twice_is_carried_out_once_and_both_times_known(
    store: JobStore,
) -> None:
    held = await claimed(store, Job("f"))
    verdict = done(held)
    assert await carried_out(store, held, verdict) is Settled.DONE
    assert await carried_out(store, held, verdict) is Settled.DONE


@in_loop
async def test_a_retry_told_twice_is_known_both_times(store: JobStore) -> None:
    held = await claimed(store, Job("f"))
    verdict = failed(held)
    assert await carried_out(store, held, verdict) is Settled.DONE
    assert await carried_out(store, held, verdict) is Settled.DONE
    waiting = await store.client.get(AT.later, prefix=True)
    assert waiting.count == 1


@in_loop
async def test_a_stale_claim_changes_nothing(store: JobStore) -> None:
    held = await claimed(store, Job("f"))
    await store.client.give_back(held.kv.key, held.token)
    before = (await store.client.get("coord/", prefix=True)).kvs
    for verdict in (done(held), failed(held), Snooze(NOW), PutBack()):
        assert await carried_out(store, held, verdict) is Settled.STALE
    assert (await store.client.get("coord/", prefix=True)).kvs == before


@in_loop
async def test_what_was_to_be_tried_again_is_cancelled_when_somebody_asked_for_that(
    store: JobStore,
) -> None:
    held = await claimed(store, Job("f"))
    move = ask_to_end(PLACES, held.id, held.kv, "not wanted")
    await store.client.txn(move.compare, move.ops)
    assert await carried_out(store, held, failed(held)) is Settled.CANCELLED
    assert (await ending_of(store, held.id)).state is State.CANCELLED
    assert not (await store.client.get(PLACES.cancels, prefix=True)).kvs


@in_loop
async def test_a_job_put_back_is_as_before_but_for_losses_now_on_record(store: JobStore) -> None:
    held = await claimed(store, Job("f", {"a": 1}))
    assert await carried_out(store, held, PutBack()) is Settled.DONE
    (kv,) = (await store.client.get(AT.ready, prefix=True)).kvs
    assert (kv.value, kv.claims, kv.key) == (held.kv.value, 0, AT.ready + held.id.item.encode())


@in_loop
async def test_spawned_jobs_come_with_the_ending_even_behind_a_limit_of_their_queue(
    store: JobStore,
) -> None:
    await store.client.put(PLACES.queue("other").limit, b"queue.other")
    held = await claimed(store, Job("f"))
    spawned = (
        Spawned("mail", 4, encode_job(Job("g"))),
        Spawned("other", 4, encode_job(Job("h"))),
    )
    assert await carried_out(store, held, done(held, spawned=spawned)) is Settled.DONE
    assert (await store.client.get(AT.ready, prefix=True)).count == 1
    assert (await store.client.get(PLACES.queue("other").parked, prefix=True)).count == 1
    assert (await store.client.get(PLACES.waiting("queue.other"), prefix=True)).count == 1


@in_loop
async def test_what_is_too_large_to_keep_is_left_out_least_dear_first(store: JobStore) -> None:
    history = tuple(Attempt(n, "c" * 100, log="l" * 16_000) for n in range(1, 10))
    job = Job("f", {"a": "x" * (VALUE_BYTES_MAX - 150_000)}, tries=9, history=history)
    held = await claimed(store, msgspec.structs.replace(job, attempts_max=10))
    assert await carried_out(store, held, failed(held, log="l" * 16_000)) is Settled.DONE
    (kv,) = (await store.client.get(AT.dead, prefix=True)).kvs
    kept = decode_job(kv.value)
    assert kept is not None
    assert kept.args == job.args
    assert [attempt.log for attempt in kept.history] == [""] * 10
    assert (await ending_of(store, held.id)).cause == "why"


@in_loop
async def test_a_result_there_is_no_room_for_is_the_cause_of_the_jobs_death(
    store: JobStore,
) -> None:
    held = await claimed(store, Job("f", group="g"))
    result = b'"' + b"x" * (VALUE_BYTES_MAX - 10_000) + b'"'
    assert await carried_out(store, held, done(held, result)) is Settled.DONE
    ending = await ending_of(store, held.id)
    assert ending.state is State.DEAD
    assert "cannot be kept" in ending.cause


def test_an_answer_that_tells_of_another_claims_ending_is_stale() -> None:
    held = HeldJob(
        JobId("mail", "500000000000000120000"), KeyValue(b"k", b"", 7, 7, 1), Job("f"), 1
    )
    assert settled(TxnReply(9, False, ()), held) is Settled.STALE
