"""Parking the ready jobs of a queue that came under a limit: the limit acts on them, too."""

from coord.client import ops
from workers.model.ids import JobId
from workers.model.job import decode_job
from workers.steps.enqueue import queue_limit
from workers.steps.move import Move
from workers.steps.waiting import park
from workers.steward.chore import Term
from workers.steward.moving import make_moves

PAGE_JOBS = 256


async def park_ready(term: Term, queue: str) -> None:
    """Park every ready job of `queue` that is not under the queue's limit yet.

    Does nothing where the queue is under none (any more).

    Raises:
        NotLeader: the term is over.
    """
    at = term.places.queue(queue)
    if not (await term.client.get(at.limit)).kvs:
        return
    start, end = at.ready, ops.prefix_end(at.ready)
    while True:
        page = await term.client.get(start, range_end=end, limit=PAGE_JOBS)
        moves: list[Move] = []
        for kv in page.kvs:
            job = decode_job(kv.value)
            if job is not None and queue_limit(queue) not in job.limits:
                job_id = JobId(queue, kv.key.removeprefix(at.ready).decode())
                moves.append(park(term.places, job_id, kv, job))
        await make_moves(term, moves)
        if not page.more:
            return
        start = page.kvs[-1].key + b"\0"
