"""A node's side of its clients: one ROUTER socket, a route per connection.

This is the hot path of a busy node: two receives and one look at the header for each message.
A message that is not one of ours is told to the node together with its route, so that the node
can answer it; the connection goes on.
"""

import os

import zmq

from transport.base import OnRefused, Refusal, SendResult
from transport.framing import (
    CLIENT_HEADER,
    HEADER_BYTES,
    Channel,
    FramingError,
    find_fault,
    size_fault,
)
from transport.settings import LinkSettings
from transport.zeromq_monitor import StrangerMonitor
from transport.zeromq_socket import (
    NOBLOCK,
    POLLIN,
    RCVMORE,
    SNDMORE_NOBLOCK,
    bind,
    is_ready,
    new_socket,
)

_yield = getattr(os, "sched_yield", lambda: None)
_CLOSE_LINGER_MS = 200  # the last answers of a stopping node may still leave


class ZmqListener:
    """ClientListener over ZeroMQ. For one thread."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        settings: LinkSettings,
        on_refused: OnRefused,
    ) -> None:
        """Listen on `address`.

        Raises:
            TransportError: the address is taken or wrong; nothing is left open.
        """
        self._on_refused = on_refused
        self._message_bytes_max = settings.receive_bytes_max + HEADER_BYTES
        self._send_bytes_max = settings.send_bytes_max
        self._router = new_socket(context, zmq.ROUTER, settings)
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)  # a lost client is told, not ignored
        self._router.setsockopt(zmq.ROUTER_HANDOVER, 0)  # nobody takes over another's route
        self.refused_count = 0
        self.is_calm = False
        """Whether this thread shares its processor with ZeroMQ's thread and hardly anybody else."""
        self.strangers = StrangerMonitor(self._router, "client", on_refused)
        try:
            self.address = bind(self._router, address)
        except Exception:
            self.close()
            raise
        self._router.setsockopt(zmq.LINGER, _CLOSE_LINGER_MS)

    @property
    def socket(self) -> zmq.Socket[bytes]:
        """What a poller waits on."""
        return self._router

    def receive(self, max_messages: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """Take (route, payload) pairs that have arrived; never blocks.

        Args:
            max_messages: at most so many are taken, refused ones counted.
            max_bytes: no further message is taken once the payloads reach this.

        Returns:
            Pairs in order of arrival. `on_refused` was told of each message turned away.
        """
        arrived: list[tuple[bytes, bytes]] = []
        receive, option = self._router.recv, self._router.getsockopt
        message_bytes_max = self._message_bytes_max
        # Asking first costs a tenth of being told by an exception.
        while max_messages > 0 and max_bytes > 0 and is_ready(self._router, POLLIN):
            max_messages -= 1
            route = receive(NOBLOCK)
            message = receive(NOBLOCK)
            size_bytes = len(message)
            max_bytes -= size_bytes
            if (
                option(RCVMORE)
                or size_bytes > message_bytes_max
                or not message.startswith(CLIENT_HEADER)
            ):
                self._refuse(route, message)
            else:
                arrived.append((route, message[HEADER_BYTES:]))
        return arrived

    def send(self, route: bytes, payload: bytes) -> SendResult:
        """Queue one message to a connected client; never blocks.

        Raises:
            FramingError: the payload is larger than the settings allow; nothing was queued.
        """
        if len(payload) > self._send_bytes_max:
            raise FramingError(size_fault(len(payload), self._send_bytes_max))
        try:
            self._router.send(route, SNDMORE_NOBLOCK)
            self._router.send(CLIENT_HEADER + payload, NOBLOCK)
        except zmq.Again:
            return SendResult.BUSY
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH:
                return SendResult.GONE
            raise
        return SendResult.SENT

    def flush(self) -> None:
        """Give ZeroMQ's thread the processor for a moment, if only it could want it."""
        if self.is_calm:
            _yield()

    def close(self) -> None:
        """Stop listening; what is queued may still leave for a fifth of a second."""
        self.strangers.close()
        self._router.close()

    def _refuse(self, route: bytes, message: bytes) -> None:
        parts = 1
        while self._router.getsockopt(RCVMORE):
            self._router.recv(NOBLOCK)
            parts += 1
        if parts > 1:
            reason = f"message of {parts} parts; expected 1"
        else:
            reason = find_fault(message, Channel.CLIENT, self._message_bytes_max - HEADER_BYTES)
        self.refused_count += 1
        self._on_refused(Refusal(port="client", reason=reason, route=route))
