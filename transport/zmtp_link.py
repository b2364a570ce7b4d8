"""A node's outgoing connection to one peer: made again whenever it breaks.

Nothing queues for a peer that is not connected. Signs of life go out at a steady pace; a peer
that answers none is given up, and found again by connecting anew.
"""

from transport.addresses import begin_to_connect, parse
from transport.framing import HEADER_BYTES, PEER_HEADER
from transport.lookup import Lookup
from transport.settings import LinkSettings
from transport.zmtp_connection import READ_BYTES, Connection, ConnectionEnded
from transport.zmtp_poller import READABLE, WRITABLE, Poller, monotonic_ms
from transport.zmtp_wire import Decoder, ping

_WELCOME = frozenset((b"PULL",))


class Link:
    """What ZeroMQ calls a PUSH socket with one connection. For one thread."""

    def __init__(self, address: str, settings: LinkSettings, poller: Poller) -> None:
        """Remember where to connect; the first tend() begins.

        Raises:
            TransportError: not an address.
        """
        self.address = address
        self._parsed = parse(address)
        self._settings = settings
        self._poller = poller
        self._scratch = memoryview(bytearray(READ_BYTES))
        self._connection: Connection | None = None
        self._lookup: Lookup | None = None
        self._tried = 0  # of the addresses it found
        self._retry_ms = 0.0
        self._pause_ms = settings.reconnect_ms
        self._next_beat_ms = 0.0

    def send(self, payload: bytes) -> bool:
        """Send one message or queue it; False: not connected, or the queue is full."""
        connection = self._connection
        if connection is None or not connection.is_ready or connection.is_full:
            return False
        connection.queue(PEER_HEADER, payload)
        self._flush(connection)
        return self._connection is connection

    def tend(self, now_ms: float) -> None:
        """Connect if it is time, beat, and give up on a peer that is silent."""
        connection = self._connection
        if connection is None:
            if now_ms >= self._retry_ms:
                self._connect(now_ms)
            return
        settings = self._settings
        if not connection.is_ready:
            if now_ms - connection.began_ms > settings.handshake_ms:
                self._end(now_ms)
            return
        silence_ms_max = settings.heartbeat_ms + settings.heartbeat_timeout_ms
        if now_ms - connection.heard_ms > silence_ms_max:
            self._on_ready(READABLE)  # it may be this side that did not listen
            if now_ms - connection.heard_ms > silence_ms_max and self._connection is connection:
                self._end(now_ms)
        elif now_ms >= self._next_beat_ms:
            self._next_beat_ms = now_ms + settings.heartbeat_ms
            # The other side is told to give up on this one a little later than this one on it.
            connection.queue_command(ping(settings.heartbeat_timeout_ms + settings.heartbeat_ms))
            self._flush(connection)

    def close(self) -> None:
        """Close at once; what is unsent is lost."""
        self._end(0.0)

    def _connect(self, now_ms: float) -> None:
        lookup = self._lookup
        if lookup is None or (lookup.is_over and self._tried == len(lookup.found)):
            # A name may have moved: it is asked for again once every address was tried.
            lookup = self._lookup = Lookup(self._parsed)
            self._tried = 0
        if not lookup.is_over:
            return
        if not lookup.found:
            self._lookup = None
            self._pause(now_ms)
            return
        family, target = lookup.found[self._tried]
        self._tried += 1
        try:
            stream = begin_to_connect(family, target)
        except OSError:
            self._pause(now_ms)
            return
        # Nothing but commands comes back.
        connection = Connection(
            stream, b"PUSH", Decoder(_WELCOME, HEADER_BYTES), self._settings, self._scratch,
            self._poller.watch_room, now_ms, is_connected=False,
        )  # fmt: skip
        self._connection = connection
        self._poller.add(connection.fileno, self._on_ready, writes=True)

    def _on_ready(self, state: int) -> None:
        connection = self._connection
        if connection is None:
            return
        if state & WRITABLE:
            self._flush(connection)
        if state & ~WRITABLE and self._connection is connection:
            now_ms = monotonic_ms()
            was_ready = connection.is_ready
            try:
                connection.read(now_ms)
            except ConnectionEnded:
                self._end(now_ms)
                return
            if connection.is_ready and not was_ready:
                self._pause_ms = self._settings.reconnect_ms
                self._next_beat_ms = now_ms + self._settings.heartbeat_ms

    def _flush(self, connection: Connection) -> None:
        try:
            connection.flush()
        except ConnectionEnded:
            self._end(monotonic_ms())

    def _end(self, now_ms: float) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._poller.remove(connection.fileno)
            connection.close()
        self._pause(now_ms)

    def _pause(self, now_ms: float) -> None:
        self._retry_ms = now_ms + self._pause_ms
        self._pause_ms = min(2 * self._pause_ms, self._settings.reconnect_ms_max)
