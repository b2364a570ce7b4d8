"""Feeding a store by hand, one entry per call: what tests of the store speak through."""

from typing import Any

from coord.frames import Batch, WriteFrame
from coord.requests import ErrorReply, Reply, WriteOp
from coord.store.machine import Applied, Store
from coord.store.once import INTERNAL_WRITER
from coord.store.restore import SnapshotLoader


class Feed:
    """A store with the next log index and the cluster time at hand."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store()
        self.time_ms = self.store.time_ms

    def entry(self, *frames: WriteFrame) -> Applied:
        """Apply one entry at the present cluster time."""
        return self.store.apply(self.store.applied_index + 1, Batch(self.time_ms, frames))

    def do(self, op: WriteOp) -> Any:
        """Apply one operation as an entry of its own; returns its reply."""
        return self.many(op)[0]

    def many(self, *ops: WriteOp) -> tuple[Reply, ...]:
        """Apply operations as one entry; returns their replies."""
        return self.entry(WriteFrame(INTERNAL_WRITER, 0, 1, ops)).replies[0]

    def refused(self, op: WriteOp) -> int:
        """Apply an operation that must fail; returns the error's code."""
        reply = self.do(op)
        assert isinstance(reply, ErrorReply), f"{op} was not refused: {reply}"
        return reply.code

    def at(self, time_ms: int) -> Applied:
        """Move cluster time with an entry that holds nothing."""
        self.time_ms = time_ms
        return self.entry()

    def restored(self) -> "Feed":
        """Return a feed of a store made from this one's snapshot."""
        return Feed(load(b"".join(self.store.snapshot())))


def load(snapshot: bytes) -> Store:
    """Return the store a whole snapshot holds."""
    loader = SnapshotLoader()
    loader.feed(snapshot)
    return loader.finish()
