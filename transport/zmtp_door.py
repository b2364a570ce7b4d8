"""One port of a node: lets connections in, reads what they send, and turns strangers away.

All that arrives waits in one bounded inbox; while it is full nothing more is read, and TCP makes
the senders wait. Those who could not be read come first when there is room again, in the order in
which they began to wait: nobody is kept out by those who send more. A connection that is silent
for too long, or breaks the protocol, is closed; one that never spoke it is told to `on_refused`
with its address.
"""

import errno
import os
import socket as network
import struct
from collections import deque
from collections.abc import Callable

from transport.addresses import bound_address, let_go, listen, parse, prepare, reason_of
from transport.base import OnRefused
from transport.framing import HEADER_BYTES, Channel, find_fault, header, size_fault
from transport.refusal_report import RefusalReport
from transport.settings import LinkSettings
from transport.zmtp_connection import READ_BYTES, Connection, ConnectionEnded
from transport.zmtp_poller import WRITABLE, Poller, monotonic_ms
from transport.zmtp_wire import Decoder, Unfit

_ACCEPTS_PER_TURN = 64
_READS_PER_TURN = 16
_INBOX_BYTES_MAX = 4 * 1024 * 1024
_HALVES_BYTES_MAX = 256 * 1024 * 1024  # of messages that have not come to their end, all together
_READ_MS = 15.0  # of one wait(): what nobody wants to keep takes time, too, and fills no inbox
_SWEEP_MS = 50.0
_ACCEPT_PAUSE_MS = 500.0
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ROUTE_RANDOM_BYTES = 4
_HALVES = f"half a message too much: {_HALVES_BYTES_MAX} bytes are kept of all together"
_MUTE = "spoke another protocol, or nothing in time"

OnUnfit = Callable[[Connection, str], None]
"""Told of a message that is none of ours, and why."""


