"""Writes on their way: numbered, packed, sent, repeated with the same numbers, answered once.

A client registers as a writer before its first write. Requests of one turn of the loop share a
frame; while frames are unanswered, further ones gather for half a millisecond before they leave.
A packet keeps its numbers through every attempt, so the store applies each write at most once
however often its frame arrives.
"""

from coord import limits
from coord.client.answers import (
    Waiter,
    deliver,
    error_of,
    fail,
    is_passing,
    is_unknown,
    late_error,
)
from coord.client.pacing import Pacing
from coord.client.packets import NEVER_MS, WritePacket, has_error
from coord.client.routes import Routes, Wire
from coord.client.settings import Settings
from coord.client.write_queue import WriteQueue
from coord.codec import client_frames
from coord.errors import ErrorCode, error_from
from coord.frames import WriteFrame, WriteRejected, WriteReply
from coord.requests import ErrorReply, OpenWriter, Reply, WriteOp, WriterReply

LINGER_MS = 0.5
LINGER_OPS = 512  # so many waiting writes leave without lingering
FLIGHT_BYTES_MAX = 2 * limits.FRAME_BYTES_MAX
WRITER_RENEW_MS = limits.WRITER_TTL_MS / 2
_UNSENT_RETRIES_AT_ONCE = 2


