"""Reads on their way: packed, sent, freely repeated, since asking twice changes nothing."""

from coord.client.answers import (
    Waiter,
    deliver,
    error_of,
    fail,
    is_passing,
    late_error,
)
from coord.client.pacing import Pacing
from coord.client.packets import ReadPacket, has_error
from coord.client.routes import Routes, Wire
from coord.client.settings import Settings
from coord.codec import client_frames
from coord.errors import ErrorCode, error_from
from coord.frames import ReadFrame, ReadRejected, ReadReply
from coord.requests import ErrorReply, ReadOp, Reply

LINGER_MS = 0.5
FRAME_OPS_MAX = 512  # answers may be large, and share a frame as the questions did

LEADER = "leader"
"""Stands for whichever node leads, where an address is asked for."""

Column = tuple[list[ReadOp], list[Waiter | None], list[float]]
Kind = tuple[bool, str]
"""Serializable or not; the address it must go to, "" for any."""


class ReadLane:
    """All reads of one client."""

    def __init__(self, settings: Settings, routes: Routes, wire: Wire) -> None:
        self._settings = settings
        self._routes = routes
        self._wire = wire
        self._pacing = Pacing(settings)
        self._queued: dict[Kind, Column] = {}
        self._queued_count = 0
        self._packets: dict[int, ReadPacket] = {}
        self._flight_count = 0
        self._flushed_ms = 0.0
        self._request = 0

    @property
    def is_busy(self) -> bool:
        """Whether some read waits or is under way."""
        return bool(self._packets) or self._queued_count > 0

    def submit(
        self, op: ReadOp, serializable: bool, pinned: str, deadline_ms: float, waiter: Waiter
    ) -> None:
        """Take one read; it leaves with the next flush.

        Args:
            op: the read.
            serializable: whether a maybe stale answer will do.
            pinned: the address that must answer; LEADER; "" for whichever is best.
            deadline_ms: when to give up.
            waiter: whom to tell.

        Raises:
            Unavailable: too many wait already; this one was not taken.
        """
        if self._queued_count + self._flight_count >= self._settings.pending_max:
            raise error_from(ErrorCode.TOO_MANY_REQUESTS, "this client's queue is full")
        column = self._queued.get((serializable, pinned))
        if column is None:
            column = self._queued[serializable, pinned] = ([], [], [])
        column[0].append(op)
        column[1].append(waiter)
        column[2].append(deadline_ms)
        self._queued_count += 1

    def flush(self, now_ms: float) -> float:
        """Send what may leave now; returns as `WriteLane.flush` does."""
        if not self._queued_count:
            return 0.0
        due_ms = self._flushed_ms + LINGER_MS
        if self._packets and self._queued_count < FRAME_OPS_MAX and now_ms < due_ms:
            return due_ms
        for (serializable, pinned), column in self._queued.items():
            self._pack(serializable, pinned, column, now_ms)
        self._queued.clear()
        self._queued_count = 0
        self._flushed_ms = now_ms
        return 0.0

    def _pack(self, serializable: bool, pinned: str, column: Column, now_ms: float) -> None:
        ops, waiters, deadlines_ms = column
        for start in range(0, len(ops), FRAME_OPS_MAX):
            part = slice(start, start + FRAME_OPS_MAX)
            self._request += 1
            packet = ReadPacket(
                self._request, serializable, pinned, ops[part], waiters[part], deadlines_ms[part]
            )
            frame = ReadFrame(packet.request, serializable, tuple(packet.ops))
            packet.encoded = client_frames.encode(frame)
            self._add(packet)
            self._send(packet, now_ms)

    def _send(self, packet: ReadPacket, now_ms: float) -> None:
        address = packet.pinned
        if address == LEADER:
            address = self._routes.for_writes(now_ms, avoid=packet.last_address)
        elif not address:
            address = self._routes.for_reads(now_ms, avoid=packet.last_address)
        ready = address and self._routes.is_ready(address)
        if ready and self._wire.send(address, packet.encoded):
            packet.sent(address, now_ms, now_ms + self._pacing.late_ms(packet.attempts))
            return
        packet.last_address = address
        packet.step_at_ms = now_ms + self._settings.retry_ms

    def replied(self, frame: ReadReply, now_ms: float) -> None:
        """Take the answers to a frame; a second answer changes nothing."""
        packet = self._packets.get(frame.request)
        if packet is None or len(packet.ops) != len(frame.replies):
            return
        if packet.attempts == 1:
            self._pacing.answered(now_ms - packet.sent_ms)
        self._remove(packet)
        if has_error(frame.replies):
            self._sort_out(packet, frame.replies, now_ms)
        else:
            deliver(packet.waiters, frame.replies)

    def _sort_out(self, packet: ReadPacket, replies: tuple[Reply, ...], now_ms: float) -> None:
        """Deliver what is final of answers with errors among them; ask again for the rest."""
        for place, reply in enumerate(replies):
            waiter = packet.waiters[place]
            if type(reply) is not ErrorReply:
                deliver((waiter,), (reply,))
            elif reply.code == ErrorCode.REPLY_TOO_LARGE and len(replies) > 1:
                # Together they were too large; alone they may not be.
                self._ask_again(packet, place, now_ms)
            elif is_passing(reply.code):
                again = self._ask_again(packet, place, now_ms + self._settings.retry_ms)
                again.refusal = (reply.code, reply.detail)
                if reply.code == ErrorCode.NOT_LEADER:
                    self._routes.doubt(packet.last_address)
            else:
                deliver((waiter,), (reply,))

    def _ask_again(self, packet: ReadPacket, place: int, step_at_ms: float) -> ReadPacket:
        """Plan to repeat one read of a frame, alone."""
        self._request += 1
        again = ReadPacket(
            self._request,
            packet.serializable,
            packet.pinned,
            [packet.ops[place]],
            [packet.waiters[place]],
            [packet.deadlines_ms[place]],
        )
        frame = ReadFrame(again.request, again.serializable, tuple(again.ops))
        again.encoded = client_frames.encode(frame)
        again.last_address = packet.last_address if packet.pinned == LEADER else ""
        again.step_at_ms = step_at_ms
        self._add(again)
        return again

    def _add(self, packet: ReadPacket) -> None:
        self._packets[packet.request] = packet
        self._flight_count += len(packet.ops)

    def _remove(self, packet: ReadPacket) -> None:
        del self._packets[packet.request]
        self._flight_count -= len(packet.ops)

    def rejected(self, address: str, frame: ReadRejected, now_ms: float) -> None:
        """Take the news that the node at `address` could not serve a frame."""
        packet = self._packets.get(frame.request)
        if packet is None or not packet.rejected(address, (frame.code, frame.detail), False):
            return
        if is_passing(frame.code):
            packet.step_at_ms = now_ms + self._pacing.pause_ms(packet.attempts)
            if frame.code == ErrorCode.STOPPING:
                self._routes.shun(address, now_ms + self._settings.attempt_ms)
            return
        self._remove(packet)
        error = error_of(frame.code, frame.detail)
        for waiter in packet.waiters:
            fail(waiter, error)

    def link_lost(self, address: str, now_ms: float) -> None:
        """Repeat elsewhere what was unanswered at `address`."""
        for packet in list(self._packets.values()):
            if packet.link_lost(address):
                self._send(packet, now_ms)

    def node_ready(self, now_ms: float) -> None:
        """Send what found no node before."""
        for packet in list(self._packets.values()):
            if not packet.address and packet.refusal is None:
                self._send(packet, now_ms)

    def tick(self, now_ms: float) -> None:
        """End what is past its deadline, repeat what is late or due again."""
        for packet in list(self._packets.values()):
            if packet.soonest_ms <= now_ms:
                packet.expire(now_ms, changes_nothing=True)
                if packet.is_abandoned:
                    self._remove(packet)
                    continue
            if packet.step_at_ms <= now_ms:
                if packet.address:
                    self._routes.shun(packet.address, now_ms + self._settings.attempt_ms)
                    packet.address = ""
                self._send(packet, now_ms)

    def close(self) -> None:
        """End everything."""
        error = late_error(False, (ErrorCode.STOPPING, "the client was closed"))
        for _, waiters, _ in self._queued.values():
            for waiter in waiters:
                fail(waiter, error)
        for packet in self._packets.values():
            for waiter in packet.waiters:
                fail(waiter, error)
        self._queued.clear()
        self._packets.clear()
        self._queued_count = self._flight_count = 0
