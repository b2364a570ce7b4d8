"""Waiting for a job's end: by watch, never by asking again and again.

The ending is one key that is written once the job has ended. Whoever waits follows it from the
job's beginning. What ends well within a moment is told at once; otherwise it is looked at the same
time whether the job has ended or is known at all, and an ending that was there and is gone, as of a
job that was replayed, is none.
"""

import asyncio

from coord.client import ops
from coord.errors import ErrorCode, Refused
from coord.model import EventKind
from coord.requests import TxnOp
from recipes.port import next_batch, only
from workers.errors import NotKept
from workers.model.ending import Ending, decode_ending
from workers.model.ids import JobId
from workers.model.job import decode_job
from workers.model.states import State
from workers.store.finding import find_surely, range_replies
from workers.store.site import Site

SOON_S = 0.05  # most jobs that somebody waits for have ended well by then


async def wait(site: Site, job_id: JobId) -> Ending:
    """Return how a job ended, once it has; see `JobStore.wait`."""
    # The id tells when the job was enqueued: the watch can begin there, before anything is read.
    since = int(job_id.item[1:17], 16)
    if (done := await _done_soon(site, job_id, since)) is not None:
        return done
    while True:
        looking = asyncio.create_task(_look(site, job_id))
        following = asyncio.create_task(_follow(site, job_id, since, looking))
        try:
            await asyncio.wait((looking, following), return_when=asyncio.FIRST_COMPLETED)
            if looking.done() and isinstance(seen := looking.result(), Ending):
                return seen
            return await following
        except Refused as error:
            # Compaction overtook the watch: begin again where the job was seen not to have ended.
            if error.code is not ErrorCode.COMPACTED:
                raise
            seen = await looking
            if isinstance(seen, Ending):
                return seen
            since = seen
        finally:
            for task in (looking, following):
                task.cancel()
            await asyncio.gather(looking, following, return_exceptions=True)


async def _done_soon(site: Site, job_id: JobId, since: int) -> Ending | None:
    """Return the ending if the job ends well within a moment: that is for ever, come what may."""
    done = site.places.queue(job_id.queue).done + job_id.item.encode()
    try:
        async with (
            asyncio.timeout(SOON_S),
            site.client.watch(done, start_revision=since + 1) as watch,
        ):
            batch = await next_batch(watch)
    except TimeoutError:
        return None
    except Refused as error:
        if error.code is not ErrorCode.COMPACTED:
            raise
        return None
    ending = decode_ending(batch.events[0].kv.value)
    return ending if ending is not None and ending.state is State.DONE else None


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
        raise NotKept.of(job_id)
    return revision


async def _follow(
    site: Site, job_id: JobId, revision: int, looking: asyncio.Task[Ending | int]
) -> Ending:
    """Return the first ending written after `revision` that `looking` cannot have seen replayed."""
    done = site.places.queue(job_id.queue).done + job_id.item.encode()
    async with site.client.watch(done, start_revision=revision + 1) as watch:
        while True:
            for event in (await next_batch(watch)).events:
                if event.kind is not EventKind.PUT:
                    continue
                seen = await asyncio.shield(looking)
                if isinstance(seen, Ending):
                    return seen
                if event.kv.mod_revision > seen:
                    return decode_ending(event.kv.value) or _unreadable(job_id)


def _unreadable(job_id: JobId) -> Ending:
    raise Refused(f"the ending of job {job_id} is unreadable", ErrorCode.MALFORMED)
