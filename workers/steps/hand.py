"""Handing a new job to an idle worker, in the step that enqueues it: no claim has to follow.

An idle worker lays out a key for each free slot, under its lease. Whoever enqueues a job takes one
away and makes the job's key as one that this worker has claimed; a note tells the worker. It is
done only where nobody is passed over: nothing is ready in the queue, and nothing holds it shut. In
every other way the job is one that was enqueued and claimed at once.
"""

from attrs import frozen

from coord.client import ops
from coord.model import KeyValue
from coord.requests import Put
from workers.model.places import QueuePlaces
from workers.steps.move import Move

HANDED_BYTES_MAX = 64 * 1024  # the note repeats the job; larger ones are claimed
_FIRST = b"0000"  # the job's key is the first change of its revision: so ends its item


@frozen
class Slot:
    """A free slot somebody laid out.

    Attributes:
        worker: whose it is.
        number: which of its slots.
        lease: the worker's.
    """

    worker: str
    number: bytes
    lease: int


def slot_key(at: QueuePlaces, worker: str, number: bytes) -> bytes:
    """Return the key that says that a slot is free."""
    return at.free_of(worker) + number


def slot_of(at: QueuePlaces, kv: KeyValue) -> Slot:
    """Return what a key under `at.free` stands for."""
    worker, _, number = kv.key.removeprefix(at.free).rpartition(b"/")
    return Slot(worker.decode(errors="replace"), number, kv.lease)


def hand(at: QueuePlaces, slot: Slot, move: Move) -> Move | None:
    """Return the move that enqueues a job in a worker's hands.

    It fails as `move` does, and where the slot is taken, something is ready, or the queue is shut.

    Args:
        at: the queue.
        slot: whom it is handed to.
        move: that enqueues the job; see `workers.steps.enqueue`.

    Returns:
        None where the job waits for a time or a limit first, or is too large.
    """
    put, *others = move.ops
    assert isinstance(put, Put)
    if not put.key.startswith(at.ready) or len(put.value) > HANDED_BYTES_MAX:
        return None
    digit = put.key.removeprefix(at.ready)
    free = slot_key(at, slot.worker, slot.number)
    claimed = ops.put(
        at.held_by(slot.worker) + digit,
        put.value,
        lease=slot.lease,
        sequence=True,
        claimed_from=put.key,
    )
    note = at.handed_to(slot.worker) + slot.number
    return Move(
        (
            *move.compare,
            ops.leased(free, "==", slot.lease),
            ops.missing(at.ready, prefix=True),
            ops.missing(at.shut, prefix=True),
        ),
        (claimed, *others, ops.delete(free), ops.put(note, digit + put.value, lease=slot.lease)),
    )


def handed(at: QueuePlaces, worker: str, note: KeyValue) -> KeyValue:
    """Return the claimed key that a note tells of, as the store made it."""
    revision = note.mod_revision
    item = note.value[:1] + b"%016x" % revision + _FIRST
    key = at.held_by(worker) + item
    return KeyValue(key, note.value[1:], revision, revision, 1, note.lease, claims=1)
