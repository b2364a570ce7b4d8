"""Clients and their nodes without sockets: connections that keep order, until they break.

While a connection lives nothing on it is lost or overtaken. A cut holds its messages back; a cut
longer than the heart-beat allows breaks it, and what was under way is lost. The channel then
connects again by itself, under another route.
"""

from collections import deque
from collections.abc import Callable

from transport.base import LinkEvent, SendResult, TransportError
from transport.framing import FramingError, size_fault
from transport.memory_weather import Space
from transport.settings import LinkSettings

Arrive = Callable[[bytes], None]


class _Pipe:
    """One direction of one connection."""

    def __init__(self, space: Space, source: str, target: str, arrive: Arrive) -> None:
        self._space = space
        self._source = source
        self._target = target
        self._arrive = arrive
        self._line: deque[bytes] = deque()
        self._last_due_ms = 0.0
        self._due = 0  # at the head of the line, ready but for a cut
        self.backlog = 0  # sent and not yet taken by the receiver
        self.is_open = True

    def send(self, payload: bytes) -> None:
        self.backlog += 1
        self._line.append(payload)
        self._last_due_ms = max(self._last_due_ms, self._space.now_ms + self._space.delay_ms())
        self._space.timeline.at(self._last_due_ms, self._come_due)

    def _come_due(self) -> None:
        self._due += 1
        self.flush()

    def flush(self) -> None:
        """Deliver what is due, unless the way is cut."""
        while self.is_open and self._due and not self._space.is_cut(self._source, self._target):
            self._due -= 1
            self._arrive(self._line.popleft())


class _Connection:
    """A channel and a listener joined, under one route."""

    def __init__(
        self,
        field: "ClientField",
        channel: "MemoryChannel",
        listener: "MemoryListener",
        route: bytes,
    ) -> None:
        self.field = field
        self.channel = channel
        self.listener = listener
        self.route = route
        space = field.space
        self.up = _Pipe(space, channel.host, listener.host, self._arrive_at_node)
        self.down = _Pipe(space, listener.host, channel.host, self._arrive_at_client)

    def _arrive_at_node(self, payload: bytes) -> None:
        self.listener.take_in(self, payload)

    def _arrive_at_client(self, payload: bytes) -> None:
        self.channel.take_in(payload)

    @property
    def is_cut(self) -> bool:
        space = self.field.space
        one, other = self.channel.host, self.listener.host
        return space.is_cut(one, other) or space.is_cut(other, one)

    @property
    def is_open(self) -> bool:
        return self.up.is_open

    def flush(self) -> None:
        self.up.flush()
        self.down.flush()

    def end(self) -> None:
        """Break: what is under way is lost, both sides learn of it now."""
        if self.is_open:
            self.up.is_open = self.down.is_open = False
            self.field.connections.remove(self)
            self.listener.forget(self)
            self.channel.lose()

    def end_if_cut(self) -> None:
        """Break if no heart-beat gets through; to be asked when one was due."""
        if self.is_cut:
            self.end()

    def transmit(self, pipe: _Pipe, payload: bytes) -> None:
        space = self.field.space
        if space.happens(space.weather.breaks):
            self.end()
        else:
            pipe.send(payload)


class ClientField:
    """Who listens for clients where, and the connections that stand."""

    def __init__(self, space: Space, settings: LinkSettings) -> None:
        self.space = space
        self.settings = settings
        self.connections: list[_Connection] = []
        self._bound: dict[str, MemoryListener] = {}
        self._routes_made = 0

    def bind(self, address: str, listener: "MemoryListener") -> None:
        """Give out an address.

        Raises:
            TransportError: it is taken.
        """
        if address in self._bound:
            raise TransportError(f"cannot listen on {address!r}: already in use")
        self._bound[address] = listener

    def release(self, listener: "MemoryListener") -> None:
        """Take an address back and break the connections to it."""
        self._bound.pop(listener.address, None)
        for connection in [one for one in self.connections if one.listener is listener]:
            connection.end()

    def join(self, channel: "MemoryChannel") -> _Connection | None:
        """Connect, if somebody listens there and both ways are open."""
        listener = self._bound.get(channel.address)
        if listener is None:
            return None
        self._routes_made += 1
        connection = _Connection(self, channel, listener, b"m%07d" % self._routes_made)
        if connection.is_cut:
            return None
        self.connections.append(connection)
        listener.remember(connection)
        return connection

    def on_cut(self) -> None:
        """Let connections that stay cut for the heart-beat's time break."""
        for connection in self.connections:
            if connection.is_cut:
                self.space.after(self.settings.heartbeat_timeout_ms, connection.end_if_cut)

    def on_heal(self) -> None:
        """Deliver what a cut held back."""
        for connection in list(self.connections):
            connection.flush()

    def break_links(self, one: str, other: str) -> None:
        """Break every connection between two hosts now."""
        for connection in list(self.connections):
            if {connection.channel.host, connection.listener.host} == {one, other}:
                connection.end()


