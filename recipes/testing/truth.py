"""What the log says of keys that come and go: who was there from which revision to which."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from coord.model import Cause, Event, EventKind

FOREVER = 1 << 62
Events = Mapping[int, Sequence[Event]]


@attrs.define(eq=False)
class Life:
    """One incarnation of a key: there from revision `token`, gone from revision `end` on."""

    key: bytes
    value: bytes
    token: int
    lease: int
    end: int = FOREVER
    cause: Cause | None = None


def in_order(events: Events) -> Iterator[Event]:
    """Go through everything that happened."""
    for revision in sorted(events):
        yield from events[revision]


def lives(events: Events, prefix: bytes) -> list[Life]:
    """Return every incarnation of every key under a prefix, in order of their beginning."""
    found: list[Life] = []
    living: dict[bytes, Life] = {}
    for event in in_order(events):
        kv = event.kv
        if not kv.key.startswith(prefix):
            continue
        if event.kind is EventKind.DELETE:
            ended = living.pop(kv.key)
            ended.end, ended.cause = kv.mod_revision, event.cause
        elif event.is_create:
            living[kv.key] = Life(kv.key, kv.value, kv.create_revision, kv.lease)
            found.append(living[kv.key])
    return found


def turn_of(life: Life, line: Sequence[Life], places: int, blocks: Callable[[Life], bool]) -> int:
    """Return from which revision on fewer than `places` of those before a life block it.

    The turn may come at or after the life's own end: then it never came.
    """
    ends = sorted(
        (other.end for other in line if other.token < life.token and blocks(other)), reverse=True
    )
    return max(life.token, ends[places - 1]) if len(ends) >= places else life.token
