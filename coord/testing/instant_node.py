"""A node without log, peers or sockets: a store that answers a client in the same process.

For tests and measurements of clients. Semantics are the real store's; durability, elections and
the network are left out. One thread only: the client's event loop.
"""

import math
import os
from collections import deque
from collections.abc import Callable

import attrs

from coord.codec import client_frames, node_frames
from coord.errors import CoordError, ErrorCode
from coord.frames import (
    PROTOCOL_VERSION,
    Batch,
    ClientFrame,
    Hello,
    HelloReply,
    NodeFrame,
    ReadFrame,
    ReadReply,
    WatchCancel,
    WatchCanceled,
    WatchCreate,
    WatchCreated,
    WatchEvents,
    WriteFrame,
    WriteReply,
)
from coord.ids import LogIndex
from coord.requests import Reply
from coord.store.machine import Store
from coord.store.watches import WatchSpec, select
from transport.base import LinkEvent

CLUSTER, NODE = 5, 1


@attrs.define
class _Watch:
    number: int
    spec: WatchSpec
    next_revision: int


class InstantNode:
    """One store, for any number of channels.

    Args:
        time_ms: cluster time; leases end as it passes.
    """

    def __init__(self, time_ms: Callable[[], float]) -> None:
        self._time_ms = time_ms
        self._index = 0
        self.store = Store()
        self.channels: list[InstantChannel] = []
        self.frames_taken = 0

    def take(self, channel: "InstantChannel", frame: ClientFrame) -> None:
        """Serve one frame at once."""
        self.frames_taken += 1
        match frame:
            case WriteFrame():
                self._write(channel, frame)
            case ReadFrame():
                replies = tuple(self.store.read(op) for op in frame.ops)
                channel.say(ReadReply(frame.request, replies))
            case Hello():
                revision = self.store.revision
                channel.say(HelloReply(PROTOCOL_VERSION, CLUSTER, NODE, NODE, 1, revision, ()))
            case WatchCreate():
                spec = WatchSpec(
                    frame.key, frame.range_end, frame.prev_kv, frame.no_put, frame.no_delete
                )
                start = frame.start_revision or self.store.revision + 1
                channel.watches[frame.watch] = _Watch(frame.watch, spec, start)
                channel.say(WatchCreated(frame.watch, self.store.revision))
                self._tell(channel)
            case WatchCancel():
                channel.watches.pop(frame.watch, None)
            case _:
                pass  # credit: nothing is held back here

    def apply(self, frame: WriteFrame) -> tuple[Reply, ...]:
        """Apply writes as one entry; tells every watch."""
        self._index += 1
        batch = Batch(int(self._time_ms()), (frame,))
        (replies,) = self.store.apply(LogIndex(self._index), batch).replies
        for channel in self.channels:
            self._tell(channel)
        return replies

    def _write(self, channel: "InstantChannel", frame: WriteFrame) -> None:
        channel.say(WriteReply(frame.writer, frame.first_seq, NODE, self.apply(frame)))

    def _tell(self, channel: "InstantChannel") -> None:
        for watch in list(channel.watches.values()):
            first, last = watch.next_revision, self.store.revision
            if first > last:
                continue
            try:
                revisions = self.store.events(first, last)
            except CoordError:
                del channel.watches[watch.number]
                channel.say(
                    WatchCanceled(watch.number, self.store.compact_revision, ErrorCode.COMPACTED)
                )
                continue
            watch.next_revision = last + 1
            chosen = [e for events in revisions for e in select(watch.spec, events)]
            if chosen:
                channel.say(WatchEvents((watch.number,), last, False, tuple(chosen)))


class InstantChannel:
    """A client's channel to an InstantNode.

    Args:
        node: who answers; None for an address where nobody is.
    """

    signals_once = False
    due_ms = math.inf

    def __init__(self, node: InstantNode | None) -> None:
        self._node = node
        self._said: deque[bytes] = deque()
        self._events = [LinkEvent.UP] if node is not None else []
        self._signal = os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.watches: dict[int, _Watch] = {}
        if node is not None:
            node.channels.append(self)

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptor that is readable while there is news."""
        return (self._signal,)

    def send(self, payload: bytes) -> bool:
        """Have one frame served at once; False when there is no node here."""
        if self._node is None:
            return False
        self._node.take(self, client_frames.decode(payload))
        return True

    def say(self, frame: NodeFrame) -> None:
        """Queue a frame towards the client."""
        self._said.append(node_frames.encode(frame))
        os.eventfd_write(self._signal, 1)

    def receive(self, max_messages: int) -> list[bytes]:
        """Take what was said."""
        taken = [self._said.popleft() for _ in range(min(max_messages, len(self._said)))]
        if not self._said:
            self._calm()
        return taken

    def pending(self) -> bool:
        """Whether something was said; the descriptor tells that too."""
        return False

    def link_events(self) -> list[LinkEvent]:
        """Tell what happened to the link."""
        events, self._events = self._events, []
        return events

    def cut(self) -> None:
        """Break the connection and make it again; what was said and not taken is lost."""
        self._said.clear()
        self.watches.clear()
        self._events = [LinkEvent.DOWN, LinkEvent.UP]
        os.eventfd_write(self._signal, 1)

    def close(self) -> None:
        """Leave."""
        os.close(self._signal)
        if self._node is not None and self in self._node.channels:
            self._node.channels.remove(self)

    def _calm(self) -> None:
        try:
            os.eventfd_read(self._signal)
        except BlockingIOError:
            return  # it was calm


@attrs.define
class InstantDialer:
    """Dials instant nodes by address; an unknown address is one where nobody is."""

    nodes: dict[str, InstantNode]

    def dial(self, address: str) -> InstantChannel:
        """Connect."""
        return InstantChannel(self.nodes.get(address))

    def close(self) -> None:
        """Nothing is shared."""
