"""The books of schedules, kept from the log alone: each due time decided once, and all add up.

A rule is in force from the edit that put it there, from what was settled then, until the next. Its
due times in between are those that were fired, skipped, missed, or wait for the job before them.
"""

from collections import Counter
from itertools import pairwise

from attrs import Factory, define

from coord.model import Event, EventKind
from coord.testing.violation import Violation
from recipes.testing.truth import Events
from workers.model.places import Places
from workers.schedules.checks import decode_schedule
from workers.schedules.codec import decode
from workers.schedules.due import dues
from workers.schedules.places import SchedulePlaces
from workers.schedules.values import Cause, Firing, Schedule, State


@define
class _Book:
    """What the log says of one schedule."""

    state: State = Factory(lambda: State(0))
    edits: list[tuple[int, Schedule | None]] = Factory(list)
    fired: list[Firing] = Factory(list)
    jobs: int = 0
    filled: set[int] = Factory(set)


def check_books(events: Events, space: bytes) -> Counter[str]:
    """Check that the books of every schedule balance.

    Returns:
        What happened, by name.

    Raises:
        Violation: a due time was decided twice or never, or a job was enqueued without one.
    """
    places = SchedulePlaces(Places(space))
    books: dict[str, _Book] = {}
    for revision in sorted(events):
        _enter(places, books, events[revision])
    counts: Counter[str] = Counter()
    for name in sorted(books):
        _balance(name, books[name])
        _count(counts, books[name])
    return counts


def _enter(places: SchedulePlaces, books: dict[str, _Book], events: object) -> None:
    """Enter what one revision did: states before edits, since an edit writes both."""
    assert isinstance(events, list | tuple)
    for kind, take in (
        (places.states, _take_state),
        (places.specs, _take_edit),
        (places.backfills, _take_backfill),
        (places.space.schedules + b"fired/", _take_firing),
    ):
        for event in events:
            if event.kv.key.startswith(kind):
                name = event.kv.key.removeprefix(kind).partition(b"/")[0].decode()
                take(books.setdefault(name, _Book()), event)


def _take_state(book: _Book, event: Event) -> None:
    state = decode(event.kv.value, State)
    if state is None:
        raise Violation(f"{event.kv.key!r} is no state")
    if state.settled_unix_ms < book.state.settled_unix_ms:
        raise Violation(f"{event.kv.key!r}: what was settled is so no more")
    book.state = state


def _take_edit(book: _Book, event: Event) -> None:
    schedule = decode_schedule(event.kv.value) if event.kind is EventKind.PUT else None
    book.edits.append((book.state.settled_unix_ms, schedule))


def _take_backfill(book: _Book, event: Event) -> None:
    if event.is_create:
        book.filled = set()


def _take_firing(book: _Book, event: Event) -> None:
    if event.kind is not EventKind.PUT:
        return
    firing = decode(event.kv.value, Firing)
    if firing is None or not event.is_create:
        raise Violation(f"{event.kv.key!r} is no firing, or was written twice")
    book.fired.append(firing)
    if firing.cause is Cause.BACKFILL:
        if firing.due_unix_ms in book.filled:
            raise Violation(f"{event.kv.key!r}: filled twice by one request")
        book.filled.add(firing.due_unix_ms)


def _balance(name: str, book: _Book) -> None:
    state = book.state
    expected: list[int] = []
    for (since, schedule), (until, _) in pairwise([*book.edits, (state.settled_unix_ms, None)]):
        if schedule is not None and not schedule.paused:
            expected += dues(schedule.rule, since, until)
    fired = [each.due_unix_ms for each in book.fired if each.cause in (Cause.DUE, Cause.BUFFERED)]
    if len(set(fired)) != len(fired):
        raise Violation(f"schedule {name}: a due time was fired twice: {sorted(fired)}")
    if not set(fired) <= set(expected):
        raise Violation(f"schedule {name}: fired {sorted(set(fired) - set(expected))}, never due")
    if len(book.fired) != state.firings:
        raise Violation(f"schedule {name}: {len(book.fired)} fired, {state.firings} counted")
    buffered = 1 if state.buffered_unix_ms else 0
    decided = len(fired) + state.skipped + state.missed + buffered
    if decided != len(expected):
        raise Violation(f"schedule {name}: {decided} decided of {len(expected)} due: {state}")


def _count(counts: Counter[str], book: _Book) -> None:
    for cause in Cause:
        counts[f"schedules: fired, {cause.value}"] += sum(f.cause is cause for f in book.fired)
    counts["schedules: edits"] += len(book.edits)
    counts["schedules: skipped"] += book.state.skipped
    counts["schedules: missed"] += book.state.missed
