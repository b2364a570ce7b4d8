"""Clearing a queue: those that wait are cancelled, what is left of those that ended goes.

Many jobs go in one transaction, each by a step of its own within it: one that moved meanwhile is
passed over and stays.
"""

from collections.abc import Sequence

from coord.client import ops
from coord.errors import ErrorCode, Misuse, Refused
from coord.requests import TxnOp, TxnReply
from recipes.errors import Contended
from workers.model.states import State
from workers.steps.move import Move
from workers.store.cancelling import WAITING, cancelled
from workers.store.found import Found
from workers.store.listing import every_job
from workers.store.site import TRIES_MAX, Site

CHUNK_JOBS = 64  # jobs that go at once; each is about ten operations
REASON = "purged"


async def purge(site: Site, queue: str, state: State) -> int:
    """Clear a queue of the jobs of one state; see `JobStore.purge`."""
    if state is State.HELD:
        detail = "jobs that run are cancelled one by one"
        raise Misuse(f"nothing is purged from {state.value!r}: {detail}", ErrorCode.INVALID_OPTION)
    chunk: list[Found] = []
    gone = 0
    async for found in every_job(site, queue, state):
        chunk.append(found)
        if len(chunk) == CHUNK_JOBS:
            gone += await _drop(site, chunk)
            chunk = []
    return gone + (await _drop(site, chunk) if chunk else 0)


async def _drop(site: Site, chunk: Sequence[Found]) -> int:
    for _ in range(TRIES_MAX):
        try:
            return await _drop_at_once(site, chunk)
        except Refused as error:
            # A lease made for endings is gone by now, as after this machine slept; nothing was
            # done.
            if error.code is not ErrorCode.LEASE_NOT_FOUND:
                raise
            site.leases.forget()
    raise Contended


async def _drop_at_once(site: Site, chunk: Sequence[Found]) -> int:
    steps: list[TxnOp] = [(await _dropping(site, found)).nested() for found in chunk]
    reply = await site.client.txn(success=steps)
    return sum(isinstance(each, TxnReply) and each.succeeded for each in reply.replies)


async def _dropping(site: Site, found: Found) -> Move:
    if found.state in WAITING and found.job is not None:
        return await cancelled(site, found, REASON)
    at, item = site.places.queue(found.id.queue), found.id.item.encode()
    unchanged = ops.modified(found.kv.key, "==", found.kv.mod_revision)
    keys = (found.kv.key, at.done + item) if found.state is State.DEAD else (found.kv.key,)
    return Move((unchanged,), tuple(ops.delete(key) for key in keys))
