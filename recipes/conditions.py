"""Conditions: what a gate waits for, as values, and what they come to. Pure: no store, no clock.

A condition that was met stays met, for as long as the gate it belongs to counts from the same
moment; so it does not matter in which order, or how far apart, the parts of `AllOf` come true, and
everybody who knows when each part was met knows the revision at which the whole was.

Conditions travel as JSON: {"type":"all","of":[{"type":"size","items":"a/","target":3},...]}.
"""

from collections.abc import Iterator, Mapping

import msgspec

from coord.client import ops
from coord.errors import CoordError, ErrorCode
from recipes.errors import NeverOpens

TARGET_MAX = 100_000_000  # keys; more than fit into any member's memory
DEPTH_MAX = 8
LEAVES_MAX = 64  # each is watched while somebody waits
PRESENT_MAX = 4  # each is a transaction nested in every claim


class Size(msgspec.Struct, frozen=True, tag="size"):
    """At least `target` keys are there at once under the prefix `items`."""

    items: str
    target: int

    def __str__(self) -> str:
        return f"{self.target} under {self.items}"


class Present(msgspec.Struct, frozen=True, tag="present"):
    """An item is in a queue (its prefix), or has passed through it; it is taken before the rest."""

    queue: str
    item: str

    def __str__(self) -> str:
        return f"{self.item} in {self.queue}"


class Signal(msgspec.Struct, frozen=True, tag="signal"):
    """A program or a person puts the key `key`."""

    key: str

    def __str__(self) -> str:
        return f"signal {self.key}"


class Time(msgspec.Struct, frozen=True, tag="time", omit_defaults=True):
    """The clock of whoever looks shows `at_unix_ms`; or `after_ms` have passed since declared."""

    at_unix_ms: int = 0
    after_ms: int = 0

    def due_unix_ms(self, since_unix_ms: int) -> int:
        """Return when, for a gate that counts from `since_unix_ms`."""
        return self.at_unix_ms or since_unix_ms + self.after_ms

    def __str__(self) -> str:
        return f"time {self.at_unix_ms}" if self.at_unix_ms else f"{self.after_ms} ms"


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """Another gate, by name, is open."""

    gate: str

    def __str__(self) -> str:
        return f"gate {self.gate}"


class AnyOf(msgspec.Struct, frozen=True, tag="any"):
    """One of several is enough; the first to be met."""

    of: tuple["Condition", ...]


class AllOf(msgspec.Struct, frozen=True, tag="all"):
    """All of several; the last to be met."""

    of: tuple["Condition", ...]


Leaf = Size | Present | Signal | Time | Opened
Condition = Leaf | AnyOf | AllOf


