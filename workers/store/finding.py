"""Looking a job up by its id: every place it may stand in, at one revision."""

from attrs import evolve

from coord.client import ops
from coord.errors import ErrorCode, Refused
from coord.requests import RangeReply, TxnOp, TxnReply
from recipes.port import only
from workers.errors import UnknownJob
from workers.model.ending import decode_ending
from workers.model.ids import JobId
from workers.model.states import State
from workers.store.found import Found, ended, standing
from workers.store.site import Site


async def find(site: Site, job_id: JobId) -> Found | None:
    """Return a job as it stands now, or None where nothing is known of it (any more)."""
    while True:
        try:
            return await _find(site, job_id)
        except Refused as error:
            if error.code is not ErrorCode.COMPACTED:  # between two reads
                raise


async def _find(site: Site, job_id: JobId) -> Found | None:
    at, item = site.places.queue(job_id.queue), job_id.item.encode()
    reads: list[TxnOp] = [
        ops.get(at.ready + item),
        ops.get(at.later + item),
        ops.get(at.parked + item),
        ops.get(at.dead + item),
        ops.get(at.done + item),
        ops.get(site.places.cancel(job_id)),
        ops.get(at.held, prefix=True, keys_only=True),
    ]
    reply = await site.client.txn(success=reads)
    ready, later, parked, dead, done, cancel, held = range_replies(reply)
    asked = only(cancel)
    reason = asked.value.decode(errors="replace") if asked else None
    waiting = {State.READY: ready, State.LATER: later, State.PARKED: parked}
    for state, answer in waiting.items():
        if kv := only(answer):
            # It was asked of a worker that put the job back; the next one will end it.
            return evolve(standing(job_id, state, kv), cancel_reason=reason)
    if kv := only(dead):
        ending = only(done)
        found = standing(job_id, State.DEAD, kv)
        return evolve(found, ending=decode_ending(ending.value) if ending else None)
    if kv := only(done):
        return ended(job_id, kv)
    holder = next((kv.key for kv in held.kvs if kv.key.endswith(b"/" + item)), None)
    if holder is None:
        return None
    kv = only(await site.client.get(holder, revision=reply.revision))
    assert kv is not None, "history has what was just read"
    found = standing(job_id, State.HELD, kv, holder_of(at.held, holder))
    return evolve(found, cancel_reason=reason)


async def find_surely(site: Site, job_id: JobId) -> Found:
    """Return a job as it stands now.

    Raises:
        UnknownJob: nothing is known of it.
    """
    found = await find(site, job_id)
    if found is None:
        raise UnknownJob(job_id)
    return found


def holder_of(held: bytes, key: bytes) -> str:
    """Return the worker named in a key under held/."""
    return key.removeprefix(held).rpartition(b"/")[0].decode(errors="replace")


def range_replies(reply: TxnReply) -> list[RangeReply]:
    """Return the answers of a transaction that only reads."""
    return list(map(_read, reply.replies))


def _read(answer: object) -> RangeReply:
    assert isinstance(answer, RangeReply), answer
    return answer
