"""What something waits for, as values that are kept in the store, and whether they hold.

Leaves speak of queues, jobs, signals and times, inside a pipeline of its stages too; Any and All
combine them. Evaluation is pure: what a leaf finds is asked of the caller, so the same tree serves
to decide, to explain, and to tell when a clock alone can change the answer.
"""

import datetime
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import msgspec

from coord.errors import ErrorCode, error_from
from workers.model.checks import UNIX_MS_MAX
from workers.model.ids import JobId
from workers.model.names import check_name

PARTS_MAX = 100  # leaves of one condition
DEPTH_MAX = 8
QueuePlace = Literal["ready", "held", "later", "parked", "dead", "done"]


class Ended(msgspec.Struct, frozen=True, tag="ended", forbid_unknown_fields=True):
    """A stage of this pipeline has ended well."""

    stage: str


class Size(msgspec.Struct, frozen=True, tag="size", forbid_unknown_fields=True):
    """At least so many jobs of a stage of this pipeline have ended; with `well`, ended well."""

    stage: str
    at_least: int
    well: bool = False


class QueueSize(msgspec.Struct, frozen=True, tag="queue", forbid_unknown_fields=True):
    """At least so many jobs of a queue stand in a place."""

    queue: str
    at_least: int
    place: QueuePlace = "ready"


class JobThere(msgspec.Struct, frozen=True, tag="job", forbid_unknown_fields=True):
    """A job is in its queue, running or waiting; with `ended`, it has ended and is kept."""

    job: str
    ended: bool = False


class Signal(msgspec.Struct, frozen=True, tag="signal", forbid_unknown_fields=True):
    """Somebody gave the signal of this name."""

    name: str


class Time(msgspec.Struct, frozen=True, tag="time", forbid_unknown_fields=True):
    """That time has come, by the clock of who evaluates."""

    at_unix_ms: int


class AnyOf(msgspec.Struct, frozen=True, tag="any", forbid_unknown_fields=True):
    """At least one of these holds."""

    of: "tuple[Condition, ...]"


class AllOf(msgspec.Struct, frozen=True, tag="all", forbid_unknown_fields=True):
    """All of these hold."""

    of: "tuple[Condition, ...]"


Leaf: TypeAlias = Ended | Size | QueueSize | JobThere | Signal | Time
Condition: TypeAlias = Leaf | AnyOf | AllOf


