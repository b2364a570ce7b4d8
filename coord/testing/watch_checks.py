"""Was a watch told exactly what happened? Compared with a replay of the log, event by event.

The promises are etcd's: ordered, unique, atomic (a revision is never split), reliable (nothing
left out), resumable (the first event is the first that matches), and what a filter, a previous
value or a notice of compaction says is true.
"""

from collections.abc import Mapping, Sequence

import attrs

from coord.model import Event, EventKind
from coord.testing.violation import Violation


class WatchViolation(Violation):
    """A watch was told something that is not so; the message says which promise broke."""


@attrs.frozen
class WatchWish:
    """What was asked for."""

    key: bytes
    range_end: bytes = b""
    start_revision: int = 0
    prev_kv: bool = False
    no_put: bool = False
    no_delete: bool = False


@attrs.define
class WatchRecord:
    """What one watch was told, in the order it was told."""

    wish: WatchWish
    batches: list[tuple[tuple[Event, ...], int]] = attrs.field(factory=list)
    """(events, revision the watch is complete up to) of each batch."""
    newest_when_made: int | None = None
    """The newest revision anywhere when the watch was known to stand; None: never known to."""
    compact_revision: int | None = None
    """Set when it ended because it fell behind compaction."""
    cut_off: bool = False
    """Its application went away."""

    def told(self, events: tuple[Event, ...], revision: int) -> None:
        """Note one batch."""
        self.batches.append((events, revision))

    def is_behind(self, revision: int) -> bool:
        """Whether it goes on and still owes the news up to `revision`."""
        ended = self.compact_revision is not None or self.cut_off
        if ended or self.wish.start_revision > revision:
            return False
        begun = 0 if self.wish.start_revision else self.newest_when_made or 0
        return max(self.complete_to, begun) < revision

    @property
    def complete_to(self) -> int:
        """The revision up to which the last batch said to be complete; 0 before any."""
        return self.batches[-1][1] if self.batches else 0


@attrs.frozen
class Truth:
    """What really happened: the replayed log."""

    events: Mapping[int, Sequence[Event]]
    """By revision, in order, with the previous value of every key that had one."""
    revision: int
    compactions: frozenset[int] = frozenset()
    """Every revision that history was compacted to."""

    @property
    def compact_revision(self) -> int:
        """The highest of them; 0 if there was none."""
        return max(self.compactions, default=0)


def matching(wish: WatchWish, events: Sequence[Event]) -> list[Event]:
    """Return the events of one revision the watch should be told, as it should be told them."""
    chosen = []
    for event in events:
        if not _in_range(wish, event.kv.key):
            continue
        unwanted = wish.no_put if event.kind is EventKind.PUT else wish.no_delete
        if unwanted:
            continue
        prev_kv = event.prev_kv if wish.prev_kv else None
        chosen.append(Event(event.kind, event.cause, event.kv, prev_kv))
    return chosen


def check_watch(record: WatchRecord, truth: Truth, *, healed: bool) -> None:
    """Compare one watch with the truth.

    Args:
        record: what the watch was told.
        truth: what happened.
        healed: the cluster was whole and quiet at the end, so that a watch that did not end
            must have been told everything.

    Raises:
        WatchViolation: naming the broken promise.
    """
    told = _told_by_revision(record)
    if record.compact_revision is not None:
        _check_notice(record, truth)
    first = _first_owed(record, truth, told)
    if first is None:
        return
    last = max([record.complete_to, *told])
    if healed and record.compact_revision is None and not record.cut_off:
        last = truth.revision
    if last > truth.revision:
        raise WatchViolation(f"reliable: complete to {last}, but {truth.revision} is the newest")
    for revision in range(first, last + 1):
        owed = matching(record.wish, truth.events.get(revision, ()))
        got = told.pop(revision, [])
        if got != owed and not (revision in truth.compactions and _bare(got) == _bare(owed)):
            _explain(record, revision, owed, got)
    if told:
        raise WatchViolation(f"resumable: told of {sorted(told)} outside {first}..{last}")


def _bare(events: Sequence[Event]) -> list[Event]:
    """Without previous values: at a compacted revision those are gone, as etcd has it."""
    return [Event(event.kind, event.cause, event.kv) for event in events]


def _told_by_revision(record: WatchRecord) -> dict[int, list[Event]]:
    told: dict[int, list[Event]] = {}
    before = record.wish.start_revision - 1
    for events, complete_to in record.batches:
        here: set[int] = set()
        for event in events:
            revision = event.kv.mod_revision
            if revision <= before:
                raise WatchViolation(
                    f"ordered, unique, atomic: told of {revision} when complete to {before}"
                )
            if here and revision < max(here):
                raise WatchViolation(f"ordered: told of {revision} after {max(here)}")
            if revision > complete_to:
                raise WatchViolation(f"bookmark: told of {revision} in a batch to {complete_to}")
            here.add(revision)
            told.setdefault(revision, []).append(event)
        if complete_to < before:
            raise WatchViolation(f"bookmark: complete to {complete_to} after {before}")
        before = complete_to
    return told


def _first_owed(record: WatchRecord, truth: Truth, told: Mapping[int, list[Event]]) -> int | None:
    if record.wish.start_revision:
        return record.wish.start_revision
    # From now on: where "now" was is only known from the first event, but it cannot have been
    # later than the moment at which the watch was known to stand.
    starts = [min(told)] if told else []
    if record.newest_when_made is not None:
        starts.append(record.newest_when_made + 1)
    return min(starts) if starts else None


def _check_notice(record: WatchRecord, truth: Truth) -> None:
    said = record.compact_revision
    assert said is not None
    if said > truth.compact_revision:
        raise WatchViolation(f"notice: compacted at {said}, but only {truth.compact_revision} was")
    if record.wish.start_revision >= truth.compact_revision > 0:
        raise WatchViolation(f"notice: compacted at {said}, but it started after every compaction")


def _explain(record: WatchRecord, revision: int, owed: list[Event], got: list[Event]) -> None:
    if not got:
        problem = "reliable: not told"
    elif not owed:
        problem = "filter: told, though it does not match"
    elif len(got) != len(owed):
        problem = "atomic: told in part"
    else:
        problem = "content, prev_kv or order differs"
    raise WatchViolation(
        f"{problem} at revision {revision}; wish {record.wish}; owed {owed}; got {got}"
    )


def _in_range(wish: WatchWish, key: bytes) -> bool:
    if not wish.range_end:
        return key == wish.key
    return key >= wish.key and (wish.range_end == b"\0" or key < wish.range_end)
