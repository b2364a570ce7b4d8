"""Enqueuing one job. What is in the way, the transaction that fails tells.

A unique key that is taken makes it fail, and so does a limit the queue was put under; it then reads
which of the two, so that the next try does the right thing.
"""

from functools import lru_cache

import msgspec

from coord.client import ops
from coord.errors import ErrorCode, Refused, error_from
from coord.model import KeyValue
from coord.requests import PutReply, Range, RangeReply, TxnOp, TxnOpReply, TxnReply
from recipes.errors import Contended
from recipes.port import only
from workers.errors import DuplicateJob
from workers.model.checks import check_job
from workers.model.ids import JobId
from workers.model.names import check_name
from workers.model.places import QueuePlaces
from workers.steps.due import DueKind, due_delete
from workers.steps.enqueue import enqueue as enqueue_step
from workers.steps.enqueue import queue_limit
from workers.steps.hand import hand
from workers.steps.move import Move
from workers.store.cancelling import WAITING, cancelled
from workers.store.finding import find, range_replies
from workers.store.new import NewJob, WhenTaken
from workers.store.site import TRIES_MAX, Site


async def enqueue(site: Site, new: NewJob) -> JobId:
    """Enqueue one job; see `JobStore.enqueue`."""
    for _ in range(TRIES_MAX):
        reply = await _try(site, new, enqueuing(site, new))
        if reply.succeeded:
            return made_id(new, reply.replies[0])
        limit, *unique = range_replies(reply)
        taken = only(unique[0]) if unique else None
        if taken is not None:
            job_id = await _in_place_of(site, new, taken)
            if job_id is not None:
                return job_id
        elif limit.kvs:
            new = limited(new)
    raise Contended


async def _try(site: Site, new: NewJob, move: Move) -> TxnReply:
    """Enqueue a job, in the hands of an idle worker if one is known; or read what is in the way.

    Which workers are idle is read along, where a job like this could be handed over.
    """
    at, slots = site.places.queue(new.queue), site.slots
    look = slots.look(new.queue)
    slot = slots.take(new.queue)
    handing = hand(at, slot, move) if slot is not None else None
    if slot is None:
        reply = await site.client.txn(move.compare, (*move.ops, look), obstacles(site, new))
        free = reply.replies[-1] if reply.succeeded else RangeReply(reply.revision)
    elif handing is None:
        slots.used(new.queue, slot)
        return await site.client.txn(move.compare, move.ops, obstacles(site, new))
    else:
        usual = move.nested(*obstacles(site, new))
        reply = await site.client.txn(handing.compare, handing.ops, (usual, look))
        if reply.succeeded:
            slots.used(new.queue, slot)
            return reply
        inner, free = reply.replies
        assert isinstance(inner, TxnReply)
        reply = inner
    assert isinstance(free, RangeReply)
    slots.learn(new.queue, free.kvs)
    return reply


def enqueuing(site: Site, new: NewJob) -> Move:
    """Return the move that enqueues a job.

    Raises:
        Misuse: the queue's name, the priority or something of the job is none, or the job cannot
            be encoded.
    """
    check_name("queue", new.queue)
    check_job(new.job, own_limit=queue_limit(new.queue))
    if new.when_taken not in tuple(WhenTaken):
        detail = f"when_taken {new.when_taken!r:.100}: a WhenTaken"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    now = site.timer.now_unix_ms()
    return enqueue_step(site.places, new.queue, new.priority, new.job, now)


def obstacles(site: Site, new: NewJob) -> list[TxnOp]:
    """Return the reads that tell why a move to enqueue failed: the limit first, then the key."""
    reads: list[TxnOp] = [_limit_read(site.places.queue(new.queue))]
    if new.job.unique:
        reads.append(ops.get(site.places.unique(new.job.unique), prefix=True, limit=1))
    return reads


@lru_cache(maxsize=1024)
def _limit_read(at: QueuePlaces) -> Range:
    return ops.get(at.limit)


def limited(new: NewJob) -> NewJob:
    """Return the job with its queue's limit among its own."""
    limits = dict.fromkeys((*new.job.limits, queue_limit(new.queue)))
    return msgspec.structs.replace(new, job=msgspec.structs.replace(new.job, limits=tuple(limits)))


def made_id(new: NewJob, put: TxnOpReply) -> JobId:
    """Return the id of the job that a sequenced put has made."""
    assert isinstance(put, PutReply), put
    return JobId(new.queue, put.key.rpartition(b"/")[2].decode())


def has_key(unique: bytes, kv: KeyValue) -> JobId:
    """Return the job that has a unique key, from the entry `kv` under its prefix."""
    return JobId.parse(kv.key.removeprefix(unique).decode())


async def _in_place_of(site: Site, new: NewJob, taken: KeyValue) -> JobId | None:
    """Return what a taken key leads to: the job that has it, a replacement, or None: try again.

    Raises:
        DuplicateJob: neither is wanted, or possible.
    """
    has_it = has_key(site.places.unique(new.job.unique), taken)
    if new.when_taken is WhenTaken.KEEP:
        return has_it
    if new.when_taken is WhenTaken.REJECT:
        raise DuplicateJob(has_it)
    found = await find(site, has_it)
    if found is None or found.job is None or found.state not in WAITING:
        held_since = await site.client.get(taken.key)
        if not held_since.kvs:
            return None  # it ended meanwhile, and its key is free
        raise DuplicateJob(has_it)
    end = await cancelled(site, found, f"replaced by another {new.job.name}")
    anew = enqueuing(site, new)
    free: list[TxnOp] = []
    if until := found.job.unique_until_unix_ms:
        free += [
            ops.delete(taken.key),
            due_delete(site.places, until, has_it, DueKind.FORGET_UNIQUE),
        ]
    theirs = ops.missing(site.places.unique(new.job.unique), prefix=True)
    compare = (
        *end.compare,
        ops.created(taken.key, "==", taken.create_revision),
        *(each for each in anew.compare if each != theirs),
    )
    before = (*end.ops, *free)
    try:
        reply = await site.client.txn(compare, (*before, *anew.ops))
    except Refused as error:
        if error.code is not ErrorCode.LEASE_NOT_FOUND:
            raise
        site.leases.forget()  # that for the ending of the one replaced; nothing was done
        return None
    return made_id(new, reply.replies[len(before)]) if reply.succeeded else None
