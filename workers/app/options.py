"""How a job is treated: everything that can be said where it is declared, or for one call."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, TypedDict, get_args

import attrs

from coord.errors import ErrorCode, Misuse, error_from
from workers.model.checks import (
    ATTEMPTS_MAX,
    JOB_LIMITS_MAX,
    TAGS_MAX,
    TIME_MS_MAX,
    UNIX_MS_MAX,
    check_backoff,
    check_names,
    check_whole,
)
from workers.model.ids import PRIORITY_DEFAULT, rank
from workers.model.job import DAY_MS, Backoff
from workers.model.names import check_group, check_name
from workers.store.new import WhenTaken

ARGS = "args"
Scope = Literal["job", "queue", "space"]


def _policy(value: WhenTaken | str) -> WhenTaken:
    try:
        return WhenTaken(value)
    except ValueError:
        allowed = ", ".join(policy.value for policy in WhenTaken)
        raise Misuse(f"policy {value!r:.100}; {allowed}", ErrorCode.INVALID_OPTION) from None


@attrs.frozen(kw_only=True)
class Unique:
    """Of jobs with the same key, only one at a time; and within a window, if there is one.

    Attributes:
        key: "args" for all arguments; a template of them, "{user}"; or a function that gets them
            by name, in plain form, and returns the key.
        window_ms: the key stands for so long from the enqueuing on, even when the job has ended; 0
            for until it has ended.
        policy: what becomes of the next one: "reject", "keep" the first, or "replace" it while
            it waits.
        scope: jobs of the same name, of the same queue, or all of the space.
    """

    key: str | Callable[..., str] = ARGS
    window_ms: int = 0
    policy: WhenTaken = attrs.field(default=WhenTaken.REJECT, converter=_policy)
    scope: Scope = "job"

    def __attrs_post_init__(self) -> None:
        check_whole("window_ms", self.window_ms, 0, TIME_MS_MAX)
        if self.scope not in get_args(Scope):
            allowed = ", ".join(get_args(Scope))
            raise Misuse(f"scope {self.scope!r:.100}; {allowed}", ErrorCode.INVALID_OPTION)
        if not isinstance(self.key, str) and not callable(self.key):
            raise Misuse(f"key {self.key!r:.100}; a str or a function", ErrorCode.INVALID_OPTION)


class OptionChanges(TypedDict, total=False):
    """The names of JobOptions, each of which may be left out."""

    queue: str
    priority: int
    attempts_max: int
    backoff: Backoff
    soft_limit_ms: int
    hard_limit_ms: int
    result_ttl_ms: int
    expires_after_ms: int
    unique: Unique | None
    limits: tuple[str, ...]
    tags: tuple[str, ...]
    delay_ms: int
    at: datetime | None
    group: str


def _names(value: tuple[str, ...] | list[str] | str) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, str) else value


@attrs.frozen(kw_only=True)
class JobOptions:
    """How jobs are treated.

    Attributes:
        queue: where they wait.
        priority: 0 to 9, higher runs sooner.
        attempts_max: attempts before a job is dead; at least 1.
        backoff: the waits between them.
        soft_limit_ms: an attempt is asked to end after so long; 0 for never.
        hard_limit_ms: it is killed after so long; 0 for never.
        result_ttl_ms: how long the ending is kept; 0 for not at all.
        expires_after_ms: not to be started later than this after the enqueuing; 0 for never.
        unique: its unique key.
        limits: names of limits, or templates of arguments: "tenant.{tenant}".
        tags: for whoever looks.
        delay_ms: not to be started before so long after the enqueuing.
        at: not to be started before; with its zone.
        group: the group it belongs to.
    """

    queue: str = "default"
    priority: int = PRIORITY_DEFAULT
    attempts_max: int = 5
    backoff: Backoff = attrs.field(factory=Backoff)
    soft_limit_ms: int = 0
    hard_limit_ms: int = 0
    result_ttl_ms: int = DAY_MS
    expires_after_ms: int = 0
    unique: Unique | None = None
    limits: tuple[str, ...] = attrs.field(default=(), converter=_names)
    tags: tuple[str, ...] = attrs.field(default=(), converter=_names)
    delay_ms: int = 0
    at: datetime | None = None
    group: str = ""

    def __attrs_post_init__(self) -> None:
        check_name("queue", self.queue)
        check_group(self.group)
        rank(self.priority)
        for name in _TIMES:
            check_whole(name, getattr(self, name), 0, TIME_MS_MAX)
        check_whole("attempts_max", self.attempts_max, 1, ATTEMPTS_MAX)
        check_backoff(self.backoff)
        check_names("tags", self.tags, TAGS_MAX)
        check_names("limits", self.limits, JOB_LIMITS_MAX)
        if self.unique is not None and not isinstance(self.unique, Unique):
            raise Misuse(f"unique {self.unique!r:.100}; a Unique or None", ErrorCode.INVALID_OPTION)
        if self.at is not None and not isinstance(self.at, datetime):
            raise Misuse(f"at {self.at!r:.100}; a datetime", ErrorCode.INVALID_OPTION)
        if self.hard_limit_ms and self.soft_limit_ms > self.hard_limit_ms:
            raise Misuse("soft_limit_ms is beyond hard_limit_ms", ErrorCode.INVALID_OPTION)
        if self.at is not None and self.delay_ms:
            raise Misuse("delay_ms and at exclude another", ErrorCode.INVALID_OPTION)
        if self.at is not None and self.at.tzinfo is None:
            raise Misuse(f"at {self.at}: say in which time zone", ErrorCode.INVALID_OPTION)
        if self.at is not None and self.at.timestamp() * 1000 > UNIX_MS_MAX:
            raise Misuse(f"at {self.at}: at most the year 9999, in UTC", ErrorCode.INVALID_OPTION)

    def changed(self, changes: OptionChanges) -> "JobOptions":
        """Return these options with some of them changed.

        Raises:
            Misuse: there is no such option, or its value is none.
        """
        known = attrs.fields_dict(JobOptions)
        for name in changes:
            if name not in known:
                detail = f"no option {name!r}; there are {', '.join(known)}"
                raise error_from(ErrorCode.INVALID_OPTION, detail)
        return attrs.evolve(self, **changes)


_TIMES = (
    "soft_limit_ms", "hard_limit_ms", "result_ttl_ms", "expires_after_ms", "delay_ms",
)  # fmt: skip
