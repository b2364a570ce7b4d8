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

    queue: bytes
    body: bytes
    id: str | None = None


@attrs.frozen
class Delivery:
    """An item handed to a consumer."""

    queue: bytes
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
    """Somebody passed a gate, and was told when it opened: at `revision`, with `value`."""

    gate: bytes
    revision: int
    value: bytes
    at_ms: float


@attrs.frozen
class Receipt:
    """The result of a build, as somebody received it."""

    key: bytes
    value: bytes
    revision: int
    at_ms: float


@attrs.frozen
class Listing:
    """The members of the group, as somebody who follows it saw them at a revision."""

    revision: int
    members: tuple[tuple[str, int], ...]
    """Name and the revision it joined at, the longest first."""


@attrs.define(eq=False)
class Reading:
    """What one reader of the board was told from the revision it began at, batch by batch.

    Each notice is a subject, its body, its revision and whether it was caught up with.
    """

    began: int = 0
    bookmark: int = 0
    ended: bool = False
    batches: list[tuple[tuple[str, bytes | None, int, bool], ...]] = attrs.field(factory=list)


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
    observed: list[list[int]] = attrs.field(factory=list)
    """For each time somebody followed an office: the tokens of the leaders seen."""
    readings: list[Reading] = attrs.field(factory=list)
    sums: list[int] = attrs.field(factory=list)
    """What every addition returned."""
    shares: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    """The items each member of the partitioned set held when all had come to rest."""
    at_work: Counter[str] = attrs.field(factory=Counter)
    """How many programs of a kind have begun and not ended."""
    over_at: dict[bytes, int] = attrs.field(factory=dict)
    """For each queue the revision when nothing was left in it and nobody put any more."""
    counts: Counter[str] = attrs.field(factory=Counter)
