"""Looking at what a gate's condition speaks of: all of it at one revision, in one read."""

from collections.abc import Iterator

from attrs import frozen

from coord.client import ops
from coord.requests import RangeReply, TxnOp
from recipes.port import KeyStore, only
from workers.gates.conditions import (
    JobThere,
    Leaf,
    Look,
    QueueSize,
    Signal,
    Time,
    Verdict,
    evaluate,
    leaves,
    time_text,
)
from workers.gates.gate import Gate, GatePlaces
from workers.gates.given import decode_given
from workers.model.ids import JobId
from workers.model.places import Places


@frozen
class Sight:
    """A gate's condition at one revision.

    Attributes:
        verdict: whether it holds.
        ready: jobs ready in the gate's queue; 0 where it has none.
        revision: at which.
    """

    verdict: Verdict
    ready: int
    revision: int


async def look(client: KeyStore, places: GatePlaces, gate: Gate, now_unix_ms: int) -> Sight:
    """Look at everything a gate's condition speaks of. One round trip."""
    found = dict.fromkeys(leaves(gate.condition))
    reads = {leaf: _reads(places, gate, leaf) for leaf in found}
    queue = places.space.queue(gate.queue)
    own = [ops.get(queue.ready, prefix=True, count_only=True)] if gate.queue else []
    reply = await client.txn(success=[*own, *(op for leaf in reads for op in reads[leaf])])
    answers = iter(reply.replies)
    ready = sum(_count(next(answers)) for _ in own)
    looks = {leaf: _look(leaf, reads[leaf], answers, now_unix_ms) for leaf in found}
    return Sight(evaluate(gate.condition, looks.__getitem__), ready, reply.revision)


def watched(places: GatePlaces, gate: Gate) -> dict[bytes, bool]:
    """Return the keys whose changes may move a gate, each with whether it is a prefix.

    Its own signals are not among them.
    """
    space, found = places.space, dict[bytes, bool]()
    for leaf in leaves(gate.condition):
        match leaf:
            case QueueSize(queue, _, place):
                found[queue_place(space, queue, place)] = True
            case JobThere(job):
                found.update(dict.fromkeys(_job_keys(space, JobId.parse(job)), False))
            case _:
                pass
    if gate.rearm == "empty":
        found[space.queue(gate.queue).ready] = True
    return found


def queue_place(places: Places, queue: str, place: str) -> bytes:
    """Return the prefix of one place of a queue."""
    return places.queue(queue).prefix + place.encode() + b"/"


def _reads(places: GatePlaces, gate: Gate, leaf: Leaf) -> list[TxnOp]:
    space = places.space
    match leaf:
        case QueueSize(queue, _, place):
            return [ops.get(queue_place(space, queue, place), prefix=True, count_only=True)]
        case JobThere(job, ended):
            job_id = JobId.parse(job)
            at = space.queue(job_id.queue)
            keys = _job_keys(space, job_id)
            if ended:
                return [ops.get(key, count_only=True) for key in keys[3:]]
            held: TxnOp = ops.get(at.held, prefix=True, keys_only=True)
            return [*(ops.get(key, count_only=True) for key in keys[:3]), held]
        case Signal(name):
            return [ops.get(places.signals(gate.name) + name.encode())]
        case _:
            return []


def _job_keys(places: Places, job: JobId) -> list[bytes]:
    """Return where a job may wait (three), and where its ending may stand (two)."""
    at, item = places.queue(job.queue), job.item.encode()
    return [place + item for place in (at.ready, at.later, at.parked, at.done, at.dead)]


def _look(leaf: Leaf, reads: list[TxnOp], answers: Iterator[object], now_unix_ms: int) -> Look:
    own = [next(answers) for _ in reads]
    match leaf:
        case QueueSize(at_least=at_least):
            return Look(_count(own[0]), at_least)
        case JobThere(job, ended):
            counted = own if ended else own[:3]
            there = any(_count(answer) for answer in counted)
            return Look(int(there or (not ended and _holds(own[3], JobId.parse(job)))), 1)
        case Signal():
            kv = only(_reply(own[0]))
            given = None if kv is None else decode_given(kv.value)
            return Look(0, 1) if given is None else Look(1, 1, given.unix_ms, str(given))
        case Time(at_unix_ms):
            come = now_unix_ms >= at_unix_ms
            by = "" if come else f"now {time_text(now_unix_ms)}"
            return Look(int(come), 1, at_unix_ms if come else 0, by)
        case _:
            return Look(0, 1, by="has no meaning here")


def _holds(answer: object, job: JobId) -> bool:
    end = b"/" + job.item.encode()
    return any(kv.key.endswith(end) for kv in _reply(answer).kvs)


def _count(answer: object) -> int:
    return _reply(answer).count


def _reply(answer: object) -> RangeReply:
    assert isinstance(answer, RangeReply), answer
    return answer
