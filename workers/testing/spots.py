"""Which job a key of the job framework is about, and what it says of it by where it stands."""

from enum import Enum

from attrs import frozen

from coord.errors import Misuse
from workers.model.ids import JobId
from workers.model.places import Places


class Kind(Enum):
    """What kinds of keys there are about a job."""

    READY = "ready"
    HELD = "held"
    LATER = "later"
    PARKED = "parked"
    DONE = "done"
    DEAD = "dead"
    DUE_RUN = "due/run"
    DUE_EXPIRE = "due/expire"
    DUE_FORGET = "due/forget"
    CANCEL = "cancel"
    UNIQUE = "unique"
    WAITING = "waiting"
    ADMITTED = "admitted"
    GROUP_OPEN = "group/open"
    GROUP_ENDED = "group/ended"
    KEPT = "group/kept"


_INDEX = frozenset(
    {
        Kind.DUE_RUN, Kind.DUE_EXPIRE, Kind.DUE_FORGET, Kind.CANCEL, Kind.UNIQUE, Kind.WAITING,
        Kind.ADMITTED, Kind.GROUP_OPEN,
    }
)  # fmt: skip


@frozen
class Spot:
    """One key about a job.

    Attributes:
        kind: what it is.
        job: whom it is about.
        of: the worker, the time in unix milliseconds, the hash, the limit or the group in it.
    """

    kind: Kind
    job: JobId
    of: str = ""

    @property
    def is_index(self) -> bool:
        """Whether it has to go once the job is over."""
        return self.kind in _INDEX


def spot_of(places: Places, key: bytes) -> Spot | None:
    """Return what a key is; None where it is about no job."""
    parts = key.removeprefix(places.space).decode(errors="replace").split("/")
    try:
        match parts:
            case ["queue", queue, "held", worker, item]:
                return Spot(Kind.HELD, _job(queue, item), worker)
            case ["queue", queue, "ready" | "later" | "parked" | "done" | "dead" as place, item]:
                return Spot(Kind(place), _job(queue, item))
            case ["due", digits, kind, job]:
                return Spot(Kind(f"due/{kind}"), JobId.parse(job), str(int(digits, 16)))
            case ["cancel", job]:
                return Spot(Kind.CANCEL, JobId.parse(job))
            case ["unique", unique, job]:
                return Spot(Kind.UNIQUE, JobId.parse(job), unique)
            case ["limit", limit, "waiting" | "admitted" as kind, job]:
                return Spot(Kind(kind), JobId.parse(job), limit)
            case ["group", group, "open" | "ended" | "kept" as kind, job]:
                return Spot(Kind(f"group/{kind}"), JobId.parse(job), group)
    except (Misuse, ValueError):
        return None
    return None


def _job(queue: str, item: str) -> JobId:
    return JobId.parse(f"{queue}:{item}")
