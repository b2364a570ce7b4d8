"""A verdict as a transaction, fenced by the claim, and what its answer says. Pure.

Each is a part of a larger transaction: when its guard fails, the others go through all the same,
and its answer tells whether an earlier try of ours did it already.
"""

from enum import Enum

import msgspec

from coord.client import ops
from coord.errors import ErrorCode, Misuse
from coord.limits import REQUEST_BYTES_MAX
from coord.requests import Put, RangeReply, Reply, Txn, TxnOp, TxnReply
from workers.model.ending import decode_ending
from workers.model.job import Job, decode_job
from workers.model.places import Places
from workers.pipelines.spawning import adding
from workers.running.held_job import HeldJob
from workers.running.verdict import End, PutBack, Retry, Verdict, bury, cancelled
from workers.running.wire import Spawned
from workers.steps.enqueue import enqueue, queue_limit
from workers.steps.held import end_held, put_back, retry, snooze
from workers.steps.move import Move

SETTLEMENT_BYTES_MAX = REQUEST_BYTES_MAX - 128 * 1024  # the rest is for keys and a claim
_KEYS_BYTES = 2_000


class Settled(Enum):
    """What became of a verdict."""

    DONE = "done"
    CANCELLED = "cancelled"  #: it was to be tried again, but somebody asked for its end
    STALE = "stale"  #: the claim had ended; nothing was written


def settling(
    places: Places, worker: str, held: HeldJob, verdict: Verdict, lease: int, now_unix_ms: int
) -> Txn:
    """Return the transaction that carries out a verdict.

    What is too large for the store is left out, least dear first: earlier attempts' logs, their
    history, and at last the result; then the job is dead, with that as cause.

    Args:
        places: of the space.
        worker: who holds the job.
        held: the job.
        verdict: what follows.
        lease: that its ending is kept under, 0 for none.
        now_unix_ms: the time now.
    """
    try:
        return _fitting(places, worker, held, verdict, lease, now_unix_ms)
    except Misuse as error:
        if isinstance(verdict, End) and verdict.attempt is None:
            cause = f"the result cannot be kept: {error}"
            verdict = bury(held, cause, worker, now_unix_ms)
    for job in (_without_logs(held.job), msgspec.structs.replace(held.job, history=())):
        lighter = HeldJob(held.id, held.kv, job, held.attempt)
        try:
            return _fitting(places, worker, lighter, _without_log(verdict, job), lease, now_unix_ms)
        except Misuse:
            continue
    bare = msgspec.structs.replace(held.job, history=(), args={}, tags=())
    cause = "its arguments leave no room for what became of it"
    lighter = HeldJob(held.id, held.kv, bare, held.attempt)
    verdict = bury(lighter, cause, worker, now_unix_ms)
    return _fitting(places, worker, lighter, verdict, lease, now_unix_ms)


def settled(reply: Reply, held: HeldJob) -> Settled:
    """Read the answer to a settlement."""
    assert isinstance(reply, TxnReply)
    if reply.succeeded:
        return Settled.DONE
    for answer in reply.replies:
        if isinstance(answer, TxnReply) and answer.succeeded:
            return Settled.CANCELLED
        if isinstance(answer, RangeReply) and any(_is_ours(kv.value, held) for kv in answer.kvs):
            return Settled.DONE
    return Settled.STALE


def size_bytes(settlement: Txn) -> int:
    """Return about how many bytes a settlement takes in a request."""
    puts = (step for step in settlement.success if isinstance(step, Put))
    return _KEYS_BYTES + sum(len(put.value) for put in puts)


def _fitting(
    places: Places, worker: str, held: HeldJob, verdict: Verdict, lease: int, now_unix_ms: int
) -> Txn:
    found = _transaction(places, worker, held, verdict, lease, now_unix_ms)
    if size_bytes(found) > SETTLEMENT_BYTES_MAX:
        detail = f"{size_bytes(found)} bytes; {SETTLEMENT_BYTES_MAX} are allowed"
        raise Misuse(detail, ErrorCode.REQUEST_TOO_LARGE)
    return found


def _transaction(
    places: Places, worker: str, held: HeldJob, verdict: Verdict, lease: int, now_unix_ms: int
) -> Txn:
    at, item = places.queue(held.id.queue), held.id.item.encode()
    if isinstance(verdict, End):
        move = _ending(places, worker, held, verdict, lease)
        return move.nested(ops.get(at.done + item))
    if isinstance(verdict, PutBack):
        move = put_back(places, held.id, held.job, worker, held.token, held.attempt)
        return move.nested()
    if isinstance(verdict, Retry):
        move = retry(
            places, held.id, held.job, worker, held.token, verdict.attempt, verdict.due_unix_ms
        )
    else:
        move = snooze(
            places, held.id, held.job, worker, held.token, held.attempt, verdict.due_unix_ms
        )
    # It may be that somebody asked for the job's end: then it ends instead.
    end = cancelled(held, worker, now_unix_ms)
    ended = end_held(places, held.id, held.job, worker, end.ending, lease).nested()
    return move.nested(ops.get(at.later + item), ended)


def _ending(places: Places, worker: str, held: HeldJob, verdict: End, lease: int) -> Move:
    job = held.job if verdict.attempt is None else held.job.with_attempt(verdict.attempt)
    move = end_held(places, held.id, job, worker, verdict.ending, lease)
    if not verdict.spawned:
        return move
    now_unix_ms, group = verdict.ending.ended_unix_ms, held.job.group
    spawned = [_spawning(places, each, group, now_unix_ms) for each in verdict.spawned]
    return Move(move.compare, (*move.ops, *spawned))


def _spawning(places: Places, spawned: Spawned, group: str, now_unix_ms: int) -> TxnOp:
    """Return what enqueues a job; behind its queue's limit if there is one.

    One for another group than its parent's waits for that: it is a later stage's.
    """
    job = decode_job(spawned.value)
    assert job is not None, "a child encoded it"
    if job.group != group:
        return adding(places, spawned.queue, spawned.priority, job)
    queue, priority = spawned.queue, spawned.priority
    limits = (*job.limits, queue_limit(queue))
    limited = msgspec.structs.replace(job, limits=limits)
    otherwise = enqueue(places, queue, priority, limited, now_unix_ms).nested()
    return enqueue(places, queue, priority, job, now_unix_ms).nested(otherwise)


def _is_ours(value: bytes, held: HeldJob) -> bool:
    ending = decode_ending(value)
    if ending is not None:
        return ending.token == held.token
    job = decode_job(value)
    return job is not None and (job.tries, job.snoozes) != (held.job.tries, held.job.snoozes)


def _without_logs(job: Job) -> Job:
    history = tuple(msgspec.structs.replace(attempt, log="") for attempt in job.history)
    return msgspec.structs.replace(job, history=history)


def _without_log(verdict: Verdict, job: Job) -> Verdict:
    if isinstance(verdict, End):
        ending = msgspec.structs.replace(verdict.ending, log="", history=job.history)
        attempt = verdict.attempt and msgspec.structs.replace(verdict.attempt, log="")
        return End(ending, attempt, verdict.spawned)
    if isinstance(verdict, Retry):
        return Retry(msgspec.structs.replace(verdict.attempt, log=""), verdict.due_unix_ms)
    return verdict