class Look(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found of one leaf.

    Attributes:
        value: how far it is, in the leaf's own unit.
        target: how far it has to be.
        since_unix_ms: since when it holds; 0 where that is not known or it does not.
        by: who made it hold, and with what message.
    """

    value: int
    target: int
    since_unix_ms: int = 0
    by: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is far enough."""
        return self.value >= self.target


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a condition holds, and why: the same tree as the condition's."""

    condition: str
    holds: bool
    value: int
    target: int
    since_unix_ms: int = 0
    by: str = ""
    parts: "tuple[Verdict, ...]" = ()

    def lines(self, indent: int = 0) -> Iterator[str]:
        """Yield it in words, a line to a condition."""
        mark = "yes" if self.holds else "no "
        by = f" ({self.by})" if self.by else ""
        since = f", since {time_text(self.since_unix_ms)}" if self.since_unix_ms else ""
        count = "" if self.target <= 1 and not self.parts else f": {self.value} of {self.target}"
        yield f"{'  ' * indent}{mark} {self.condition}{count}{since}{by}"
        for part in self.parts:
            yield from part.lines(indent + 1)

    def evidence(self) -> tuple[str, ...]:
        """Return what made it hold, leaf by leaf."""
        if not self.parts:
            return (self.condition + (f" ({self.by})" if self.by else ""),) if self.holds else ()
        return tuple(text for part in self.parts for text in part.evidence())


def evaluate(condition: Condition, look: Callable[[Leaf], Look]) -> Verdict:
    """Tell whether a condition holds.

    Args:
        condition: checked by `check`.
        look: tells what there is of a leaf.
    """
    if not isinstance(condition, AnyOf | AllOf):
        found = look(condition)
        return Verdict(
            words(condition), found.holds, found.value, found.target, found.since_unix_ms, found.by
        )
    parts = tuple(evaluate(part, look) for part in condition.of)
    holding = [part for part in parts if part.holds]
    target = len(parts) if isinstance(condition, AllOf) else 1
    since = sorted(part.since_unix_ms for part in holding)
    holds = len(holding) >= target
    return Verdict(
        words(condition),
        holds,
        len(holding),
        target,
        since[target - 1] if holds and since else 0,
        parts=parts,
    )


def words(condition: Condition) -> str:
    """Return what a condition asks for, in words."""
    match condition:
        case Ended(stage):
            return f"stage {stage} has ended well"
        case Size(stage, at_least, well):
            return f"at least {at_least} jobs of stage {stage} ended{' well' if well else ''}"
        case QueueSize(queue, at_least, place):
            return f"at least {at_least} jobs {place} in queue {queue}"
        case JobThere(job, ended):
            return f"job {job} {'has ended' if ended else 'is there'}"
        case Signal(name):
            return f"signal {name} was given"
        case Time(at_unix_ms):
            return f"it is {time_text(at_unix_ms)}"
        case AnyOf():
            return "any of"
        case AllOf():
            return "all of"


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Yield a condition's leaves."""
    if isinstance(condition, AnyOf | AllOf):
        for part in condition.of:
            yield from leaves(part)
    else:
        yield condition


def signal_names_of(condition: Condition | None) -> list[str]:
    """Return the signals a condition waits for, each once; none for no condition."""
    if condition is None:
        return []
    found = [leaf.name for leaf in leaves(condition) if isinstance(leaf, Signal)]
    return list(dict.fromkeys(found))


def next_time(condition: Condition, now_unix_ms: int) -> int | None:
    """Return the soonest time after now at which a clock alone may change the answer."""
    times = [leaf.at_unix_ms for leaf in leaves(condition) if isinstance(leaf, Time)]
    return min((time for time in times if time > now_unix_ms), default=None)


def check(what: str, condition: Condition, allowed: tuple[type, ...]) -> None:
    """Refuse a condition that can never hold, or says nothing.

    Args:
        what: whose it is, for the error: "gate nightly".
        condition: to check.
        allowed: kinds of leaves that have a meaning here.

    Raises:
        Misuse: names what is wrong and what is allowed.
    """
    _check_shape(what, condition, 1)
    found = list(leaves(condition))
    if len(found) > PARTS_MAX:
        raise _wrong(what, f"{len(found)} conditions; {PARTS_MAX} are allowed")
    for leaf in found:
        if not isinstance(leaf, allowed):
            raise _wrong(what, f"{words(leaf)!r} has no meaning here")
        _check_leaf(what, leaf)


def _check_shape(what: str, condition: Condition, depth: int) -> None:
    if not isinstance(condition, AnyOf | AllOf):
        return
    if not condition.of:
        raise _wrong(what, f"{words(condition)!r} of nothing")
    if depth > DEPTH_MAX:
        raise _wrong(what, f"nested deeper than {DEPTH_MAX}")
    for part in condition.of:
        _check_shape(what, part, depth + 1)


def _check_leaf(what: str, leaf: Leaf) -> None:
    match leaf:
        case Size(at_least=at_least) | QueueSize(at_least=at_least) if at_least < 1:
            raise _wrong(what, f"{words(leaf)!r} asks for nothing; at least 1 is")
        case QueueSize(queue=queue):
            check_name("queue", queue)
        case Signal(name):
            check_name("signal", name)
        case JobThere(job=job):
            JobId.parse(job)
        case Time(at_unix_ms) if not 1 <= at_unix_ms <= UNIX_MS_MAX:
            raise _wrong(what, f"time {at_unix_ms}; unix milliseconds, 1 to {UNIX_MS_MAX}")


def _wrong(what: str, detail: str) -> Exception:
    return error_from(ErrorCode.INVALID_OPTION, f"{what}: {detail}")


def time_text(unix_ms: int) -> str:
    """Return a time for people, in UTC."""
    try:
        at = datetime.datetime.fromtimestamp(unix_ms / 1000, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return f"unix time {unix_ms} ms"
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
