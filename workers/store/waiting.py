"""Waiting for a job's end: by watch, never by asking again and again.

The ending is one key that is written once the job has ended; whoever waits follows it from the
revision at which it was seen not to be there.
"""

from coord.client import ops
from coord.errors import ErrorCode, Refused
from coord.model import EventKind
from coord.requests import TxnOp
from recipes.port import next_batch, only
from workers.errors import NotKept
from workers.model.ending import Ending, decode_ending
from workers.model.ids import JobId
from workers.model.job import decode_job
from workers.store.finding import find_surely, range_replies
from workers.store.site import Site


async def wait(site: Site, job_id: JobId) -> Ending:
    """Return how a job ended, once it has; see `JobStore.wait`."""
    while True:
        seen = await _look(site, job_id)
        if isinstance(seen, Ending):
            return seen
        try:
            ending = await _follow(site, job_id, seen)
        except Refused as error:
            # Compaction overtook the watch: look again, at what is there now.
            if error.code is not ErrorCode.COMPACTED:
                raise
            continue
        if ending is not None:
            return ending


async def _look(site: Site, job_id: JobId) -> Ending | int:
    """Return the ending, or a revision at which there was none.

    Raises:
        UnknownJob: nothing is known of the job.
        NotKept: its ending will not be kept.
    """
    at, item = site.places.queue(job_id.queue), job_id.item.encode()
    reads: list[TxnOp] = [ops.get(at.done + item)]
    reads += [ops.get(place + item) for place in (at.ready, at.later, at.parked)]
    reply = await site.client.txn(success=reads)
    done, *waiting = range_replies(reply)
    if kv := only(done):
        return decode_ending(kv.value) or _unreadable(job_id)
    standing = next((answer.kvs[0] for answer in waiting if answer.kvs), None)
    revision = reply.revision
    if standing is not None:
        job = decode_job(standing.value)
    else:
        found = await find_surely(site, job_id)
        if found.ending is not None:
            return found.ending
        # What it was found by is newer than the first look; both saw no ending.
        job = found.job
    if job is not None and not job.result_ttl_ms:
        raise NotKept(f"the ending of job {job_id} is not kept: its result_ttl_ms is 0")
    return revision


async def _follow(site: Site, job_id: JobId, revision: int) -> Ending | None:
    done = site.places.queue(job_id.queue).done + job_id.item.encode()
    async with site.client.watch(done, start_revision=revision + 1) as watch:
        while True:
            for event in (await next_batch(watch)).events:
                if event.kind is EventKind.PUT:
                    return decode_ending(event.kv.value) or _unreadable(job_id)


def _unreadable(job_id: JobId) -> Ending:
    raise Refused(f"the ending of job {job_id} is unreadable", ErrorCode.MALFORMED)
