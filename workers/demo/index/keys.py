"""Where the index build keeps what in the store, and what stands there.

Jobs, pipelines and schedules stand under the same root, see `workers.model.places`.
"""

import msgspec

ROOT = b"demo/index/"
OFFICE = ROOT + b"builder/"
PUBLISHED = ROOT + b"published"
MEMBERS = ROOT + b"members/"
RECEIVED = ROOT + b"received/"

QUEUE = "index"
BUILD_QUEUE = "build"
"""Only the elected builder takes jobs from it."""
SCHEDULE = "nightly-index"


class Root(msgspec.Struct, frozen=True):
    """A folder to index: where it is, which files count, and what stands before their names."""

    path: str
    pattern: str
    name: str = ""


class Batch(msgspec.Struct, frozen=True):
    """Some files of one root; `number` is the batch's place in the index of a `build`."""

    build: str
    number: int
    root: Root
    files: list[str]


class Partial(msgspec.Struct, frozen=True):
    """The result of one parse job: a file in the shared directory, and what is in it."""

    number: int
    path: str
    files: int
    occurrences: int
    digest: str


class Published(msgspec.Struct, frozen=True):
    """A finished index; `build` is the pipeline that made it, later ones sort behind it."""

    build: str
    path: str
    files: int
    terms: int
    occurrences: int
    digest: str


class Member(msgspec.Struct, frozen=True):
    """A living worker process, under its session's lease."""

    pid: int


class Received(msgspec.Struct, frozen=True):
    """What a worker says once it has fetched an index and looked at its digest."""

    build: str
    path: str
    digest: str
    verified: bool
    done: int
    stale: int
