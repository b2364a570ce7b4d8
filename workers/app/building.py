"""From a checked call to the job that is enqueued: times, limits and the unique key made concrete.

Pure: time is passed in.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from coord.errors import ErrorCode, error_from
from workers.app.options import ARGS, JobOptions, Unique
from workers.errors import BadArguments
from workers.model.job import Job
from workers.model.names import check_name
from workers.store.new import NewJob, WhenTaken

HASH_CHARS = 32
_encoder = msgspec.json.Encoder(order="deterministic")


def new_job(name: str, options: JobOptions, args: dict[str, object], now_unix_ms: int) -> NewJob:
    """Return what is enqueued.

    Args:
        name: of the job function.
        options: how it is treated.
        args: checked, in plain form.
        now_unix_ms: from which delays and windows count.

    Raises:
        BadArguments: a template names an argument that was not given.
        Misuse: what a template gives for a limit cannot be a name; or it would have expired before
            it is due.
    """
    unique = options.unique
    job = Job(
        name,
        args,
        options.tags,
        created_unix_ms=now_unix_ms,
        due_unix_ms=_due(options, now_unix_ms),
        expires_unix_ms=_after(now_unix_ms, options.expires_after_ms),
        attempts_max=options.attempts_max,
        backoff=options.backoff,
        soft_limit_ms=options.soft_limit_ms,
        hard_limit_ms=options.hard_limit_ms,
        result_ttl_ms=options.result_ttl_ms,
        unique=_unique_hash(name, options.queue, unique, args) if unique else "",
        unique_until_unix_ms=_after(now_unix_ms, unique.window_ms) if unique else 0,
        limits=_limits(name, options.limits, args),
        group=options.group,
    )
    if 0 < job.expires_unix_ms <= job.due_unix_ms:
        early_ms = job.due_unix_ms - job.expires_unix_ms
        detail = f"job {name}: it expires {early_ms} ms before it is due, so it could never run"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    policy = unique.policy if unique else WhenTaken.REJECT
    return NewJob(options.queue, job, options.priority, policy)


def _due(options: JobOptions, now_unix_ms: int) -> int:
    if options.at is not None:
        return max(0, round(options.at.timestamp() * 1000))
    return _after(now_unix_ms, options.delay_ms)


def _after(now_unix_ms: int, span_ms: int) -> int:
    return now_unix_ms + span_ms if span_ms else 0


def _limits(name: str, limits: tuple[str, ...], args: Mapping[str, object]) -> tuple[str, ...]:
    named = (check_name("limit", _filled(name, limit, args)) for limit in limits)
    return tuple(dict.fromkeys(named))


def _unique_hash(name: str, queue: str, unique: Unique, args: Mapping[str, object]) -> str:
    if callable(unique.key):
        key = str(unique.key(**args)).encode()
    elif unique.key == ARGS:
        key = _encoder.encode(args)
    else:
        key = _filled(name, unique.key, args).encode()
    within = {"job": name, "queue": queue, "space": ""}[unique.scope]
    scoped = f"{unique.scope}:{within}".encode() + b"\0" + key
    return hashlib.sha256(scoped).hexdigest()[:HASH_CHARS]


def _filled(name: str, template: str, args: Mapping[str, object]) -> str:
    if "{" not in template:
        return template
    try:
        return template.format_map(args)
    except (KeyError, IndexError, AttributeError, ValueError, TypeError) as error:
        raise BadArguments(f"{name}: {template!r} cannot be filled in: {error!r}") from None