class WriteLane:
    """All writes of one client."""

    def __init__(self, settings: Settings, routes: Routes, wire: Wire) -> None:
        self._settings = settings
        self._routes = routes
        self._wire = wire
        self._pacing = Pacing(settings)
        self._queue = WriteQueue(settings)
        self._packets: dict[int, WritePacket] = {}  # by first number, ascending
        self._next_seq = 1
        self._flight_bytes = 0
        self._flushed_ms = 0.0
        self._hold_until_ms = 0.0
        self._writer = 0
        self._writer_proven_ms = 0.0
        self._opening: WritePacket | None = None
        self._was_opened_once = False

    @property
    def is_busy(self) -> bool:
        """Whether some write waits or is under way."""
        return bool(self._packets) or len(self._queue) > 0 or self._opening is not None

    @property
    def may_close_writer(self) -> bool:
        """Whether the cluster keeps a record for this client that it may drop at once.

        It may not while a copy of the registration can still be under way: arriving late, that
        would open the writer anew, with no record, and a late copy of a write be done again. A
        record left behind ends by itself, long after every copy has.
        """
        return self._writer != 0 and self._opening is None and self._was_opened_once

    def submit(self, op: WriteOp, size_bytes: int, deadline_ms: float, waiter: Waiter) -> None:
        """Take one write; it leaves with the next flush.

        Raises:
            Unavailable: too many wait already; this one was not taken.
        """
        self._queue.add(op, size_bytes, deadline_ms, waiter)

    # --- out ---

    def flush(self, now_ms: float) -> float:
        """Send what may leave now.

        Returns:
            When to call again for writes that linger; 0 when none does.
        """
        while len(self._queue) and self._may_number(now_ms):
            if self._packets and not self._queue.is_large(LINGER_OPS):
                due_ms = self._flushed_ms + LINGER_MS
                if now_ms < due_ms:
                    return due_ms
            if not self._pack(now_ms):
                break
            self._flushed_ms = now_ms
        return 0.0

    def _may_number(self, now_ms: float) -> bool:
        """Whether numbers may be given out: the writer stands and nothing asks to hold back."""
        if self._opening is not None:
            return False
        idle = not self._packets and now_ms - self._writer_proven_ms > WRITER_RENEW_MS
        if self._writer == 0 or idle:
            self._open_writer(now_ms)
            return False
        return now_ms >= self._hold_until_ms and self._flight_bytes < FLIGHT_BYTES_MAX

    def _open_writer(self, now_ms: float) -> None:
        self._writer = self._settings.draw(2, 2**63 - 1)
        self._opening = WritePacket(self._writer, 0, [OpenWriter()], [None], [NEVER_MS])
        self._encode(self._opening, 0)
        self._send(self._opening, now_ms)

    def _pack(self, now_ms: float) -> bool:
        unanswered_from = next(iter(self._packets), self._next_seq)
        room = limits.WRITER_PENDING_MAX - (self._next_seq - unanswered_from)
        if room <= 0:
            return False
        ops, waiters, deadlines_ms = self._queue.take(min(room, limits.FRAME_OPS_MAX))
        packet = WritePacket(self._writer, self._next_seq, ops, waiters, deadlines_ms)
        self._next_seq += len(ops)
        self._encode(packet, unanswered_from)
        self._packets[packet.first_seq] = packet
        self._flight_bytes += len(packet.encoded)
        self._send(packet, now_ms)
        return True

    def _encode(self, packet: WritePacket, ack_below: int) -> None:
        frame = WriteFrame(packet.writer, ack_below, packet.first_seq, tuple(packet.ops))
        packet.encoded = client_frames.encode(frame)

    def _send(self, packet: WritePacket, now_ms: float) -> None:
        """Make an attempt, elsewhere than the last one if possible; plan what is next."""
        address = self._routes.for_writes(now_ms, avoid=packet.last_address)
        if address and self._wire.send(address, packet.encoded):
            packet.sent(address, now_ms, now_ms + self._pacing.late_ms(packet.attempts))
            return
        packet.last_address = address
        packet.step_at_ms = now_ms + self._settings.retry_ms

    # --- in ---

    def replied(self, frame: WriteReply, now_ms: float) -> None:
        """Take the answers to a frame; answers to what is answered already change nothing."""
        packet = self._find(frame.writer, frame.first_seq)
        if packet is None or len(packet.ops) != len(frame.replies):
            self._replied_in_part(frame, now_ms)
            return
        if packet.attempts == 1:
            self._pacing.answered(now_ms - packet.sent_ms)
        if packet is self._opening:
            self._opened(packet, frame.replies[0])
            return
        self._remove(packet)
        if has_error(frame.replies):
            self._sort_out(packet, frame.replies, now_ms)
        else:
            self._writer_proven_ms = max(self._writer_proven_ms, packet.sent_ms)
            deliver(packet.waiters, frame.replies)

    def _replied_in_part(self, frame: WriteReply, now_ms: float) -> None:
        """Take a late answer to a frame that has been cut since; its parts have own numbers."""
        end_seq = frame.first_seq + len(frame.replies)
        for packet in list(self._packets.values()):
            start = packet.first_seq - frame.first_seq
            inside = start >= 0 and packet.first_seq + len(packet.ops) <= end_seq
            if inside and packet.writer == frame.writer:
                self._remove(packet)
                self._sort_out(packet, frame.replies[start : start + len(packet.ops)], now_ms)

    def _opened(self, packet: WritePacket, reply: Reply) -> None:
        self._opening = None
        if isinstance(reply, WriterReply):
            self._writer_proven_ms = packet.sent_ms
            self._was_opened_once = not packet.unsure and sum(packet.open_attempts.values()) == 1
            return
        self._writer = 0
        detail = reply if isinstance(reply, ErrorReply) else ErrorReply(ErrorCode.MALFORMED)
        self._queue.fail_all(error_of(detail.code, detail.detail))

    def _sort_out(self, packet: WritePacket, replies: tuple[Reply, ...], now_ms: float) -> None:
        """Deliver what is final of answers with errors among them; ask again for the rest."""
        again: list[int] = []
        expired: list[int] = []
        for place, reply in enumerate(replies):
            if type(reply) is ErrorReply and is_unknown(reply.code):
                (expired if reply.code == ErrorCode.WRITER_EXPIRED else again).append(place)
            else:
                deliver((packet.waiters[place],), (reply,))
        if again:
            packet.unsure = True
            self._insert(packet.keep(again), now_ms)
        if expired:
            self._expired(packet, expired)

    def _expired(self, packet: WritePacket, places: list[int]) -> None:
        """The store forgot this writer: what was sent once is surely undone, and starts anew."""
        if packet.writer == self._writer and self._opening is None:
            self._writer = 0
        sent_once = packet.attempts == 1 and not packet.unsure
        for place in reversed(places):
            waiter = packet.waiters[place]
            if waiter is None or waiter.done():
                continue
            if sent_once:
                self._queue.put_back(packet.ops[place], packet.deadlines_ms[place], waiter)
            else:
                fail(waiter, error_from(ErrorCode.WRITER_EXPIRED))

    def rejected(self, address: str, frame: WriteRejected, now_ms: float) -> None:
        """Take the news that a frame was not proposed by the node at `address`."""
        packet = self._find(frame.writer, frame.first_seq)
        if packet is None:
            return
        refusal = (frame.code, frame.detail)
        if not packet.rejected(address, refusal, is_unknown(frame.code)):
            return
        if not is_passing(frame.code):
            self._refuse(packet, refusal)
            return
        pause_ms = self._pacing.pause_ms(packet.attempts)
        if frame.code == ErrorCode.TOO_MANY_REQUESTS:
            packet.last_address = ""  # the leader is the right place, only later
            self._hold_until_ms = now_ms + pause_ms
        elif frame.leader and packet.attempts <= _UNSENT_RETRIES_AT_ONCE:
            pause_ms = 0.0  # it was told where to go
        packet.step_at_ms = now_ms + pause_ms
        if pause_ms == 0.0:
            self._send(packet, now_ms)

    def _refuse(self, packet: WritePacket, refusal: tuple[int, str]) -> None:
        error = late_error(True, refusal) if packet.maybe_done else error_of(*refusal)
        if packet is self._opening:
            self._opening, self._writer = None, 0
            self._queue.fail_all(error)
            return
        self._remove(packet)
        for waiter in packet.waiters:
            fail(waiter, error)

    # --- time and connections ---

    def link_lost(self, address: str, now_ms: float) -> None:
        """Repeat elsewhere what was unanswered at `address`."""
        for packet in self._under_way():
            if packet.link_lost(address):
                self._send(packet, now_ms)

    def node_ready(self, now_ms: float) -> None:
        """Send what found no node before."""
        for packet in self._under_way():
            if not packet.address and packet.refusal is None:
                self._send(packet, now_ms)

    def tick(self, now_ms: float) -> None:
        """End what is past its deadline, repeat what is late or due again."""
        refusal = None if self._opening is None else self._opening.refusal
        self._queue.expire(now_ms, refusal)
        for packet in self._under_way():
            if packet.soonest_ms <= now_ms:
                packet.expire(now_ms)
                if not self._trim(packet, now_ms):
                    continue
            if packet.step_at_ms <= now_ms and self._is_wanted(packet):
                self._step(packet, now_ms)

    def close(self) -> None:
        """End everything; what never reached a node was not done."""
        self._queue.fail_all(error_from(ErrorCode.STOPPING, "the client was closed"))
        for packet in list(self._packets.values()):
            for waiter in packet.waiters:
                fail(waiter, late_error(packet.maybe_done, (ErrorCode.STOPPING, "client closed")))
        self._packets.clear()
        self._opening = None

    def _step(self, packet: WritePacket, now_ms: float) -> None:
        if packet.address:
            self._routes.shun(packet.address, now_ms + self._settings.attempt_ms)
            packet.address = ""
        self._send(packet, now_ms)

    def _is_wanted(self, packet: WritePacket) -> bool:
        """Whether to go on: a writer is opened only while writes wait for it."""
        return packet is not self._opening or len(self._queue) > 0

    def _trim(self, packet: WritePacket, now_ms: float) -> bool:
        """After some were told: False when the packet was replaced or is over.

        What was told "not done" must never be sent again, so it is cut out; what was told "maybe
        done" may travel on with its frame-mates.
        """
        if packet.is_abandoned:
            self._remove(packet)
            return False
        if packet.maybe_done:
            return True
        self._remove(packet)
        left = [place for place, until in enumerate(packet.deadlines_ms) if until != NEVER_MS]
        self._insert(packet.keep(left), now_ms)
        return False

    # --- the packets ---

    def _under_way(self) -> list[WritePacket]:
        packets = list(self._packets.values())
        return packets if self._opening is None else [self._opening, *packets]

    def _find(self, writer: int, first_seq: int) -> WritePacket | None:
        packet = self._packets.get(first_seq) if first_seq else self._opening
        return packet if packet is not None and packet.writer == writer else None

    def _remove(self, packet: WritePacket) -> None:
        del self._packets[packet.first_seq]
        self._flight_bytes -= len(packet.encoded)

    def _insert(self, parts: list[WritePacket], now_ms: float) -> None:
        for part in parts:
            self._packets[part.first_seq] = part
        self._packets = dict(sorted(self._packets.items()))
        unanswered_from = next(iter(self._packets))
        for part in parts:
            self._encode(part, unanswered_from)
            self._flight_bytes += len(part.encoded)
            part.step_at_ms = now_ms + self._pacing.pause_ms(part.attempts)
