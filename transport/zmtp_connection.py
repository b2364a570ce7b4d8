"""One connection of a node, read and written without ever waiting.

Speaks transport.zmtp_wire over a stream socket. What cannot be sent at once waits in a queue of
bounded length. Whoever owns the connection is told of what arrives by what read() returns, and of
its end by ConnectionEnded.
"""

import socket as network
import struct
from collections import deque
from collections.abc import Callable
from itertools import islice

from transport.settings import LinkSettings
from transport.zmtp_wire import (
    GREETING,
    Decoder,
    Event,
    Ping,
    Ready,
    ZmtpError,
    message_head,
    pong,
    ready,
)

_EVENTS_PER_TURN = 256  # of one connection; then the others have their turn
_BUFFERS_PER_SEND = 64  # far below what a system takes at once
_INT = struct.Struct("i")
READ_BYTES = 64 * 1024
"""How much is read at a time; the size of the scratch buffer a connection is given."""

Interest = Callable[[int, bool], None]
"""Told (descriptor, whether to wake up when it can be written again)."""


class ConnectionEnded(Exception):
    """The connection is over; the text is what to tell of it, empty if the other side just left."""


class Connection:
    """A stream socket that speaks ZMTP."""

    __slots__ = ("_decoder", "_interest", "_is_waiting", "_outgoing", "_queue_messages", "_scratch",
                 "_sent_bytes", "_stream", "began_ms", "fileno", "heard_ms", "is_ready", "remote",
                 "route", "ttl_ms")  # fmt: skip

    def __init__(
        self,
        stream: network.socket,
        kind: bytes,
        decoder: Decoder,
        settings: LinkSettings,
        scratch: memoryview,
        interest: Interest,
        now_ms: float,
        *,
        is_connected: bool = True,
    ) -> None:
        """Queue the greeting; nothing is sent before flush().

        Args:
            stream: connected or about to be, non-blocking; closed by close().
            kind: the socket type this side tells.
            decoder: new.
            settings: how much may wait.
            scratch: READ_BYTES to read into, shared by all connections of a thread.
            interest: told when to wait for room to write.
            now_ms: the time.
            is_connected: False: on its way, and already watched for room to write.
        """
        self._stream = stream
        self._decoder = decoder
        self._queue_messages = settings.queue_messages
        self._scratch = scratch
        self._interest = interest
        self._outgoing: deque[bytes | memoryview] = deque((GREETING + ready(kind),))
        self._is_waiting = not is_connected
        self._sent_bytes = 0
        self.fileno = stream.fileno()
        self.is_ready = False
        """Whether the handshake is done."""
        self.began_ms = now_ms
        self.heard_ms = now_ms
        """When something last arrived."""
        self.ttl_ms = 0
        """After so long a silence the other side counts as gone; 0 while it has not said."""
        self.route = b""
        """The name its owner knows it by."""
        self.remote = ""
        """Its address, for a log."""

    @property
    def is_full(self) -> bool:
        """Whether no further message can be queued."""
        return len(self._outgoing) >= self._queue_messages

    @property
    def unsent(self) -> int:
        """How many messages wait to be sent."""
        return len(self._outgoing)

    @property
    def held_bytes(self) -> int:
        """How much is kept of a message that has not come to its end."""
        return self._decoder.held_bytes

    @property
    def queued_bytes(self) -> int:
        """How much was ever queued, the greeting and commands included."""
        return self._sent_bytes + sum(map(len, self._outgoing))

    @property
    def taken_bytes(self) -> int:
        """How much of that has come as far as the other side's system."""
        return self._sent_bytes - _on_its_way(self._stream)

    def queue(self, header: bytes, payload: bytes) -> None:
        """Add a message of one part, header and payload, to what flush() sends.

        The bound on the queue is the caller's to ask for: see is_full.
        """
        size_bytes = len(header) + len(payload)
        self._outgoing.append(b"".join((message_head(size_bytes), header, payload)))

    def queue_command(self, command: bytes) -> None:
        """Add a command to what flush() sends; dropped when the queue is full."""
        if not self.is_full:
            self._outgoing.append(command)

    def flush(self) -> None:
        """Send as much as fits; the rest leaves when there is room.

        Raises:
            ConnectionEnded: it is over.
        """
        outgoing = self._outgoing
        try:
            while outgoing:
                if len(outgoing) == 1:
                    sent = self._stream.send(outgoing[0])
                else:
                    sent = self._stream.sendmsg(list(islice(outgoing, _BUFFERS_PER_SEND)))
                self._forget(sent)
        except (BlockingIOError, InterruptedError):
            if not self._is_waiting:
                self._is_waiting = True
                self._interest(self.fileno, True)
            return
        except OSError as error:
            raise ConnectionEnded(self._parting()) from error
        if self._is_waiting:
            self._is_waiting = False
            self._interest(self.fileno, False)

    def read(self, now_ms: float) -> tuple[list[Event], bool]:
        """Take in what has arrived, up to READ_BYTES; answers signs of life by itself.

        Returns:
            What was completed, and whether to read on: there may be more, and it was not much.

        Raises:
            ConnectionEnded: the other side left, or broke the protocol.
        """
        try:
            size_bytes = self._stream.recv_into(self._scratch)
        except (BlockingIOError, InterruptedError):
            return [], False
        except OSError as error:
            raise ConnectionEnded(self._parting()) from error
        if size_bytes == 0:
            raise ConnectionEnded(self._parting())
        self.heard_ms = now_ms
        try:
            events = self._decoder.feed(bytes(self._scratch[:size_bytes]))
        except ZmtpError as error:
            raise ConnectionEnded(str(error)) from error
        is_asked = False
        for event in events:
            if type(event) is Ready:
                self.is_ready = True
            elif type(event) is Ping:
                self.ttl_ms = event.ttl_ms
                self.queue_command(pong(event.context))
                is_asked = True
        if is_asked:
            self.flush()
        return events, size_bytes == READ_BYTES and len(events) < _EVENTS_PER_TURN

    def is_silent(self, now_ms: float, handshake_ms: int) -> bool:
        """Whether the other side has been silent for longer than it may."""
        if not self.is_ready:
            return now_ms - self.began_ms > handshake_ms
        return 0 < self.ttl_ms < now_ms - self.heard_ms

    def close(self) -> None:
        """Close at once; what is unsent is lost."""
        self._stream.close()

    def _parting(self) -> str:
        return "" if self.is_ready else "left before it spoke the protocol"

    def _forget(self, sent: int) -> None:
        """Take off the queue what has been sent."""
        outgoing = self._outgoing
        self._sent_bytes += sent
        while sent:
            first = outgoing[0]
            if sent < len(first):
                outgoing[0] = memoryview(first)[sent:]
                return
            sent -= len(first)
            outgoing.popleft()


def _on_its_way(stream: network.socket) -> int:
    """Return how much this system still keeps of what was sent; 0 where it does not tell."""
    try:
        import fcntl  # not on every system
        import termios

        kept = fcntl.ioctl(stream, termios.TIOCOUTQ, bytes(_INT.size))
    except (ImportError, OSError):
        return 0
    return int(_INT.unpack(kept)[0])
