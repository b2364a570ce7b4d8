"""What may be said of jobs: values of their types, within bounds; or an error that says so.

What is kept is decoded strictly wherever it is read. A fraction where a whole number belongs, or a
word that is none of an enum's, must therefore be refused where it is given: once kept, it would be
nothing to anybody.
"""

import math
from operator import attrgetter, le

import msgspec

from coord.errors import ErrorCode, error_from
from workers.model.job import Backoff, Job
from workers.model.names import check_group, check_name

YEAR_MS = 366 * 86_400_000
TIME_MS_MAX = 10 * YEAR_MS  # of what a job waits for, or is kept
UNIX_MS_MAX = 253_402_300_799_000  # the end of the year 9999
ATTEMPTS_MAX = 1_000_000
JOB_LIMITS_MAX = 100  # each costs operations in one transaction
TAGS_MAX = 1_000

_BOUNDS = {
    "created_unix_ms": (0, UNIX_MS_MAX),
    "due_unix_ms": (0, UNIX_MS_MAX),
    "expires_unix_ms": (0, UNIX_MS_MAX),
    "unique_until_unix_ms": (0, UNIX_MS_MAX),
    "attempts_max": (1, ATTEMPTS_MAX),
    "soft_limit_ms": (0, TIME_MS_MAX),
    "hard_limit_ms": (0, TIME_MS_MAX),
    "result_ttl_ms": (0, TIME_MS_MAX),
    "tries": (0, UNIX_MS_MAX),
    "snoozes": (0, UNIX_MS_MAX),
}
_numbers = attrgetter(*_BOUNDS)
_LOWEST = tuple(least for least, _ in _BOUNDS.values())
_HIGHEST = tuple(most for _, most in _BOUNDS.values())
_INT = {int}
_DEFAULT_BACKOFF = Backoff()


def check_whole(name: str, number: object, least: int, most: int) -> None:
    """Check a number.

    Raises:
        Misuse: it is no whole number from `least` to `most`.
    """
    if type(number) is not int or not least <= number <= most:
        detail = f"{name} {number!r:.100}: a whole number from {least} to {most}"
        raise error_from(ErrorCode.INVALID_OPTION, detail)


def check_types(what: str, value: msgspec.Struct) -> None:
    """Check that all of a value is of the types it declares, however deep.

    Raises:
        Misuse: something is not; says where in it.
    """
    try:
        msgspec.convert(msgspec.to_builtins(value), type(value))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise error_from(ErrorCode.INVALID_OPTION, f"{what} cannot be kept: {error}") from None


def check_backoff(backoff: object) -> None:
    """Check the waits between attempts.

    Raises:
        Misuse: one is no number, or out of bounds.
    """
    if backoff is _DEFAULT_BACKOFF:
        return
    if not isinstance(backoff, Backoff):
        detail = f"backoff {backoff!r:.100}: a Backoff"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    check_whole("backoff.base_ms", backoff.base_ms, 0, TIME_MS_MAX)
    check_whole("backoff.max_ms", backoff.max_ms, 0, TIME_MS_MAX)
    for name, most in (("factor", 1e6), ("jitter", 1.0)):
        number = getattr(backoff, name)
        if type(number) not in (int, float) or not 0 <= number <= most or not math.isfinite(number):
            detail = f"backoff.{name} {number!r:.100}: a number from 0 to {most:g}"
            raise error_from(ErrorCode.INVALID_OPTION, detail)


def check_names(what: str, names: object, most: int) -> None:
    """Check a tuple of texts.

    Raises:
        Misuse: it is none, or there are too many.
    """
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        raise error_from(ErrorCode.INVALID_OPTION, f"{what} {names!r:.100}: a tuple of str")
    if len(names) > most:
        raise error_from(ErrorCode.INVALID_OPTION, f"{len(names)} {what}; {most} are allowed")


def check_job(job: Job, own_limit: str = "") -> None:
    """Check all of a job but whether it can be encoded.

    Args:
        job: to check.
        own_limit: a limit whose name is no person's to give.

    Raises:
        Misuse: names what is wrong and what is allowed.
    """
    numbers = _numbers(job)
    # Asked of every job that is enqueued: found fast that all is well, and slowly what is not.
    is_within = (
        set(map(type, numbers)) == _INT
        and all(map(le, _LOWEST, numbers))
        and all(map(le, numbers, _HIGHEST))
    )
    if not is_within:
        for name, (least, most) in _BOUNDS.items():
            check_whole(f"job.{name}", getattr(job, name), least, most)
    check_backoff(job.backoff)
    if job.unique:
        check_name("unique key", job.unique)
    check_group(job.group)
    check_names("tags", job.tags, TAGS_MAX)
    check_names("limits", job.limits, JOB_LIMITS_MAX)
    for limit in job.limits:
        if limit != own_limit:
            check_name("limit", limit)
    if not job.name:
        raise error_from(ErrorCode.INVALID_OPTION, "a job needs the name of its function")
    if set(map(type, (job.name, *job.args))) != {str}:
        raise error_from(ErrorCode.INVALID_OPTION, "a job's name and its arguments' names are str")
