"""A client's side: one DEALER socket to one node, and the news of whether it stands.

For an event loop there are two descriptors (`filenos`): one for messages, one for link events.
ZeroMQ signals both on the edge, so the rule is: when either fires, call receive() until it gives
less than asked for, and link_events(); after every send, if pending(), do the same without
waiting for a signal, because the send may have consumed it.
"""

import math

import zmq

from transport.base import LinkEvent
from transport.framing import (
    CLIENT_HEADER,
    HEADER_BYTES,
    FramingError,
    size_fault,
)
from transport.settings import LinkSettings
from transport.zeromq_monitor import LinkMonitor
from transport.zeromq_socket import (
    NOBLOCK,
    POLLIN,
    POLLOUT,
    RCVMORE,
    connect,
    is_ready,
    new_dealer,
)


class ZmqChannel:
    """ClientChannel over ZeroMQ. For one thread."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        settings: LinkSettings,
    ) -> None:
        """Start connecting to `address`.

        Raises:
            TransportError: not an address; nothing is left open.
        """
        self.address = address
        self._settings = settings
        self._dealer = new_dealer(context, settings)
        self._link = LinkMonitor(self._dealer)
        self._is_up = False
        self.closed = False
        self.signals_once = True
        self.due_ms = math.inf  # its own thread sees to it
        self.refused_count = 0
        try:
            connect(self._dealer, address)
        except Exception:
            self.close()
            raise

    def filenos(self) -> tuple[int, int]:
        """Return the descriptors that become readable: (messages, link events). See above."""
        return self._dealer.fileno(), self._link.fileno

    def send(self, payload: bytes) -> bool:
        """Queue one message; never blocks.

        Returns:
            Whether it was queued. False: not connected as far as link_events() has told, or the
            queue is full.

        Raises:
            FramingError: the payload is larger than the settings allow.
        """
        if len(payload) > self._settings.send_bytes_max:
            raise FramingError(size_fault(len(payload), self._settings.send_bytes_max))
        if not self._is_up:
            return False
        try:
            self._dealer.send(CLIENT_HEADER + payload, NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, max_messages: int) -> list[bytes]:
        """Take messages that have arrived; never blocks. What is no message of ours is dropped."""
        arrived: list[bytes] = []
        receive, option = self._dealer.recv, self._dealer.getsockopt
        message_bytes_max = self._settings.receive_bytes_max + HEADER_BYTES
        for _ in range(max_messages):
            if not is_ready(self._dealer, POLLIN):
                break  # asking costs a tenth of being told by an exception
            message = receive(NOBLOCK)
            if (
                option(RCVMORE)
                or len(message) > message_bytes_max
                or not message.startswith(CLIENT_HEADER)
            ):
                self._refuse()
            else:
                arrived.append(message[HEADER_BYTES:])
        return arrived

    def pending(self) -> bool:
        """Whether something can be received now."""
        return is_ready(self._dealer, POLLIN)

    def link_events(self) -> list[LinkEvent]:
        """Take what happened to the connection since last asked, in order."""
        events = self._link.take()
        if events:
            # ZeroMQ looks at its own news only so often. Without this look, what is sent right
            # after UP could still go into the end of the connection that was lost.
            is_ready(self._dealer, POLLOUT)
            self._is_up = events[-1] is LinkEvent.UP
        return events

    def close(self) -> None:
        """Close at once; may be called again."""
        if not self.closed:
            self.closed = True
            self._link.close()
            self._dealer.close()

    def _refuse(self) -> None:
        self.refused_count += 1
        while self._dealer.getsockopt(RCVMORE):
            self._dealer.recv(NOBLOCK)


class ZmqDialer:
    """Dialer over ZeroMQ: one I/O thread for all connections of a client."""

    def __init__(self, settings: LinkSettings | None = None) -> None:
        self._settings = settings or LinkSettings()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self._channels: list[ZmqChannel] = []

    def dial(self, address: str) -> ZmqChannel:
        """Start connecting to a node; returns at once.

        Raises:
            TransportError: not an address.
        """
        channel = ZmqChannel(self._context, address, self._settings)
        self._channels = [one for one in self._channels if not one.closed]
        self._channels.append(channel)
        return channel

    def close(self) -> None:
        """Close every connection still open, and the I/O thread."""
        for channel in self._channels:
            channel.close()
        self._context.term()