class Met(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a condition was met: at which revision, with what value, thanks to whom."""

    revision: int
    value: int
    by: str = ""
    unix_ms: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """How far one condition is; `of` tells it of its parts."""

    condition: str
    value: int
    target: int
    met: Met | None
    since_unix_ms: int
    of: tuple["Verdict", ...] = ()

    def __str__(self) -> str:
        if not self.of:
            by = f" by {self.met.by}" if self.met is not None and self.met.by else ""
            return f"{self.value} of {self.condition}{by}"
        parts = "; ".join(map(str, self.of))
        return f"{self.value} of {self.condition} ({parts})"


def leaves(condition: Condition) -> tuple[Leaf, ...]:
    """Return the parts that are not made of parts, in the order their numbers stand for."""
    if isinstance(condition, AnyOf | AllOf):
        return tuple(leaf for part in condition.of for leaf in leaves(part))
    return (condition,)


def reached(condition: Condition, met: Mapping[int, Met]) -> Met | None:
    """Return when the whole was met, given when which leaves were; None when it was not."""
    return _reached(condition, met, iter(range(LEAVES_MAX)))


def verdict(
    condition: Condition, met: Mapping[int, Met], values: Mapping[int, int], since_unix_ms: int
) -> Verdict:
    """Tell how far a condition is.

    Args:
        condition: the whole.
        met: leaves that were met, by number.
        values: of all leaves, by number: a count, a time, or 0 and 1.
        since_unix_ms: since when it has been waited for.
    """
    return _verdict(condition, met, values, since_unix_ms, iter(range(LEAVES_MAX)))


def check_condition(condition: Condition) -> None:
    """Refuse what can never be met.

    Raises:
        NeverOpens: a target below 1 or beyond what a store holds, no parts, no name, a time that
            is none, or more parts or a deeper nest than are looked at.
    """
    _check(condition, 1)
    parts = leaves(condition)
    if len(parts) > LEAVES_MAX:
        raise NeverOpens(f"{len(parts)} conditions; {LEAVES_MAX} are allowed")
    items = sum(isinstance(part, Present) for part in parts)
    if items > PRESENT_MAX:
        raise NeverOpens(f"{items} items to wait for; {PRESENT_MAX} are allowed")


def _check(condition: Condition, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise NeverOpens(f"conditions nested deeper than {DEPTH_MAX}")
    match condition:
        case Size(_, target) if target < 1:
            raise NeverOpens(f"a gate's target is at least 1, got {target}")
        case Size(_, target) if target > TARGET_MAX:
            raise NeverOpens(f"a gate's target is at most {TARGET_MAX}, got {target}")
        case Size(name) | Signal(name) | Opened(name) | Present(name):
            _check_name(name)
            if isinstance(condition, Present) and (not condition.item or "/" in condition.item):
                raise NeverOpens(f"item {condition.item!r}; not empty and without a slash")
        case Time(at, after) if min(at, after) < 0 or (at > 0) == (after > 0):
            raise NeverOpens(f"a time is at_unix_ms or after_ms, above 0; got {at} and {after}")
        case AnyOf(()) | AllOf(()):
            raise NeverOpens("any or all of nothing")
        case AnyOf(of) | AllOf(of):
            for part in of:
                _check(part, depth + 1)
        case Time():
            pass
        case _:
            raise NeverOpens(f"{type(condition).__name__} is no condition")


def _check_name(name: str) -> None:
    try:
        ops.key_bytes(name)
    except (CoordError, UnicodeEncodeError) as error:
        raise NeverOpens(f"no key can be named {name[:80]!r}", ErrorCode.INVALID_OPTION) from error


def _reached(condition: Condition, met: Mapping[int, Met], numbers: Iterator[int]) -> Met | None:
    if not isinstance(condition, AnyOf | AllOf):
        return met.get(next(numbers))
    parts = [_reached(part, met, numbers) for part in condition.of]
    there = sorted((part for part in parts if part is not None), key=lambda part: part.revision)
    if isinstance(condition, AnyOf):
        return there[0] if there else None
    return there[-1] if len(there) == len(parts) else None


def _verdict(
    condition: Condition,
    met: Mapping[int, Met],
    values: Mapping[int, int],
    since_unix_ms: int,
    numbers: Iterator[int],
) -> Verdict:
    if isinstance(condition, AnyOf | AllOf):
        parts = [_verdict(part, met, values, since_unix_ms, numbers) for part in condition.of]
        count = sum(part.met is not None for part in parts)
        there = sorted(
            (part.met for part in parts if part.met is not None), key=lambda each: each.revision
        )
        if isinstance(condition, AnyOf):
            whole = there[0] if there else None
            words, target = "any 1", 1
        else:
            whole = there[-1] if count == len(parts) else None
            words, target = f"all {len(parts)}", len(parts)
        return Verdict(words, count, target, whole, since_unix_ms, tuple(parts))
    number = next(numbers)
    value = values.get(number, 0)
    match condition:
        case Size(_, target):
            words = str(condition)
        case Time():
            target = condition.due_unix_ms(since_unix_ms)
            words = str(target)
        case _:
            target, words = 1, f"1: {condition}"
    return Verdict(words, value, target, met.get(number), since_unix_ms)
