"""What the programs of one run were told, and until when they believed it.

Nothing here is truth: that is the log. The checks hold one against the other when all is over.
"""

from collections import Counter

import attrs


@attrs.define(eq=False)
class Tenure:
    """Something that was said to be held: from when, until when the holder believed it (true time).

    `until_ms` is when the holder let go by itself; that its session ended is known elsewhere.
    """

    what: str
    key: bytes
    token: int
    lease: int
    got_ms: float
    until_ms: float | None = None


@attrs.frozen
class Guarded:
    """The answer to a write that was guarded by a tenure."""

    tenure: Tenure
    revision: int
    accepted: bool


@attrs.define(eq=False)
class Order:
    """An item a producer put; `id` is what it was told, if it was told anything."""

    body: bytes
    id: str | None = None


@attrs.frozen
class Delivery:
    """An item handed to a consumer."""

    id: str
    key: bytes
    body: bytes
    token: int
    attempt: int
    lease: int


@attrs.frozen
class Settlement:
    """What a consumer was told of its attempt to complete an item; revision 0: it was too late."""

    delivery: Delivery
    revision: int


@attrs.frozen
class Passage:
    """Somebody passed a gate, which was told to have opened at `revision` with `value` items."""

    gate: str
    revision: int
    value: int
    at_ms: float


@attrs.frozen
class Receipt:
    """The result of a build, as one participant received it."""

    build: bytes
    value: bytes
    revision: int
    at_ms: float


@attrs.frozen
class Listing:
    """The members of a group, as somebody who follows it saw them at a revision."""

    group: bytes
    revision: int
    members: tuple[tuple[str, int], ...]
    """Name and the revision it joined at, the longest first."""


@attrs.define
class Journal:
    """Of one run, by all its programs."""

    tenures: list[Tenure] = attrs.field(factory=list)
    guarded: list[Guarded] = attrs.field(factory=list)
    orders: list[Order] = attrs.field(factory=list)
    deliveries: list[Delivery] = attrs.field(factory=list)
    settlements: list[Settlement] = attrs.field(factory=list)
    passages: list[Passage] = attrs.field(factory=list)
    receipts: list[Receipt] = attrs.field(factory=list)
    listings: list[Listing] = attrs.field(factory=list)
    shares: dict[str, dict[str, tuple[str, ...]]] = attrs.field(factory=dict)
    """For each partitioned set and member that was there at the very end: the items it held."""
    producing: int = 0
    """How many producers are at work."""
    queue_over_at: int = 0
    """The revision there was when nothing was left in the queue and nobody put any more."""
    counts: Counter[str] = attrs.field(factory=Counter)
