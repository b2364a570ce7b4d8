"""Keys in order, for scans, while most of the store only ever looks keys up in dicts.

A list of sorted chunks, with a bound for each that none of its keys exceeds. A new key costs one
set insertion: it is folded into the chunks when a scan needs the order, or when `FOLD_KEYS` have
gathered, whichever is sooner, so that no scan ever pays for more than that many. Counting a
range adds up chunk lengths: a thousand additions per million keys.

Bounds are half open, [low, high); `high` None means "to the end".
"""

from bisect import bisect_left, bisect_right, insort
from typing import Generic, TypeVar

K = TypeVar("K", bytes, int)

CHUNK_KEYS = 512  # a chunk is split at twice this
FOLD_KEYS = 512  # new keys gathered before they are folded in: 1 to 2 ms at a million keys
_MERGE_KEYS = CHUNK_KEYS // 8  # a chunk smaller than this joins its neighbour
_RESORT_KEYS = 24  # from so many new keys in one chunk on, sorting it anew is cheaper


class OrderedKeys(Generic[K]):
    """A sorted set that is cheap to add to."""

    __slots__ = ("_chunks", "_greatest", "fresh")

    def __init__(self) -> None:
        self._chunks: list[list[K]] = []
        self._greatest: list[K] = []
        self.fresh: set[K] = set()
        """Keys added and not yet in a chunk. A hot path may add here itself, then `settle()`."""

    @classmethod
    def of_sorted(cls, keys: list[K]) -> "OrderedKeys[K]":
        """Build from keys already in ascending order, without duplicates."""
        made = cls()
        made._chunks = [keys[at : at + CHUNK_KEYS] for at in range(0, len(keys), CHUNK_KEYS)]
        made._greatest = [chunk[-1] for chunk in made._chunks]
        return made

    def add(self, key: K) -> None:
        """Add a key that is not there."""
        fresh = self.fresh
        fresh.add(key)
        if len(fresh) > FOLD_KEYS:
            self.fold()

    def settle(self) -> None:
        """Fold if many keys have gathered in `fresh`."""
        if len(self.fresh) > FOLD_KEYS:
            self.fold()

    def remove(self, key: K) -> None:
        """Remove a key that is there."""
        if key in self.fresh:
            self.fresh.remove(key)
            return
        place = bisect_left(self._greatest, key)
        chunk = self._chunks[place]
        at = bisect_left(chunk, key)
        assert chunk[at] == key, "removed key is not in the order"
        del chunk[at]
        if len(chunk) < _MERGE_KEYS:
            self._shrink(place)

    def slice(self, low: K, high: K | None, limit: int | None = None) -> list[K]:
        """Return the first `limit` keys of [low, high), all of them if `limit` is None."""
        if self.fresh:
            self.fold()
        chunks = self._chunks
        place = bisect_left(self._greatest, low)
        if place == len(chunks):
            return []
        start = bisect_left(chunks[place], low)
        found: list[K] = []
        while place < len(chunks):
            chunk = chunks[place]
            if high is not None and self._greatest[place] >= high:
                found += chunk[start : bisect_left(chunk, high)]
                break
            found += chunk[start:] if start else chunk
            if limit is not None and len(found) >= limit:
                break
            place, start = place + 1, 0
        return found if limit is None or len(found) <= limit else found[:limit]

    def slice_last(self, low: K, high: K | None, limit: int) -> list[K]:
        """Return the last `limit` keys of [low, high), greatest first."""
        if self.fresh:
            self.fold()
        chunks = self._chunks
        place = len(chunks) - 1 if high is None else bisect_left(self._greatest, high)
        found: list[K] = []
        if place == len(chunks):
            place -= 1
        while place >= 0 and len(found) < limit:
            chunk = chunks[place]
            end = len(chunk) if high is None else bisect_left(chunk, high)
            start = max(bisect_left(chunk, low), end - (limit - len(found)))
            found += chunk[start:end][::-1]
            if chunk[0] < low:
                break
            place -= 1
        return found

    def count(self, low: K, high: K | None) -> int:
        """Return how many keys [low, high) holds."""
        if self.fresh:
            self.fold()
        chunks = self._chunks
        first = bisect_left(self._greatest, low)
        if first == len(chunks):
            return 0
        before = bisect_left(chunks[first], low)
        if high is None:
            return sum(map(len, chunks[first:])) - before
        last = bisect_left(self._greatest, high)
        if last < first:
            return 0
        within = bisect_left(chunks[last], high) if last < len(chunks) else 0
        return max(sum(map(len, chunks[first:last])) + within - before, 0)

    def fold(self) -> None:
        """Move the fresh keys into the chunks."""
        keys = sorted(self.fresh)
        self.fresh.clear()
        greatest, chunks = self._greatest, self._chunks
        at, end, place = 0, len(keys), 0
        while at < end:
            place = bisect_left(greatest, keys[at], place)
            if place == len(chunks):
                self._append(keys[at:])
                return
            stop = bisect_right(keys, greatest[place], at)
            chunk = chunks[place]
            if stop - at < _RESORT_KEYS:
                for key in keys[at:stop] if stop - at > 1 else (keys[at],):
                    insort(chunk, key)
            else:
                chunk += keys[at:stop]
                chunk.sort()
            if len(chunk) > 2 * CHUNK_KEYS:
                self._split(place)
            at = stop

    def _append(self, keys: list[K]) -> None:
        """Put keys greater than all others behind them."""
        if self._chunks and len(self._chunks[-1]) < CHUNK_KEYS:
            self._chunks[-1] += keys
            self._greatest[-1] = keys[-1]
        else:
            self._chunks.append(keys)
            self._greatest.append(keys[-1])
        if len(self._chunks[-1]) > 2 * CHUNK_KEYS:
            self._split(len(self._chunks) - 1)

    def _split(self, place: int) -> None:
        chunk = self._chunks[place]
        parts = [chunk[at : at + CHUNK_KEYS] for at in range(0, len(chunk), CHUNK_KEYS)]
        self._chunks[place : place + 1] = parts
        self._greatest[place : place + 1] = [part[-1] for part in parts]

    def _shrink(self, place: int) -> None:
        """Drop an empty chunk, or let a small one join the chunk before it."""
        chunk = self._chunks[place]
        if chunk and (place == 0 or len(self._chunks[place - 1]) > CHUNK_KEYS):
            return
        if chunk:
            self._chunks[place - 1] += chunk
            self._greatest[place - 1] = self._greatest[place]
        del self._chunks[place], self._greatest[place]
