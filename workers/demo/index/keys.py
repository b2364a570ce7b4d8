"""Where the index build keeps what in the store, and what stands there."""

import msgspec

ROOT = b"demo/index/"
QUEUE = ROOT + b"parse/"
OFFICE = ROOT + b"builder/"
GATE = ROOT + b"gates/merge"
PROGRESS = ROOT + b"progress/"
PLAN = ROOT + b"plan"
PUBLISHED = ROOT + b"published"
MEMBERS = ROOT + b"members/"
RECEIVED = ROOT + b"received/"


class Plan(msgspec.Struct, frozen=True):
    """What is to be indexed, written once, together with the jobs."""

    corpus: str
    files: int
    batches: int
    by: str


class Partial(msgspec.Struct, frozen=True):
    """The result of one parse job: a file in the shared directory, and what is in it."""

    batch: int
    path: str
    files: int
    occurrences: int
    digest: str


class Published(msgspec.Struct, frozen=True):
    """The finished index. `generation` is the fencing token of the builder that made it."""

    path: str
    files: int
    terms: int
    occurrences: int
    digest: str
    generation: int
    by: str


class Member(msgspec.Struct, frozen=True):
    """A living worker process, under its session's lease."""

    pid: int


class Received(msgspec.Struct, frozen=True):
    """What a worker says once it has fetched the index and looked at its digest."""

    path: str
    digest: str
    verified: bool
    completed: int
    stale: int
