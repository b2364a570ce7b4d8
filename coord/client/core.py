"""The client's protocol, whole, without input or output: requests, frames and time go in.

What goes out goes through two ports: frames and connections through a Wire, answers into the
Waiters the requests came with. Time is what the caller says it is, luck what it draws; two cores
given the same do the same.
"""

from collections.abc import Callable

from coord.client.answers import Waiter
from coord.client.leases import LeaseKeeper, Renewal
from coord.client.packets import NEVER_MS
from coord.client.reads import LEADER, ReadLane
from coord.client.routes import Routes, Wire
from coord.client.settings import Settings
from coord.client.watches import HeldWatch, Receipt, WatchSink, WatchTable
from coord.client.writes import WriteLane
from coord.codec import node_frames
from coord.errors import ErrorCode, ProtocolError, error_from
from coord.frames import (
    FrameRejected,
    HelloReply,
    NodeFrame,
    ReadRejected,
    ReadReply,
    WatchCanceled,
    WatchCreate,
    WatchCreated,
    WatchEvents,
    WatchProgress,
    WriteRejected,
    WriteReply,
)
from coord.requests import LeaseKeepAlive, ReadOp, WriteOp

TICK_MS = 20.0  # while something waits: how exactly deadlines and repeats are kept
_RENEWAL_BYTES = 16
_WATCH_FRAMES = (WatchCreated, WatchEvents, WatchProgress, WatchCanceled)


