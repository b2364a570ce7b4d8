"""Snapshots that clients fetch part by part, as `coord snapshot save` does.

A fetch pulls: each request takes one slice from the store, so a slow client slows only itself.
A fetch pins history while it lasts, so there are few at a time and idle ones are given up.
"""

from collections.abc import Iterator

import attrs

from coord import limits
from coord.errors import ErrorCode
from coord.ids import LogIndex
from coord.requests import ErrorReply, SnapshotNext, SnapshotPartReply
from coord.store.machine import Store


@attrs.define
class _Fetch:
    """One snapshot on its way; `following` is the part to be sent next."""

    parts: Iterator[bytes]
    following: bytes | None
    index: LogIndex
    term: int
    revision: int
    asked_ms: float


class Fetches:
    """The snapshots being fetched from this node."""

    def __init__(self) -> None:
        self._fetches: dict[int, _Fetch] = {}
        self._last_number = 0

    def next_part(
        self, op: SnapshotNext, store: Store, index: LogIndex, term: int, now_ms: float
    ) -> SnapshotPartReply | ErrorReply:
        """Return the next part, starting a new snapshot of `store` for number 0.

        Args:
            op: which fetch.
            store: as of `index`, the last entry applied.
            index: of that entry.
            term: of that entry.
            now_ms: the node's clock.
        """
        number = op.snapshot
        if number == 0:
            self._give_up_idle(now_ms)
            if len(self._fetches) >= limits.SNAPSHOT_FETCHES_MAX:
                detail = f"{limits.SNAPSHOT_FETCHES_MAX} snapshots are being fetched already"
                return ErrorReply(ErrorCode.TOO_MANY_REQUESTS, detail)
            number = self._start(store, index, term, now_ms)
        fetch = self._fetches.get(number)
        if fetch is None:
            return ErrorReply(ErrorCode.KEY_NOT_FOUND, f"no snapshot {number} is being fetched")
        fetch.asked_ms = now_ms
        chunk, fetch.following = fetch.following, next(fetch.parts, None)
        if fetch.following is None:
            del self._fetches[number]
        assert chunk is not None, "a fetch ends with its last part"
        last = fetch.following is None
        return SnapshotPartReply(number, fetch.index, fetch.term, fetch.revision, chunk, last)

    def _start(self, store: Store, index: LogIndex, term: int, now_ms: float) -> int:
        self._last_number += 1
        parts = store.snapshot(limits.SNAPSHOT_CHUNK_BYTES)
        first = next(parts)
        fetch = _Fetch(parts, first, index, term, store.revision, now_ms)
        self._fetches[self._last_number] = fetch
        return self._last_number

    def _give_up_idle(self, now_ms: float) -> None:
        idle_since_ms = now_ms - limits.SNAPSHOT_FETCH_IDLE_MS
        for number in [n for n, f in self._fetches.items() if f.asked_ms < idle_since_ms]:
            del self._fetches[number]
