"""What a job is: a job function's name, its arguments, how to treat it, and what was tried so far.

All of it travels in the value of one key; the job's state is the place that key stands in. Values
are JSON, or msgpack for those who carry bytes; the first byte tells which.
"""

import math

import msgspec

from coord.errors import ErrorCode, error_from
from coord.limits import VALUE_BYTES_MAX
from recipes.decoding import UNREADABLE

HISTORY_MAX = 10  # attempts told in full; older ones are only counted
DAY_MS = 86_400_000


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True):
    """How long to wait before attempt n + 1: base * factor ** (n - 1), at most `max_ms`.

    `jitter` is the share of the wait that is drawn by lot: 0.2 gives 80 % to 100 % of it.
    """

    base_ms: int = 1_000
    factor: float = 2.0
    max_ms: int = 600_000
    jitter: float = 0.2


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One try that came to nothing: where, when, why, and the end of what it logged."""

    number: int
    cause: str
    worker: str = ""
    started_unix_ms: int = 0
    ended_unix_ms: int = 0
    log: str = ""


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """One job, as enqueued, and what was tried so far.

    Attributes:
        name: of the job function.
        args: by keyword; positional ones are named by the function's signature.
        tags: for whoever looks.
        created_unix_ms: when it was enqueued, by the enqueuer's clock.
        due_unix_ms: not to be started before; 0 for at once.
        expires_unix_ms: not to be started for the first time after; 0 for never.
        attempts_max: attempts before it is dead.
        backoff: waits between them.
        soft_limit_ms: an attempt is asked to end after so long; 0 for never.
        hard_limit_ms: an attempt is killed after so long; 0 for never.
        result_ttl_ms: how long its ending is kept; 0 for not at all.
        unique: hash of its unique key; "" for none.
        unique_until_unix_ms: the key stands until then; 0 for until the job has ended.
        limits: names of the limits it is under.
        group: the group it belongs to (a pipeline's stage); "" for none.
        feeds: later stages of its pipeline to which it may add jobs.
        tries: attempts recorded here; those lost with a worker are counted by the store (claims).
        snoozes: how often it put itself off.
        history: the last attempts that came to nothing, oldest first.
    """

    name: str
    args: dict[str, object] = {}
    tags: tuple[str, ...] = ()
    created_unix_ms: int = 0
    due_unix_ms: int = 0
    expires_unix_ms: int = 0
    attempts_max: int = 5
    backoff: Backoff = Backoff()
    soft_limit_ms: int = 0
    hard_limit_ms: int = 0
    result_ttl_ms: int = DAY_MS
    unique: str = ""
    unique_until_unix_ms: int = 0
    limits: tuple[str, ...] = ()
    group: str = ""
    feeds: tuple[str, ...] = ()
    tries: int = 0
    snoozes: int = 0
    history: tuple[Attempt, ...] = ()

    @property
    def was_started(self) -> bool:
        """Whether it came back from a worker, to be tried again or later: it expires no more."""
        return self.tries > 0 or self.snoozes > 0

    def with_attempt(self, attempt: Attempt) -> "Job":
        """Return the job with one more attempt on record."""
        history = (*self.history, attempt)[-HISTORY_MAX:]
        return msgspec.structs.replace(self, tries=attempt.number, history=history)


_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()
_from_json = msgspec.json.Decoder(Job)
_from_msgpack = msgspec.msgpack.Decoder(Job)


def encode_job(job: Job) -> bytes:
    """Return a job as it is kept.

    Raises:
        Misuse: an argument is nothing JSON or msgpack can say, or all together is too large.
    """
    try:
        value = _json.encode(job) if is_json(job.args) else _msgpack.encode(job)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise error_from(
            ErrorCode.INVALID_OPTION, f"arguments of job {job.name!r} cannot be kept: {error}"
        ) from None
    if len(value) > VALUE_BYTES_MAX:
        detail = f"job {job.name!r} takes {len(value)} bytes; {VALUE_BYTES_MAX} are allowed"
        raise error_from(ErrorCode.VALUE_TOO_LARGE, detail)
    return value


def decode_job(value: bytes) -> Job | None:
    """Return the job a value stands for, or None where it is none."""
    try:
        return (_from_json if value[:1] == b"{" else _from_msgpack).decode(value)
    except UNREADABLE:
        return None


def is_json(found: object) -> bool:
    """Tell whether JSON brings this back as it is; msgpack does so for bytes, nan, infinities."""
    if isinstance(found, float):
        return math.isfinite(found)
    if isinstance(found, dict):
        return all(isinstance(key, str) and is_json(value) for key, value in found.items())
    if isinstance(found, list | tuple):
        return all(map(is_json, found))
    return not isinstance(found, bytes | bytearray | memoryview)
