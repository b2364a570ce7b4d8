"""What special queues promise beside what all do: times are kept, names used once at a time."""

from coord.model import EventKind
from coord.testing.violation import Violation
from recipes.testing.hold_checks import Told
from recipes.testing.luck import EPOCH_MS
from recipes.testing.truth import in_order, lives

_SLACK_MS = 1.0  # times are whole milliseconds


def check_times(told: Told, prefix: bytes) -> None:
    """Nothing came into line before its time, and what waited came into line once."""
    later = {life.key.removeprefix(prefix + b"later/") for life in lives(told.events, prefix)
             if life.key.startswith(prefix + b"later/")}  # fmt: skip
    for life in lives(told.events, prefix + b"ready/"):
        item = life.key.removeprefix(prefix + b"ready/")
        if item not in later:
            continue
        due_ms = int(item[:16], 16) - EPOCH_MS
        if told.seen_ms[life.token] + _SLACK_MS < due_ms:
            raise Violation(f"delay: {life} came into line before {due_ms:.1f} ms")


def check_names(told: Told, items: int, prefix: bytes) -> None:
    """No name was in the queue twice at once.

    Args:
        told: the log.
        items: how many there were in all.
        prefix: of the queue.
    """
    there: dict[bytes, str] = {}
    for event in in_order(told.events):
        place, _, rest = event.kv.key.removeprefix(prefix).partition(b"/")
        if not event.kv.key.startswith(prefix) or place != b"name":
            continue
        name, _, item = rest.partition(b"/")
        if event.kind is EventKind.DELETE:
            del there[name]
        elif name in there:
            raise Violation(f"names: {name!r} is {there[name]} and {event} at once")
        else:
            there[name] = item.decode()
            items -= 1
    if items:
        raise Violation(f"names: {items} items had none")
