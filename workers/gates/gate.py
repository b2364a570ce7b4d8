"""A declared gate: a condition with a name, kept by the steward, that may hold a queue shut.

gate/now/NAME/spec           what it is                                   value: Gate
gate/now/NAME/state          shut or open, since when, why                value: GateState
gate/now/NAME/signal/SIGNAL  a signal given to it                         value: Given
gate/history/NAME/SEQ        what became of it, oldest first              value: Note
queue/Q/shut/gate-NAME       while it is shut and holds queue Q
"""

from typing import Literal, TypeVar

import msgspec
from attrs import frozen

from coord.errors import ErrorCode, error_from
from recipes.decoding import UNREADABLE
from workers.gates.conditions import Condition, JobThere, QueueSize, Signal, Time, check
from workers.model.checks import check_types
from workers.model.names import check_name
from workers.model.places import Places

ALLOWED = (QueueSize, JobThere, Signal, Time)
NOTE_CHARS_MAX = 1000
V = TypeVar("V")


class Gate(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a gate is.

    Attributes:
        name: its own.
        condition: what opens it.
        queue: nothing is claimed from this queue while it is shut; "" for none.
        rearm: "never": open, it stays so. "empty": it lets one batch through, which means that it
            opens while something is ready in its queue and shuts once nothing is; the signals it
            was given are used up then. "unmet": it shuts as soon as the condition does not hold.
        note: for whoever looks.
    """

    name: str
    condition: Condition
    queue: str = ""
    rearm: Literal["never", "empty", "unmet"] = "never"
    note: str = ""


class GateState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a gate is.

    Attributes:
        is_open: whether it is.
        since_unix_ms: since when.
        by: what made it so, in words.
        by_hand: a person opened it: it stays open until it is shut or set by one.
        openings: how often it opened.
    """

    is_open: bool
    since_unix_ms: int
    by: tuple[str, ...] = ()
    by_hand: bool = False
    openings: int = 0


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened to a gate: "set", "signal", "opened", "shut"."""

    unix_ms: int
    what: str
    by: tuple[str, ...] = ()


def check_gate(gate: Gate) -> None:
    """Refuse a gate that can never open, or says nothing.

    Raises:
        Misuse: names what is wrong.
    """
    check_types("gate", gate)
    check_name("gate", gate.name)
    what = f"gate {gate.name!r}"
    check(what, gate.condition, ALLOWED)
    if gate.queue:
        check_name("queue", gate.queue)
    if gate.rearm == "empty" and not gate.queue:
        detail = f"{what}: rearm 'empty' needs the queue that is to be empty"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    if len(gate.note) > NOTE_CHARS_MAX:
        detail = f"{what}: a note of {len(gate.note)} characters; {NOTE_CHARS_MAX} are allowed"
        raise error_from(ErrorCode.INVALID_OPTION, detail)


@frozen
class GatePlaces:
    """The keys of all gates of a space."""

    space: Places

    @property
    def now(self) -> bytes:
        """The prefix of what gates are at present."""
        return self.space.gates + b"now/"

    def gate(self, name: str) -> bytes:
        """Return the prefix of one gate."""
        return self.now + name.encode() + b"/"

    def spec(self, name: str) -> bytes:
        """Return the key that says what a gate is."""
        return self.gate(name) + b"spec"

    def state(self, name: str) -> bytes:
        """Return the key that says whether it is open."""
        return self.gate(name) + b"state"

    def signals(self, name: str) -> bytes:
        """Return the prefix of the signals it was given."""
        return self.gate(name) + b"signal/"

    def history(self, name: str) -> bytes:
        """Return the prefix of what happened to it."""
        return self.space.gates + b"history/" + name.encode() + b"/"

    def shut(self, gate: Gate) -> bytes:
        """Return the key by which a gate holds its queue shut."""
        return self.space.queue(gate.queue).shut + b"gate-" + gate.name.encode()


def encode(value: Gate | GateState | Note) -> bytes:
    """Return a value as it is kept."""
    return msgspec.json.encode(value)


def decode(value: bytes, kind: type[V]) -> V | None:
    """Return what is kept, or None where it is nothing of the kind."""
    try:
        return msgspec.json.decode(value, type=kind)
    except UNREADABLE:
        return None


def parse_condition(text: str | bytes) -> Condition:
    """Return the condition a JSON text stands for, unchecked.

    Raises:
        Misuse: it stands for none; says where it is wrong.
    """
    try:
        found: Condition = msgspec.json.decode(text, type=Condition)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise error_from(ErrorCode.INVALID_OPTION, f"no condition: {error}") from None
    return found