class ClientCore:
    """All of one client's requests, watches and leases, and its idea of the cluster.

    Call `flush` once after a turn's requests and frames, and `tick` when `next_wake_ms` says.
    """

    def __init__(self, settings: Settings, wire: Wire) -> None:
        self._settings = settings
        self.routes = Routes(settings, wire)
        self.writes = WriteLane(settings, self.routes, wire)
        self.reads = ReadLane(settings, self.routes, wire)
        self.watches = WatchTable(settings, self.routes, wire)
        self.leases = LeaseKeeper(self._submit_renewal)
        self.malformed_count = 0

    # --- requests ---

    def start(self, now_ms: float) -> None:
        """Connect."""
        self.routes.start(now_ms)

    def write(self, op: WriteOp, size_bytes: int, deadline_ms: float, waiter: Waiter) -> None:
        """Take one write; Unavailable when too many wait."""
        self.writes.submit(op, size_bytes, deadline_ms, waiter)

    def read(
        self, op: ReadOp, serializable: bool, pinned: str, deadline_ms: float, waiter: Waiter
    ) -> None:
        """Take one read, see `ReadLane.submit`; Unavailable when too many wait."""
        if pinned and pinned != LEADER:
            self.routes.add(pinned)
        self.reads.submit(op, serializable, pinned, deadline_ms, waiter)

    def watch(self, wish: WatchCreate, sink: WatchSink, now_ms: float) -> HeldWatch:
        """Make a watch."""
        return self.watches.add(wish, sink, now_ms)

    def cancel(self, held: HeldWatch) -> None:
        """Stop a watch."""
        self.watches.cancel(held)

    def consumed(self, receipt: Receipt) -> None:
        """Take back the receipt of watch events the application has consumed."""
        self.watches.consumed(receipt)

    def keep(self, lease: int, ttl_ms: float, sent_ms: float, lose: Callable[[], None]) -> None:
        """Keep a lease alive; see `LeaseKeeper.keep`."""
        self.leases.keep(lease, ttl_ms, sent_ms, lose)

    def release(self, lease: int) -> None:
        """Stop keeping a lease."""
        self.leases.release(lease)

    # --- news from outside ---

    def linked(self, address: str, now_ms: float) -> None:
        """Note that the connection to `address` stands."""
        self.routes.linked(address, now_ms)

    def unlinked(self, address: str, now_ms: float) -> None:
        """Note that the connection to `address` is gone, and all in flight on it."""
        self.routes.unlinked(address, now_ms)
        self._link_lost(address, now_ms)

    def received(self, address: str, payload: bytes, now_ms: float) -> None:
        """Take one frame. Bytes that are none are counted and dropped."""
        try:
            frame = node_frames.decode(payload)
        except ProtocolError:
            self.malformed_count += 1
            return
        self.routes.heard(address)
        if type(frame) not in _WATCH_FRAMES:
            self.routes.took(address, len(payload))
        if type(frame) is WriteReply:
            self.routes.believe(frame.leader)
            self.writes.replied(frame, now_ms)
        elif type(frame) is ReadReply:
            self.reads.replied(frame, now_ms)
        elif type(frame) is WatchEvents:
            self.watches.events(address, frame, len(payload))
        else:
            self._received_rare(address, frame, now_ms)

    def _received_rare(self, address: str, frame: NodeFrame, now_ms: float) -> None:
        match frame:
            case HelloReply():
                if self.routes.greeted(address, frame, now_ms):
                    self._node_ready(now_ms)
            case WriteRejected():
                self._believe_refusal(address, frame)
                self.writes.rejected(address, frame, now_ms)
            case ReadRejected():
                self._believe_refusal(address, frame)
                self.reads.rejected(address, frame, now_ms)
            case WatchCreated():
                self.watches.created(address, frame)
            case WatchProgress():
                self.watches.progress(address, frame)
            case WatchCanceled():
                self.watches.canceled(address, frame, now_ms)
            case FrameRejected():
                self.routes.shun(address, now_ms + self._settings.silence_ms)
            case _:
                raise AssertionError(frame)

    def _believe_refusal(self, address: str, frame: WriteRejected | ReadRejected) -> None:
        if frame.code in (ErrorCode.NOT_LEADER, ErrorCode.NO_LEADER):
            self.routes.doubt(address)
        self.routes.believe(frame.leader)

    def _node_ready(self, now_ms: float) -> None:
        self.writes.node_ready(now_ms)
        self.reads.node_ready(now_ms)
        self.watches.node_ready(now_ms)

    def _link_lost(self, address: str, now_ms: float) -> None:
        self.writes.link_lost(address, now_ms)
        self.reads.link_lost(address, now_ms)
        self.watches.link_lost(address, now_ms)

    # --- time ---

    def flush(self, now_ms: float) -> float:
        """Send what may leave now.

        Returns:
            When to flush again for requests that linger to share a frame; 0 when none does.
        """
        writes_ms = self.writes.flush(now_ms)
        reads_ms = self.reads.flush(now_ms)
        if writes_ms and reads_ms:
            return min(writes_ms, reads_ms)
        return writes_ms or reads_ms

    def tick(self, now_ms: float) -> None:
        """Do what time has made due."""
        for address in self.routes.tick(now_ms, self.watches.lives_at):
            self._link_lost(address, now_ms)
        for address in self.routes.cut_off(now_ms, self.watches.lives_at):
            self.watches.leave(address, now_ms)
        self.leases.tick(now_ms)
        self.writes.tick(now_ms)
        self.reads.tick(now_ms)
        self.watches.tick(now_ms)

    def next_wake_ms(self, now_ms: float) -> float:
        """Return when `tick` is wanted next; infinity when nothing waits."""
        if (
            self.writes.is_busy
            or self.reads.is_busy
            or self.watches.is_waiting
            or self.routes.waits_for_greeting()
        ):
            return now_ms + TICK_MS
        heartbeat_ms = now_ms + self._settings.heartbeat_ms if len(self.watches) else NEVER_MS
        return min(self.leases.wake_ms, heartbeat_ms)

    def close(self) -> None:
        """End every request and watch; connections are the caller's to close."""
        self.writes.close()
        self.reads.close()
        self.watches.close(error_from(ErrorCode.STOPPING, "the client was closed"))

    def _submit_renewal(self, op: LeaseKeepAlive, until_ms: float, renewal: Renewal) -> None:
        self.writes.submit(op, _RENEWAL_BYTES, until_ms, renewal)
