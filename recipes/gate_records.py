"""What is kept of a gate in the store, and what is told of it."""

from typing import TypeVar

import msgspec
from attrs import frozen

from coord.model import KeyValue
from coord.requests import RangeReply, Reply
from recipes.conditions import Condition, Met, Verdict
from recipes.decoding import UNREADABLE
from recipes.gate_leaves import Epoch
from recipes.port import only

T = TypeVar("T")


class Declared(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a gate for whoever looks; `since_unix_ms` is when that was."""

    condition: Condition
    since_unix_ms: int
    queue: str = ""
    """Prefix of the queue a gate that shuts again belongs to."""


class Explanation(msgspec.Struct, frozen=True):
    """What a gate waits for.

    Attributes:
        gate: its name.
        verdict: how far its condition is, part by part.
        since_unix_ms: when it was declared; 0: never was.
        opening: when it opened, last.
        shuts_again: whether it lets through batch by batch.
    """

    gate: str
    verdict: Verdict
    since_unix_ms: int
    opening: Met | None
    shuts_again: bool = False

    @property
    def value(self) -> int:
        """How far the condition is."""
        return self.verdict.value

    @property
    def target(self) -> int:
        """How far it must come."""
        return self.verdict.target

    @property
    def is_open(self) -> bool:
        """Whether everybody passes."""
        return self.opening is not None and not self.shuts_again

    def __str__(self) -> str:
        if self.is_open and self.opening is not None:
            return f"{self.gate}: open since revision {self.opening.revision} ({self.verdict})"
        return f"{self.gate}: shut, {self.verdict}"


@frozen
class Look:
    """A gate as it was at one revision."""

    revision: int
    latch: KeyValue | None
    declared: Declared | None
    epoch: Epoch
    met: dict[int, Met]
    values: dict[int, int]

    @property
    def opening(self) -> Met | None:
        """What the latch says, if it is there."""
        return decoded(self.latch, Met)

    @property
    def latch_revision(self) -> int:
        """When the gate was opened last; 0 for never."""
        return 0 if self.latch is None else self.latch.mod_revision


def all_of(reply: Reply) -> tuple[KeyValue, ...]:
    """Return the keys a read found."""
    assert isinstance(reply, RangeReply)
    return reply.kvs


def first_of(reply: Reply) -> KeyValue | None:
    """Return the first key a read found, if it found one."""
    assert isinstance(reply, RangeReply)
    return only(reply)


def decoded(kv: KeyValue | None, kind: type[T]) -> T | None:
    """Return what a key says; None for none, or for something else."""
    if kv is None:
        return None
    try:
        return msgspec.json.decode(kv.value, type=kind)
    except UNREADABLE:
        return None
