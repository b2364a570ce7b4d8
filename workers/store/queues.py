"""Queues as a whole: which there are, what they hold, and what holds them shut."""

from attrs import frozen

from coord.client import ops
from coord.requests import TxnOp
from recipes.port import only
from workers.model.names import check_name
from workers.model.states import State
from workers.store.finding import range_replies
from workers.store.site import Site

PAUSE = b"pause"


@frozen
class QueueView:
    """One queue at one revision.

    Attributes:
        name: its name.
        counts: see `JobStore.counts`.
        shut: why nothing is claimed from it, and what was said: {"pause": "deploy"}; {} when open.
        limit: the name of the limit it is under; "" for none.
        oldest_item: the item that is claimed next; "" where none is ready.
        revision: at which all of this was so.
    """

    name: str
    counts: dict[State, int]
    shut: dict[str, str]
    limit: str
    oldest_item: str
    revision: int


async def queues(site: Site) -> list[str]:
    """Return the names of all queues that hold anything, in order."""
    prefix = site.places.queues
    start, end = prefix, ops.prefix_end(prefix)
    names = []
    while kv := only(await site.client.get(start, range_end=end, limit=1)):
        name = kv.key.removeprefix(prefix).partition(b"/")[0].decode()
        names.append(name)
        start = ops.prefix_end(site.places.queue(name).prefix)
    return sorted(names)


async def view(site: Site, queue: str) -> QueueView:
    """Return one queue as it is now."""
    at = site.places.queue(check_name("queue", queue))
    counted = (at.ready, at.held, at.later, at.parked, at.dead, at.done)
    reads: list[TxnOp] = [ops.get(place, prefix=True, count_only=True) for place in counted]
    reads += [
        ops.get(at.shut, prefix=True),
        ops.get(at.limit),
        ops.get(at.ready, prefix=True, limit=1, keys_only=True),
    ]
    reply = await site.client.txn(success=reads)
    *answers, shut, limit, first = range_replies(reply)
    ready, held, later, parked, dead, done = (answer.count for answer in answers)
    named, oldest = only(limit), only(first)
    return QueueView(
        queue,
        {
            State.READY: ready,
            State.HELD: held,
            State.LATER: later,
            State.PARKED: parked,
            State.DEAD: dead,
            State.DONE: done - dead,  # of a dead job an ending is kept too
        },
        {_text(kv.key.removeprefix(at.shut)): _text(kv.value) for kv in shut.kvs},
        _text(named.value) if named else "",
        oldest.key.removeprefix(at.ready).decode() if oldest else "",
        reply.revision,
    )


async def pause(site: Site, queue: str, reason: str) -> None:
    """Shut a queue; see `JobStore.pause`."""
    key = site.places.queue(check_name("queue", queue)).shut + PAUSE
    await site.client.put(key, reason)


async def resume(site: Site, queue: str) -> bool:
    """Open a queue that was paused; return whether it was."""
    key = site.places.queue(check_name("queue", queue)).shut + PAUSE
    reply = await site.client.txn([ops.exists(key)], [ops.delete(key)])
    return reply.succeeded


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