class Door:
    """A listening socket and the connections that came in by it. For one thread."""

    def __init__(
        self,
        address: str,
        channel: Channel,
        kind: bytes,
        welcome: bytes,
        settings: LinkSettings,
        poller: Poller,
        on_refused: OnRefused,
    ) -> None:
        """Listen.

        Args:
            address: tcp://HOST:PORT or ipc://PATH.
            channel: what our messages are marked with.
            kind: the socket type this side is.
            welcome: the socket type that may come in.
            settings: bounds and times.
            poller: told of every descriptor; its wait() lets connections in and reads.
            on_refused: told of strangers.

        Raises:
            TransportError: the address is taken or wrong; nothing is left open.
        """
        self._written = parse(address)
        self._listening = listen(self._written)
        self.address = bound_address(self._listening, self._written)
        self._header, self._channel = header(channel), channel
        self._kind, self._welcome = kind, frozenset((welcome,))
        self._settings = settings
        self._poller = poller
        self._strangers = RefusalReport(channel.name.lower(), on_refused)
        self.on_unfit: OnUnfit = lambda connection, fault: self._strangers.tell(
            fault, connection.remote
        )
        self._scratch = memoryview(bytearray(READ_BYTES))
        self._connections: dict[int, Connection] = {}
        self.routes: dict[bytes, Connection] = {}
        """Connections that have shown to speak the protocol, by name."""
        self._route_prefix = os.urandom(_ROUTE_RANDOM_BYTES)
        self._route_count = 0
        self.inbox: deque[tuple[bytes, bytes]] = deque()
        """(route, payload) pairs in order of arrival."""
        self._inbox_bytes = 0
        self._halves_bytes = 0
        self._unsent: set[Connection] = set()
        self._unread: dict[Connection, None] = {}  # ready and not read, in order
        self._round = 0
        self._read_until_ms = 0.0  # of this round of the poller
        self._is_closed = False
        self._next_sweep_ms = 0.0
        self._accepts_from_ms = 0.0  # no new connection before this; only after a shortage
        poller.add(self._listening.fileno(), self._on_knock)
        poller.tend(self)

    # --- what the owner asks ----------------------------------------------------------------

    @property
    def has_arrived(self) -> bool:
        """Whether there is something in the inbox."""
        return bool(self.inbox)

    def take(self) -> tuple[bytes, bytes]:
        """Take the oldest (route, payload) off the inbox, which is not empty."""
        taken = self.inbox.popleft()
        self._inbox_bytes -= len(taken[1])
        return taken

    def queue(self, connection: Connection, payload: bytes) -> bool:
        """Queue a message for flush() to send; False: its queue is full, or it is over."""
        if connection.is_full:
            self._flush_one(connection)
            if connection.route not in self.routes or connection.is_full:
                return False
        connection.queue(self._header, payload)
        self._unsent.add(connection)
        return True

    def flush(self) -> None:
        """Send what was queued, as far as there is room."""
        if self._unsent:
            unsent, self._unsent = self._unsent, set()
            for connection in unsent:
                self._flush_one(connection)

    def close(self, linger_ms: float = 0.0) -> None:
        """Stop listening; what is queued may still leave for so long. May be called again."""
        if self._is_closed:
            return
        self._is_closed = True
        self._accepts_from_ms = 0.0
        self._poller.remove(self._listening.fileno())
        let_go(self._listening, self._written)
        until_ms = monotonic_ms() + linger_ms
        self.flush()
        while linger_ms and monotonic_ms() < until_ms:
            if not any(one.unsent for one in self._connections.values()):
                break
            self._poller.wait(until_ms - monotonic_ms())
            self.inbox.clear()  # nobody will take it
            self._inbox_bytes = 0
        for connection in list(self._connections.values()):
            self._end(connection)
        self._poller.forget(self)

    # --- letting in -------------------------------------------------------------------------

    def _on_knock(self, _state: int) -> None:
        now_ms = monotonic_ms()
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                stream, peer_name = self._listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _SHORTAGES:
                    # The one who knocks stays in the system's queue; to ask again at once, for
                    # as long as nothing is free, would be all this thread did.
                    self._strangers.tell(f"not let in: {_shortage_of(error)} run out", "unknown")
                    self._accepts_from_ms = now_ms + _ACCEPT_PAUSE_MS
                    self._poller.remove(self._listening.fileno())
                    return
                continue  # it left before it was let in
            self._let_in(stream, peer_name, now_ms)

    def _let_in(self, stream: network.socket, peer_name: object, now_ms: float) -> None:
        try:
            prepare(stream)
        except OSError:
            stream.close()  # it left meanwhile
            return
        decoder = Decoder(self._welcome, self._settings.receive_bytes_max + HEADER_BYTES)
        connection = Connection(
            stream, self._kind, decoder, self._settings, self._scratch, self._poller.watch_room,
            now_ms,
        )  # fmt: skip
        connection.remote = _remote_of(stream, peer_name)
        self._route_count += 1
        connection.route = self._route_prefix + self._route_count.to_bytes(6, "big")
        try:
            self._poller.add(connection.fileno, lambda state: self._on_ready(connection, state))
        except OSError as error:
            connection.close()  # the system bounds what may be watched, too
            self._strangers.tell(f"not let in: {reason_of(error)}", connection.remote)
            return
        self._connections[connection.fileno] = connection
        self._flush_one(connection)

    # --- reading ----------------------------------------------------------------------------

    def _on_ready(self, connection: Connection, state: int) -> None:
        if state & WRITABLE:
            self._flush_one(connection)
        if state & ~WRITABLE:
            now_ms = monotonic_ms()
            if self._round != self._poller.round:
                self._round = self._poller.round
                self._read_until_ms = now_ms + _READ_MS
            unread = self._unread
            unread[connection] = None  # one that waits keeps its place
            while unread and self._may_read(now_ms):
                first = next(iter(unread))
                del unread[first]
                self._read_on(first, now_ms)
                now_ms = monotonic_ms()

    def _may_read(self, now_ms: float) -> bool:
        return (
            len(self.inbox) < self._settings.queue_messages
            and self._inbox_bytes < _INBOX_BYTES_MAX
            and now_ms < self._read_until_ms
        )

    def _read_on(self, connection: Connection, now_ms: float) -> None:
        """Read for as long as it is this connection's turn."""
        for _ in range(_READS_PER_TURN):
            if not self._read(connection, now_ms):
                return
            now_ms = monotonic_ms()
            if not self._may_read(now_ms):
                return

    def _read(self, connection: Connection, now_ms: float) -> bool:
        """Read once; whether there may be more."""
        held_bytes = connection.held_bytes
        try:
            events, is_more = connection.read(now_ms)
        except ConnectionEnded as ended:
            self._end(connection, str(ended))
            return False
        finally:
            self._halves_bytes += connection.held_bytes - held_bytes
        for event in events:
            if type(event) is bytes:
                if event.startswith(self._header):
                    self.inbox.append((connection.route, event[HEADER_BYTES:]))
                    self._inbox_bytes += len(event) - HEADER_BYTES
                else:
                    fault = find_fault(event, self._channel, self._settings.receive_bytes_max)
                    self.on_unfit(connection, fault)
            elif type(event) is Unfit:
                self.on_unfit(connection, self._fault_of(event))
        if connection.is_ready and connection.route not in self.routes:
            self.routes[connection.route] = connection
        if self._halves_bytes > _HALVES_BYTES_MAX:
            self._end(max(self._connections.values(), key=lambda one: one.held_bytes), _HALVES)
        return is_more and connection.fileno in self._connections

    def _fault_of(self, unfit: Unfit) -> str:
        if unfit.parts > 1:
            return f"message of {unfit.parts} parts; expected 1"
        return size_fault(unfit.size_bytes - HEADER_BYTES, self._settings.receive_bytes_max)

    # --- time and ends ----------------------------------------------------------------------

    def tend(self, now_ms: float) -> None:
        """Close who is silent for too long; let in again after a pause."""
        if now_ms < self._next_sweep_ms:
            return
        self._next_sweep_ms = now_ms + _SWEEP_MS
        if self._accepts_from_ms and now_ms >= self._accepts_from_ms:
            try:
                self._poller.add(self._listening.fileno(), self._on_knock)
                self._accepts_from_ms = 0.0
            except OSError:
                self._accepts_from_ms = now_ms + _ACCEPT_PAUSE_MS
        handshake_ms = self._settings.handshake_ms
        for connection in list(self._connections.values()):
            if connection.is_silent(now_ms, handshake_ms):
                self._read(connection, now_ms)  # it may be this side that did not listen
                if connection.is_silent(now_ms, handshake_ms):
                    is_stranger = not connection.is_ready
                    self._end(connection, _MUTE if is_stranger else "")

    def _flush_one(self, connection: Connection) -> None:
        try:
            connection.flush()
        except ConnectionEnded as ended:
            self._end(connection, str(ended))

    def _end(self, connection: Connection, reason: str = "") -> None:
        if self._connections.get(connection.fileno) is not connection:
            return  # over already; its number may belong to another by now
        del self._connections[connection.fileno]
        self.routes.pop(connection.route, None)
        self._unsent.discard(connection)
        self._unread.pop(connection, None)
        self._halves_bytes -= connection.held_bytes
        self._poller.remove(connection.fileno)
        connection.close()
        if reason:
            self._strangers.tell(reason, connection.remote)


def _shortage_of(error: OSError) -> str:
    is_memory = error.errno in (errno.ENOBUFS, errno.ENOMEM)
    return "the system's buffers" if is_memory else "file descriptors"


def _remote_of(stream: network.socket, peer_name: object) -> str:
    """Return who is at the other end, as far as the system tells."""
    if isinstance(peer_name, tuple):
        host, port = str(peer_name[0]).removeprefix("::ffff:"), peer_name[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    credentials = getattr(network, "SO_PEERCRED", None)
    if credentials is None:
        return "a process on this machine"
    try:
        packed = stream.getsockopt(network.SOL_SOCKET, credentials, struct.calcsize("3i"))
    except OSError:
        return "unknown"
    return f"process {struct.unpack('3i', packed)[0]} on this machine"
