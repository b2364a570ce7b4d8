"""What the steward finds under ``due/``: a time, a job, and what is to be done then."""

from enum import Enum

from attrs import frozen

from coord.client import ops
from coord.requests import DeleteRange, Put
from workers.model.ids import JobId
from workers.model.places import Places


class DueKind(Enum):
    """What to do when the time has come."""

    RUN = "run"  #: a job that waits under later/
    EXPIRE = "expire"  #: a job that was not started in time
    FORGET_UNIQUE = "forget unique"  #: a unique key whose window has passed


@frozen
class Due:
    """One entry; `key` is where it stands."""

    key: bytes
    unix_ms: int
    job: JobId
    kind: DueKind


def due_put(places: Places, unix_ms: int, job: JobId, kind: DueKind) -> Put:
    """Return the operation that makes an entry for a job whose id is known."""
    return ops.put(places.due_at(unix_ms) + str(job).encode(), kind.value)


def due_put_beside(places: Places, unix_ms: int, stem: bytes, kind: DueKind) -> Put:
    """Return the operation that makes one for the job just enqueued in this transaction.

    Args:
        places: of the space.
        unix_ms: when.
        stem: the job's id up to its digits: queue, colon, rank.
        kind: what to do then.
    """
    return ops.put(places.due_at(unix_ms) + stem, kind.value, same_sequence=True)


def due_delete(places: Places, unix_ms: int, job: JobId) -> DeleteRange:
    """Return the operation that takes an entry back."""
    return ops.delete(places.due_at(unix_ms) + str(job).encode())


def read_due(places: Places, key: bytes, value: bytes) -> Due:
    """Return what an entry says.

    Raises:
        ValueError: it is none.
    """
    digits, slash, job = key.removeprefix(places.due).partition(b"/")
    if not slash:
        raise ValueError(f"{key!r} is no entry of what is due")
    return Due(key, int(digits, 16), JobId.parse(job.decode()), DueKind(value.decode()))
