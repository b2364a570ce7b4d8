"""The store's side of conditions: how each kind is read, and how it is followed by watch.

Both count from an epoch: what happened at or before its revision does not count, a revision of 0
counts everything. Following goes revision by revision from where it was read, so nothing that was
true between two looks is passed over, and all who follow find the same revision.
"""

from collections.abc import Sequence

from attrs import frozen

from coord.client import ops
from coord.model import Event, EventKind, KeyValue
from coord.requests import RangeReply, Reply, TxnOp
from recipes.conditions import Leaf, Met, Opened, Present, Signal, Size, Time
from recipes.port import KeyStore, next_batch
from recipes.timer import Timer

MESSAGE_CHARS_MAX = 200  # of a signal, in explanations


@frozen
class Epoch:
    """Since when a gate counts."""

    revision: int
    unix_ms: int


def reads(leaf: Leaf, epoch: Epoch) -> tuple[TxnOp, ...]:
    """Return what must be read to judge a condition."""
    match leaf:
        case Size():
            low, high = _span(leaf, epoch)
            return (ops.get(low, range_end=high, count_only=True),)
        case Present(queue, item):
            places = ("ready/", "done/", "dead/")
            keys = [ops.get(queue + place + item) for place in places]
            return (*keys, ops.get(queue + "held/", prefix=True))
        case Signal(key):
            return (ops.get(key),)
        case Opened(gate):
            return (ops.get(gate + "/open"),)
        case Time():
            return ()


def judge(
    leaf: Leaf, epoch: Epoch, replies: Sequence[Reply], revision: int, now_unix_ms: int
) -> tuple[int, Met | None]:
    """Return a condition's value, and whether it was met, from the replies to its `reads`."""
    ranges = [reply for reply in replies if isinstance(reply, RangeReply)]
    match leaf:
        case Size(_, target):
            count = ranges[0].count
            met = Met(revision, count, unix_ms=now_unix_ms) if count >= target else None
            return count, met
        case Time():
            if now_unix_ms < leaf.due_unix_ms(epoch.unix_ms):
                return now_unix_ms, None
            return now_unix_ms, Met(revision, now_unix_ms, "the clock", now_unix_ms)
        case Present():
            found = [kv for each in ranges for kv in each.kvs if _is_item(leaf, kv.key)]
        case Signal() | Opened():
            found = list(ranges[0].kvs)
    fresh = [kv for kv in found if kv.mod_revision > epoch.revision]
    return (1, _met_by(leaf, fresh[0], now_unix_ms)) if fresh else (0, None)


async def until_met(
    client: KeyStore, timer: Timer, leaf: Leaf, epoch: Epoch, value: int, revision: int
) -> Met:
    """Follow one condition, read with `value` at `revision`, until it is met.

    Raises:
        Refused: COMPACTED; look again.
    """
    match leaf:
        case Size():
            return await _count_on(client, timer, leaf, epoch, value, revision)
        case Time():
            await timer.until(leaf.due_unix_ms(epoch.unix_ms))
            now_unix_ms = timer.now_unix_ms()
            return Met(revision, now_unix_ms, "the clock", now_unix_ms)
        case Present(queue, item):
            key = queue + "ready/" + item
        case Signal(key):
            pass
        case Opened(gate):
            key = gate + "/open"
    async with client.watch(key, start_revision=revision + 1, no_delete=True) as watch:
        first = (await next_batch(watch)).events[0]
        return _met_by(leaf, first.kv, timer.now_unix_ms())


async def _count_on(
    client: KeyStore, timer: Timer, leaf: Size, epoch: Epoch, value: int, revision: int
) -> Met:
    low, _ = _span(leaf, epoch)
    items = ops.key_bytes(leaf.items)
    async with client.watch(items, prefix=True, start_revision=revision + 1) as watch:
        while True:
            events = (await next_batch(watch)).events
            for at, change, last in _net_changes(events, low):
                value += change
                if value >= leaf.target:
                    return Met(at, value, last, timer.now_unix_ms())


def _span(leaf: Size, epoch: Epoch) -> tuple[bytes, bytes]:
    """Return the range of the keys that count: those numbered after the epoch."""
    items = ops.key_bytes(leaf.items)
    after = f"{epoch.revision:016x}".encode() if epoch.revision else b""
    return items + after, ops.prefix_end(items)


def _net_changes(events: tuple[Event, ...], low: bytes) -> list[tuple[int, int, str]]:
    """Return (revision, change of the count, last key made) for each revision, in order."""
    changes: dict[int, tuple[int, str]] = {}
    for event in events:
        if event.kv.key < low:
            continue
        at = event.kv.mod_revision
        change, last = changes.get(at, (0, ""))
        if event.kind is EventKind.DELETE:
            changes[at] = (change - 1, last)
        elif event.is_create:
            changes[at] = (change + 1, event.kv.key.decode(errors="replace"))
    return [(at, change, last) for at, (change, last) in changes.items()]


def _is_item(leaf: Present, key: bytes) -> bool:
    return key.endswith(f"/{leaf.item}".encode())


def _met_by(leaf: Leaf, kv: KeyValue, now_unix_ms: int) -> Met:
    by = ""
    match leaf:
        case Present(queue):
            by = kv.key.removeprefix(queue.encode()).decode(errors="replace")
        case Signal():
            by = kv.value.decode(errors="replace")[:MESSAGE_CHARS_MAX]
        case Opened(gate):
            by = gate
    return Met(kv.mod_revision, 1, by, now_unix_ms)
