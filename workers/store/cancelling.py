"""Cancelling a job: at once where it waits, by asking its worker where it runs."""

from coord.errors import ErrorCode, Refused
from recipes.errors import Contended
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.states import ENDED, State
from workers.steps.cancel import ask_to_end, end_waiting
from workers.steps.move import Move
from workers.store.finding import find_surely
from workers.store.found import Found
from workers.store.site import TRIES_MAX, Site

WAITING = (State.READY, State.LATER, State.PARKED)
"""The states of a job that has not ended and does not run."""


async def cancel(site: Site, job_id: JobId, reason: str) -> State:
    """Cancel a job; see `JobStore.cancel`."""
    for _ in range(TRIES_MAX):
        found = await find_surely(site, job_id)
        if found.state in ENDED:
            return found.state
        if found.state is State.HELD:
            move = ask_to_end(site.places, job_id, found.kv, reason)
            if (await site.client.txn(move.compare, move.ops)).succeeded:
                return State.HELD
            continue
        move = await cancelled(site, found, reason)
        if await take(site, move):
            return State.CANCELLED
    raise Contended


async def cancelled(site: Site, found: Found, reason: str) -> Move:
    """Return the step that ends a waiting job as cancelled.

    Raises:
        Refused: its value is no job; purge it.
    """
    if found.job is None:
        raise Refused(f"what stands at {found.id} is no job", ErrorCode.MALFORMED)
    job = found.job
    now = site.timer.now_unix_ms()
    ending = Ending(
        State.CANCELLED,
        job.name,
        attempt=job.tries + found.kv.claims,
        cause=reason,
        created_unix_ms=job.created_unix_ms,
        ended_unix_ms=now,
        tags=job.tags,
        history=job.history,
    )
    kept_ms = job.result_ttl_ms
    lease = await site.leases.lease_for(kept_ms) if kept_ms else 0
    return end_waiting(site.places, found.id, found.kv, job, ending, lease)


async def take(site: Site, move: Move) -> bool:
    """Send a move that keeps an ending; return whether it was done.

    A lease made for endings may be gone by now, as after this machine slept: then nothing was
    done, and the next ending gets a new one.
    """
    try:
        return (await site.client.txn(move.compare, move.ops)).succeeded
    except Refused as error:
        if error.code is not ErrorCode.LEASE_NOT_FOUND:
            raise
        site.leases.forget()
        return False
