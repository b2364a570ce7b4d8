"""A connection that one side makes, and makes again whenever it breaks.

Nothing queues while it is not there. Signs of life go out at a steady pace; another side that
answers none is given up, and found again by connecting anew. The time for an answer begins when
the question has arrived: a long message goes before it, for many seconds on a slow line.
"""

from collections.abc import Callable

from transport.addresses import begin_to_connect, parse
from transport.lookup import Lookup
from transport.settings import LinkSettings
from transport.zmtp_connection import READ_BYTES, Connection, ConnectionEnded
from transport.zmtp_poller import READABLE, WRITABLE, Poller, monotonic_ms
from transport.zmtp_wire import Decoder, Event, ping

_READS_PER_TURN = 4
_LOOKUP_MS = 10.0  # between two looks at whether a name was found

OnEvents = Callable[[list[Event]], None]
"""Told what arrived."""
OnChange = Callable[[bool], None]
"""Told that the connection stands now, or that it does so no more."""


class Outgoing:
    """A socket of one connection, as ZeroMQ's PUSH and DEALER can be. For one thread."""

    def __init__(
        self,
        address: str,
        kind: bytes,
        welcome: bytes,
        message_bytes_max: int,
        ttl_ms: int,
        settings: LinkSettings,
        poller: Poller,
        on_events: OnEvents = lambda _events: None,
        on_change: OnChange = lambda _is_up: None,
    ) -> None:
        """Remember where to connect; the first tend() begins.

        Args:
            address: tcp://HOST:PORT or ipc://PATH.
            kind: the socket type this side is.
            welcome: the socket type the other side must be.
            message_bytes_max: the longest message that may come back.
            ttl_ms: after so long without a sign of this side the other may give up on it.
            settings: bounds and times.
            poller: told of the descriptor.
            on_events: told what arrived, from the poller's wait().
            on_change: told of the connection's beginning and end.

        Raises:
            TransportError: not an address.
        """
        self.address = address
        self._parsed = parse(address)
        self._kind, self._welcome = kind, frozenset((welcome,))
        self._message_bytes_max = message_bytes_max
        self._ttl_ms = ttl_ms
        self._settings = settings
        self._poller = poller
        self._on_events, self._on_change = on_events, on_change
        self._scratch = memoryview(bytearray(READ_BYTES))
        self._connection: Connection | None = None
        self._lookup: Lookup | None = None
        self._tried = 0  # of the addresses it found
        self._pause_ms = settings.reconnect_ms
        self._asked_ms = 0.0  # when the sign of life was asked for that has not come yet
        self._asked_bytes = 0  # where in what was queued the question ends
        self._taken_bytes = 0  # how much of that had arrived when last looked
        self.is_up = False
        """Whether the connection stands."""
        self.due_ms = 0.0
        """When tend() has something to do next, by transport.zmtp_poller.monotonic_ms."""
        self.reads = True
        """Whether what arrives is read; what is not waits at the other side."""

    def send(self, header: bytes, payload: bytes) -> bool:
        """Send one message or queue it; False: not connected, or the queue is full."""
        connection = self._connection
        if connection is None or not self.is_up or connection.is_full:
            return False
        connection.queue(header, payload)
        self._flush(connection)
        return self._connection is connection

    @property
    def unsent(self) -> int:
        """How many messages wait for room."""
        return self._connection.unsent if self._connection is not None else 0

    def look(self) -> None:
        """Do what can be done now, without waiting for the poller to say so."""
        now_ms = monotonic_ms()
        if now_ms >= self.due_ms:
            self.tend(now_ms)
        if self.is_up:
            self._on_ready(READABLE)

    def tend(self, now_ms: float) -> None:
        """Connect if it is time, beat, and give up on another side that is silent."""
        if now_ms < self.due_ms:
            return
        connection, settings = self._connection, self._settings
        if connection is None:
            self._connect(now_ms)
        elif not self.is_up:
            self._end(now_ms)
        elif self._is_answering(connection, now_ms):
            self.due_ms = now_ms + settings.heartbeat_ms
            taken_bytes, before_bytes = connection.taken_bytes, connection.queued_bytes
            connection.queue_command(ping(self._ttl_ms))
            if connection.heard_ms >= self._asked_ms:
                self._asked_ms = now_ms
                self._asked_bytes = connection.queued_bytes
                # With nothing before it the question is as good as there.
                is_clear = taken_bytes == before_bytes
                self._taken_bytes = self._asked_bytes if is_clear else taken_bytes
            self._flush(connection)
        elif self._connection is connection:
            self._end(now_ms)

    def _is_answering(self, connection: Connection, now_ms: float) -> bool:
        """Whether anything came since a sign of life was asked for, or may still come in time."""
        if not self.reads:
            return True  # what came is not looked at
        if connection.heard_ms >= self._asked_ms:
            return True  # how long ago says nothing: it may be that this side asked for no other
        if self._taken_bytes < self._asked_bytes:
            taken_bytes = connection.taken_bytes
            if taken_bytes > self._taken_bytes:  # it takes in what goes before the question
                self._taken_bytes, self._asked_ms = taken_bytes, now_ms
        if now_ms - self._asked_ms <= self._settings.heartbeat_timeout_ms:
            return True
        self._on_ready(READABLE)  # this side may not have listened
        return self._connection is connection and connection.heard_ms >= self._asked_ms

    def close(self) -> None:
        """Close at once; what is unsent is lost."""
        connection, self._connection = self._connection, None
        self.is_up = False
        if connection is not None:
            self._poller.remove(connection.fileno)
            connection.close()

    def _connect(self, now_ms: float) -> None:
        lookup = self._lookup
        if lookup is None or (lookup.is_over and self._tried == len(lookup.found)):
            # A name may have moved: it is asked for again once every address was tried.
            lookup = self._lookup = Lookup(self._parsed)
            self._tried = 0
        if not lookup.is_over:
            self.due_ms = now_ms + _LOOKUP_MS
            return
        if not lookup.found:
            self._lookup = None
            self._pause(now_ms)
            return
        family, target = lookup.found[self._tried]
        self._tried += 1
        try:
            stream = begin_to_connect(family, target)
        except (OSError, ValueError):  # the second: a path that cannot be written for the system
            self._pause(now_ms)
            return
        connection = Connection(
            stream, self._kind, Decoder(self._welcome, self._message_bytes_max), self._settings,
            self._scratch, self._poller.watch_room, now_ms, is_connected=False,
        )  # fmt: skip
        try:
            self._poller.add(connection.fileno, self._on_ready, writes=True)
        except OSError:
            connection.close()
            self._pause(now_ms)
            return
        self._connection = connection
        self.due_ms = now_ms + self._settings.handshake_ms

    def _on_ready(self, state: int) -> None:
        connection = self._connection
        if connection is None:
            return
        if state & WRITABLE:
            self._flush(connection)
        if state & ~WRITABLE and self.reads:
            now_ms = monotonic_ms()
            for _ in range(_READS_PER_TURN):
                if self._connection is not connection or not self._read(connection, now_ms):
                    return

    def _read(self, connection: Connection, now_ms: float) -> bool:
        """Read once; whether to read on."""
        try:
            events, is_more = connection.read(now_ms)
        except ConnectionEnded:
            self._end(now_ms)
            return False
        if connection.is_ready and not self.is_up:
            self.is_up = True
            self._asked_ms = 0.0
            self._pause_ms = self._settings.reconnect_ms
            self.due_ms = now_ms + self._settings.heartbeat_ms
            self._on_change(True)
        if events:
            self._on_events(events)
        return is_more

    def _flush(self, connection: Connection) -> None:
        try:
            connection.flush()
        except ConnectionEnded:
            self._end(monotonic_ms())

    def _end(self, now_ms: float) -> None:
        was_up = self.is_up
        self.close()
        self._pause(now_ms)
        if was_up:
            self._on_change(False)

    def _pause(self, now_ms: float) -> None:
        self.due_ms = now_ms + self._pause_ms
        self._pause_ms = min(2 * self._pause_ms, self._settings.reconnect_ms_max)
