"""Snapshots that clients fetch part by part, as `coord snapshot save` does.

A fetch pulls: each request takes one slice from the store, so a slow client slows only itself.
A fetch pins history while it lasts, so there are few at a time; an idle one is given up after a
while, a finished one when the next begins.
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
    """One snapshot on its way: the part given last, and the one after it."""

    parts: Iterator[bytes]
    index: LogIndex
    term: int
    revision: int
    asked_ms: float
    part: int
    current: bytes
    following: bytes | None


class Fetches:
    """The snapshots being fetched from this node."""

    def __init__(self) -> None:
        self._fetches: dict[int, _Fetch] = {}
        self._last_number = 0

    def give_part(
        self, op: SnapshotNext, store: Store, index: LogIndex, term: int, now_ms: float
    ) -> SnapshotPartReply | ErrorReply:
        """Return the asked-for part, starting a new snapshot of `store` for number 0.

        Args:
            op: which snapshot and part: the one given last, or the one after it.
            store: as of `index`, the last entry applied.
            index: of that entry.
            term: of that entry.
            now_ms: the node's clock.
        """
        self._give_up_idle(now_ms)
        number = op.snapshot
        if number == 0:
            self._forget_finished()
            if len(self._fetches) >= limits.SNAPSHOT_FETCHES_MAX:
                detail = f"{limits.SNAPSHOT_FETCHES_MAX} snapshots are being fetched already"
                return ErrorReply(ErrorCode.TOO_MANY_REQUESTS, detail)
            number = self._start(store, index, term, now_ms)
        fetch = self._fetches.get(number)
        if fetch is None:
            return ErrorReply(ErrorCode.KEY_NOT_FOUND, f"no snapshot {number} is being fetched")
        fetch.asked_ms = now_ms
        if op.part == fetch.part + 1 and fetch.following is not None:
            fetch.part = op.part
            fetch.current, fetch.following = fetch.following, next(fetch.parts, None)
        elif op.part != fetch.part:
            detail = f"part {op.part} was asked for; the last one given is {fetch.part}"
            return ErrorReply(ErrorCode.INVALID_OPTION, detail)
        last = fetch.following is None
        return SnapshotPartReply(
            number, fetch.index, fetch.term, fetch.revision, fetch.current, last
        )

    def _start(self, store: Store, index: LogIndex, term: int, now_ms: float) -> int:
        self._last_number += 1
        parts = store.snapshot(limits.SNAPSHOT_CHUNK_BYTES)
        current, following = next(parts), next(parts, None)
        self._fetches[self._last_number] = _Fetch(
            parts, index, term, store.revision, now_ms, 0, current, following
        )
        return self._last_number

    def _forget_finished(self) -> None:
        """Make room: whose last part was given before somebody else starts has it by now."""
        for number in [n for n, f in self._fetches.items() if f.following is None]:
            del self._fetches[number]

    def _give_up_idle(self, now_ms: float) -> None:
        idle_since_ms = now_ms - limits.SNAPSHOT_FETCH_IDLE_MS
        for number in [n for n, f in self._fetches.items() if f.asked_ms < idle_since_ms]:
            del self._fetches[number]
