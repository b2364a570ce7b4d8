"""Listing a queue's jobs: a page at a time, in the order of their keys."""

from collections.abc import AsyncIterator

from attrs import frozen

from coord.client import ops
from coord.errors import ErrorCode, Refused, error_from
from coord.model import KeyValue
from workers.model.ids import JobId
from workers.model.names import check_name
from workers.model.states import State
from workers.store.finding import holder_of
from workers.store.found import Found, ended, standing
from workers.store.site import Site

PAGE_JOBS = 500  # read at once; a job's value can be large
_ENDINGS = frozenset({State.DONE, State.CANCELLED, State.EXPIRED})


@frozen
class Page:
    """Some jobs, and where to go on: `after` for the next page; "" where there is none."""

    jobs: tuple[Found, ...]
    after: str


async def list_jobs(site: Site, queue: str, state: State, limit: int, after: str) -> Page:
    """Return a page of a queue's jobs of one state; see `JobStore.list`."""
    jobs: list[Found] = []
    async for found, place in _scan(site, queue, state, after):
        if len(jobs) == limit:
            return Page(tuple(jobs), after)
        jobs.append(found)
        after = place
    return Page(tuple(jobs), "")


async def every_job(site: Site, queue: str, state: State) -> AsyncIterator[Found]:
    """Yield a queue's jobs of one state, read a page at a time as they then are."""
    async for found, _ in _scan(site, queue, state, ""):
        yield found


async def _scan(
    site: Site, queue: str, state: State, after: str
) -> AsyncIterator[tuple[Found, str]]:
    prefix = _place(site, queue, state)
    end = ops.prefix_end(prefix)
    start = prefix + after.encode() + b"\0" if after else prefix
    more, limit = True, PAGE_JOBS
    while more:
        try:
            reply = await site.client.get(start, range_end=end, limit=limit)
        except Refused as error:
            if error.code is not ErrorCode.REPLY_TOO_LARGE or limit == 1:
                raise
            limit = 1 + limit // 8  # large jobs: fewer at a time
            continue
        for kv in reply.kvs:
            found = _found(queue, state, prefix, kv)
            if found is not None:
                yield found, kv.key.removeprefix(prefix).decode()
        more = reply.more
        if more:
            start = reply.kvs[-1].key + b"\0"


def _place(site: Site, queue: str, state: State) -> bytes:
    """Return where a queue's jobs of a state are.

    Raises:
        Misuse: the queue's name is none, or the state.
    """
    at = site.places.queue(check_name("queue", queue))
    places = {
        State.READY: at.ready,
        State.HELD: at.held,
        State.LATER: at.later,
        State.PARKED: at.parked,
        State.DEAD: at.dead,
        State.DONE: at.done,
        State.CANCELLED: at.done,
        State.EXPIRED: at.done,
    }
    if state not in places:
        allowed = ", ".join(map(str, places))
        raise error_from(ErrorCode.INVALID_OPTION, f"state {state!r:.100}: {allowed}")
    return places[state]


def _found(queue: str, state: State, prefix: bytes, kv: KeyValue) -> Found | None:
    job_id = JobId(queue, kv.key.rpartition(b"/")[2].decode())
    if state in _ENDINGS:
        found = ended(job_id, kv)
        return found if found.state is state else None
    worker = holder_of(prefix, kv.key) if state is State.HELD else ""
    return standing(job_id, state, kv, worker)
