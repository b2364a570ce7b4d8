"""A table read in key order as it stood at one moment, a slice at a time, while it changes.

Whoever changes the table tells each scan first what stood there (`before_change`). Keys the scan
has passed need nothing; for the others the old value is kept until the scan gets there. So a
scan starts at no cost, each slice costs what it returns, and memory is what changed meanwhile.
"""

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from typing import Generic, TypeVar

from coord.store.order import OrderedKeys

K = TypeVar("K", bytes, int)
T = TypeVar("T")
V = TypeVar("V")


def next_bytes(key: bytes) -> bytes:
    """Return the least key greater than `key`."""
    return key + b"\0"


def next_int(key: int) -> int:
    """Return the least number greater than `key`."""
    return key + 1


class FrozenScan(Generic[K, T, V]):
    """One pass over a table as it is when this is made."""

    __slots__ = ("_changed", "_following", "_freeze", "_kept", "_low", "_order", "_table", "done")

    def __init__(
        self,
        order: OrderedKeys[K],
        table: Mapping[K, T],
        freeze: Callable[[K, T], V],
        low: K,
        following: Callable[[K], K],
    ) -> None:
        self._order: OrderedKeys[K] = order
        self._table: Mapping[K, T] = table
        self._freeze: Callable[[K, T], V] = freeze
        self._low: K = low
        self._following: Callable[[K], K] = following
        self._kept: dict[K, V | None] = {}
        self._changed: list[K] = []  # heap of the keys in _kept that stood at the start
        self.done = False

    def before_change(self, key: K, value: T | None) -> None:
        """Note that `key` is about to change, or has just, from `value` (None: it was absent)."""
        if key < self._low or self.done or key in self._kept:
            return
        if value is None:
            self._kept[key] = None
        else:
            self._kept[key] = self._freeze(key, value)
            heappush(self._changed, key)

    def take(self, limit: int) -> list[V]:
        """Return the next values, at most twice `limit` of them; sets `done` at the end."""
        keys: list[K] = self._order.slice(self._low, None, limit)
        ended = len(keys) < limit
        high = self._low if ended else self._following(keys[-1])
        changed = self._changed
        revived: list[K] = []
        while changed and (ended or changed[0] < high) and len(revived) < limit:
            revived.append(heappop(changed))
        if changed and (ended or changed[0] < high):
            high, ended = self._following(revived[-1]), False
            keys = [key for key in keys if key < high]
        if revived:
            keys = sorted(set(keys + revived))
        self._low, self.done = high, ended
        if not self._kept:
            return list(map(self._freeze, keys, map(self._table.__getitem__, keys)))
        found: list[V] = []
        for key in keys:
            if key not in self._kept:
                found.append(self._freeze(key, self._table[key]))
                continue
            kept = self._kept.pop(key)
            if kept is not None:
                found.append(kept)
        return found
