"""What the steward finds under ``due/``: a time, what is to be done then, and to which job.

The kind is part of the key: a job may have several things to be done at one time.
"""

from enum import Enum

from attrs import frozen

from coord.client import ops
from coord.errors import CoordError
from coord.model import KeyValue
from coord.requests import DeleteRange, Put
from workers.model.ids import JobId
from workers.model.places import Places
from workers.steps.move import Move


class DueKind(Enum):
    """What to do when the time has come."""

    RUN = "run"  #: a job that waits under later/
    EXPIRE = "expire"  #: a job that was not started in time
    FORGET_UNIQUE = "forget"  #: a unique key whose window has passed


@frozen
class Due:
    """One entry.

    Attributes:
        key: where it stands.
        mod_revision: of it, as read.
        unix_ms: when.
        kind: what to do then.
        job: to which job.
        unique: the hash of the unique key to forget; it must outlive the job.
    """

    key: bytes
    mod_revision: int
    unix_ms: int
    kind: DueKind
    job: JobId
    unique: str = ""


def due_put(places: Places, unix_ms: int, job: JobId, kind: DueKind) -> Put:
    """Return the operation that makes an entry for a job whose id is known."""
    return ops.put(_key(places, unix_ms, kind, str(job).encode()))


def due_put_beside(
    places: Places, unix_ms: int, stem: bytes, kind: DueKind, unique: str = ""
) -> Put:
    """Return the operation that makes one for the job just enqueued in this transaction.

    Args:
        places: of the space.
        unix_ms: when.
        stem: the job's id up to its digits: queue, colon, rank.
        kind: what to do then.
        unique: the hash to forget.
    """
    return ops.put(_key(places, unix_ms, kind, stem), unique, same_sequence=True)


def due_delete(places: Places, unix_ms: int, job: JobId, kind: DueKind) -> DeleteRange:
    """Return the operation that takes an entry back."""
    return ops.delete(_key(places, unix_ms, kind, str(job).encode()))


def drop_due(places: Places, due: Due, *, stale: bool = False) -> Move:
    """Return the step that drops an entry whose job needs it no more: it runs, or has ended.

    Args:
        places: of the space.
        due: the entry.
        stale: drop it wherever its job stands.
    """
    at, item = places.queue(due.job.queue), due.job.item.encode()
    compare = [ops.modified(due.key, "==", due.mod_revision)]
    if (
        due.kind is DueKind.EXPIRE and not stale
    ):  # the others' entries are written anew whenever needed again
        compare += [ops.missing(place + item) for place in (at.later, at.parked, at.ready)]
    return Move(tuple(compare), (ops.delete(due.key),))


def forget_unique(places: Places, due: Due) -> Move:
    """Return the step that frees a unique key whose window has passed."""
    standing = places.unique(due.unique) + str(due.job).encode()
    return Move(
        (ops.modified(due.key, "==", due.mod_revision),),
        (ops.delete(due.key), ops.delete(standing)),
    )


def due_unix_ms(places: Places, key: bytes) -> int:
    """Return the time an entry's key names.

    Raises:
        ValueError: it is none.
    """
    return int(key[len(places.due) : len(places.due) + 16], 16)


def read_due(places: Places, kv: KeyValue) -> Due:
    """Return what an entry says.

    Raises:
        ValueError: it is none.
    """
    digits, kind, job = kv.key.removeprefix(places.due).decode().split("/")
    try:
        job_id = JobId.parse(job)
    except CoordError as error:
        raise ValueError(str(error)) from None
    return Due(kv.key, kv.mod_revision, int(digits, 16), DueKind(kind), job_id, kv.value.decode())


def _key(places: Places, unix_ms: int, kind: DueKind, job: bytes) -> bytes:
    return places.due_at(unix_ms) + kind.value.encode() + b"/" + job