class MemoryListener:
    """ClientListener of one node in memory."""

    def __init__(
        self, field: ClientField, host: str, address: str, wake: Callable[[], None]
    ) -> None:
        """Listen on `address`.

        Raises:
            TransportError: it is taken.
        """
        field.bind(address, self)
        self.host = host
        self.address = address
        self._field = field
        self._wake = wake
        self._inbox: deque[tuple[_Connection, bytes]] = deque()
        self._connections: dict[bytes, _Connection] = {}

    def receive(self, max_messages: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """Take (route, payload) pairs that have arrived; none once `max_bytes` is reached."""
        arrived: list[tuple[bytes, bytes]] = []
        while self._inbox and len(arrived) < max_messages and max_bytes > 0:
            connection, payload = self._inbox.popleft()
            connection.up.backlog -= 1
            max_bytes -= len(payload)
            arrived.append((connection.route, payload))
        return arrived

    def send(self, route: bytes, payload: bytes) -> SendResult:
        """Queue one message to a connected client.

        Raises:
            FramingError: the payload is larger than the settings allow; nothing was queued.
        """
        settings = self._field.settings
        if len(payload) > settings.send_bytes_max:
            raise FramingError(size_fault(len(payload), settings.send_bytes_max))
        connection = self._connections.get(route)
        if connection is None:
            return SendResult.GONE
        if connection.down.backlog >= settings.queue_messages:
            return SendResult.BUSY
        connection.transmit(connection.down, payload)
        return SendResult.SENT

    def flush(self) -> None:
        """Nothing waits here: the schedule decides when a message arrives."""

    def close(self) -> None:
        """Stop listening; every connection breaks."""
        self._inbox.clear()
        self._field.release(self)

    def take_in(self, connection: _Connection, payload: bytes) -> None:
        """Receive one message from the field."""
        self._inbox.append((connection, payload))
        self._wake()

    def remember(self, connection: _Connection) -> None:
        """A client has connected."""
        self._connections[connection.route] = connection

    def forget(self, connection: _Connection) -> None:
        """A connection has ended; what arrived by it can still be received."""
        self._connections.pop(connection.route, None)


class MemoryChannel:
    """ClientChannel in memory. Connects, and connects again, by itself."""

    def __init__(
        self, field: ClientField, host: str, address: str, wake: Callable[[], None]
    ) -> None:
        self.host = host
        self.address = address
        self._field = field
        self._wake = wake
        self._inbox: deque[bytes] = deque()
        self._events: list[LinkEvent] = []
        self._connection: _Connection | None = None
        self.closed = False
        field.space.after(field.space.delay_ms(), self._try_to_connect)

    def send(self, payload: bytes) -> bool:
        """Queue one message. False: not connected, or the queue is full.

        Raises:
            FramingError: the payload is larger than the settings allow.
        """
        settings = self._field.settings
        if len(payload) > settings.receive_bytes_max:
            raise FramingError(size_fault(len(payload), settings.receive_bytes_max))
        connection = self._connection
        if connection is None or connection.up.backlog >= settings.queue_messages:
            return False
        connection.transmit(connection.up, payload)
        return True

    def receive(self, max_messages: int) -> list[bytes]:
        """Take messages that have arrived."""
        arrived = [self._inbox.popleft() for _ in range(min(max_messages, len(self._inbox)))]
        if self._connection is not None:
            self._connection.down.backlog -= len(arrived)
        return arrived

    def pending(self) -> bool:
        """Whether something can be received now."""
        return bool(self._inbox)

    def link_events(self) -> list[LinkEvent]:
        """Take what happened to the connection since last asked, in order."""
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Close at once; may be called again."""
        self.closed = True
        if self._connection is not None:
            self._connection.end()

    def take_in(self, payload: bytes) -> None:
        """Receive one message from the field."""
        self._inbox.append(payload)
        self._wake()

    def lose(self) -> None:
        """The connection has ended; what was not read goes with it, as with a real socket."""
        self._connection = None
        self._inbox.clear()
        if not self.closed:
            self._events.append(LinkEvent.DOWN)
            self._wake()
            self._field.space.after(self._field.settings.reconnect_ms, self._try_to_connect)

    def _try_to_connect(self) -> None:
        if self.closed:
            return
        self._connection = self._field.join(self)
        if self._connection is None:
            self._field.space.after(self._field.settings.reconnect_ms, self._try_to_connect)
        else:
            self._events.append(LinkEvent.UP)
            self._wake()


class MemoryDialer:
    """Dialer of one host in memory."""

    def __init__(self, field: ClientField, host: str, wake: Callable[[], None]) -> None:
        self._field = field
        self._host = host
        self._wake = wake
        self._channels: list[MemoryChannel] = []

    def dial(self, address: str) -> MemoryChannel:
        """Start connecting to `address`; wrong or dead addresses are tried forever."""
        channel = MemoryChannel(self._field, self._host, address, self._wake)
        self._channels = [one for one in self._channels if not one.closed]
        self._channels.append(channel)
        return channel

    def close(self) -> None:
        """Close every connection still open."""
        for channel in self._channels:
            channel.close()
