"""Cancelling a schedule's job in favour of the next, in the transaction that decides so."""

from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.states import State
from workers.result_leases import ResultLeases
from workers.steps.cancel import ask_to_end, end_waiting
from workers.steps.move import Move
from workers.steward.chore import Term
from workers.store.finding import find
from workers.store.found import Found
from workers.store.site import Site
from workers.timer import Timer

WHY = "the next one is due"


async def cancel_standing(
    term: Term, timer: Timer, leases: ResultLeases, job_id: JobId, move: Move
) -> Move:
    """Return `move` with the end of a job in it: at once where it waits, asked for where it runs.

    A job that cannot be found any more, or read, is left alone: the next one waits for it.
    """
    site = Site(term.client, term.places, timer, leases)
    found = await find(site, job_id)
    if found is None or found.job is None:
        return move
    if found.state is State.HELD:
        more = ask_to_end(term.places, job_id, found.kv, WHY)
    elif found.state in (State.READY, State.LATER, State.PARKED):
        kept_ms = found.job.result_ttl_ms
        lease = await leases.lease_for(kept_ms) if kept_ms else 0
        more = end_waiting(
            term.places, job_id, found.kv, found.job, _ending(found, timer.now_unix_ms()), lease
        )
    else:
        return move
    return Move((*move.compare, *more.compare), (*move.ops, *more.ops))


def _ending(found: Found, now_unix_ms: int) -> Ending:
    job = found.job
    assert job is not None
    return Ending(
        State.CANCELLED,
        job.name,
        attempt=found.attempt,
        cause=WHY,
        created_unix_ms=job.created_unix_ms,
        ended_unix_ms=now_unix_ms,
        tags=job.tags,
        history=job.history,
    )
