"""Handing a new job to an idle worker, in the step that enqueues it: no claim has to follow.

An idle worker lays out a key for each free slot, under its lease. Whoever enqueues a job takes one
away and makes the job's key as one that this worker has claimed; a note tells the worker, and
stands until the job is settled. It is done only where nobody is passed over: nothing is ready in
the queue, and nothing holds it shut. In every other way the job is one that was enqueued and
claimed at once.
"""

from functools import lru_cache

from attrs import frozen

from coord.client import ops
from coord.model import KeyValue
from coord.requests import Compare, Put
from workers.model.places import QueuePlaces
from workers.steps.move import Move

HANDED_BYTES_MAX = 64 * 1024  # the note repeats the job; larger ones are claimed
NUMBER_BYTES = 4  # of a slot, before the job in a note


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
    note = at.handed_to(slot.worker) + digit
    value = slot.number + put.value
    return Move(
        (
            *move.compare,
            ops.leased(free, "==", slot.lease),
            *_nothing_before(at),
        ),
        (
            claimed,
            *others,
            ops.delete(free),
            ops.put(note, value, lease=slot.lease, same_sequence=True),
        ),
    )


@lru_cache(maxsize=1024)
def _nothing_before(at: QueuePlaces) -> tuple[Compare, Compare]:
    return ops.missing(at.ready, prefix=True), ops.missing(at.shut, prefix=True)


def handed(at: QueuePlaces, worker: str, note: KeyValue) -> tuple[bytes, KeyValue]:
    """Return what a note tells of: the slot's number, and the claimed key as the store made it."""
    key = at.held_by(worker) + note.key.removeprefix(at.handed_to(worker))
    number, value = note.value[:NUMBER_BYTES], note.value[NUMBER_BYTES:]
    revision = note.create_revision
    return number, KeyValue(key, value, revision, revision, 1, note.lease, claims=1)


def note_of(at: QueuePlaces, worker: str, claimed: bytes) -> bytes:
    """Return the key of the note that tells of a claimed key; only jobs handed over have one."""
    return at.handed_to(worker) + claimed.removeprefix(at.held_by(worker))
