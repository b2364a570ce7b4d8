"""A node's side of its clients: what ZeroMQ calls a ROUTER, a route per connection.

A message that is not one of ours is told to the node together with its route, so that the node
can answer it; the connection goes on.
"""

from transport.base import OnRefused, Refusal, SendResult
from transport.framing import Channel, FramingError, size_fault
from transport.settings import LinkSettings
from transport.zmtp_connection import Connection
from transport.zmtp_door import Door
from transport.zmtp_poller import Poller

_CLOSE_LINGER_MS = 200.0  # the last answers of a stopping node may still leave


class ZmtpListener:
    """ClientListener over ZMTP. For one thread, the one that waits on the poller."""

    def __init__(
        self, address: str, settings: LinkSettings, poller: Poller, on_refused: OnRefused
    ) -> None:
        """Listen on `address`.

        Raises:
            TransportError: the address is taken or wrong; nothing is left open.
        """
        self._door = Door(
            address, Channel.CLIENT, b"ROUTER", b"DEALER", settings, poller, on_refused
        )
        self._door.on_unfit = self._refuse
        self._on_refused = on_refused
        self._send_bytes_max = settings.send_bytes_max
        self.address = self._door.address
        self.refused_count = 0

    def receive(self, max_messages: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """Take (route, payload) pairs that have arrived; never blocks.

        Args:
            max_messages: at most so many are taken.
            max_bytes: no further message is taken once the payloads reach this.

        Returns:
            Pairs in order of arrival.
        """
        arrived: list[tuple[bytes, bytes]] = []
        door = self._door
        while door.inbox and len(arrived) < max_messages and max_bytes > 0:
            taken = door.take()
            max_bytes -= len(taken[1])
            arrived.append(taken)
        return arrived

    def send(self, route: bytes, payload: bytes) -> SendResult:
        """Queue one message to a connected client; never blocks. It leaves with flush().

        Raises:
            FramingError: the payload is larger than the settings allow; nothing was queued.
        """
        if len(payload) > self._send_bytes_max:
            raise FramingError(size_fault(len(payload), self._send_bytes_max))
        connection = self._door.routes.get(route)
        if connection is None:
            return SendResult.GONE
        return SendResult.SENT if self._door.queue(connection, payload) else SendResult.BUSY

    def flush(self) -> None:
        """Send what was queued; the poller's next wait does so too."""
        self._door.flush()

    def close(self) -> None:
        """Stop listening; what is queued may still leave for a fifth of a second."""
        self._door.close(_CLOSE_LINGER_MS)

    def _refuse(self, connection: Connection, fault: str) -> None:
        self.refused_count += 1
        self._on_refused(Refusal(port="client", reason=fault, route=connection.route))
