"""One-way messages between nodes: a PULL socket for what comes, a PUSH socket for each peer.

Nothing queues for a peer that is not connected, and a full queue drops the new message at once:
Raft repeats what matters, and a stale heart-beat is worse than none.
"""

import zmq

from transport.base import OnRefused
from transport.framing import (
    HEADER_BYTES,
    PEER_HEADER,
    Channel,
    FramingError,
    find_fault,
    size_fault,
)
from transport.settings import LinkSettings
from transport.zeromq_monitor import RefusalReport, StrangerMonitor
from transport.zeromq_socket import (
    NOBLOCK,
    POLLIN,
    RCVMORE,
    bind,
    connect,
    is_ready,
    new_socket,
)


class ZmqPeers:
    """PeerTransport over ZeroMQ. For one thread."""

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
        self._context = context
        self._settings = settings
        self._report = RefusalReport("peer", on_refused)
        self._outbound: dict[int, tuple[str, zmq.Socket[bytes]]] = {}
        self._inbound = new_socket(context, zmq.PULL, settings)
        self.strangers = StrangerMonitor(self._inbound, "peer", on_refused)
        try:
            self.address = bind(self._inbound, address)
        except Exception:
            self.close()
            raise

    @property
    def socket(self) -> zmq.Socket[bytes]:
        """What a poller waits on."""
        return self._inbound

    def send(self, to: int, payload: bytes) -> bool:
        """Queue one message towards a peer; never blocks.

        Returns:
            Whether it was queued. False: no such peer, not connected now, or its queue is full.

        Raises:
            FramingError: the payload is larger than the settings allow.
        """
        if len(payload) > self._settings.send_bytes_max:
            raise FramingError(size_fault(len(payload), self._settings.send_bytes_max))
        _, outbound = self._outbound.get(to, (None, None))
        if outbound is None:
            return False
        try:
            outbound.send(PEER_HEADER + payload, NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, max_messages: int) -> list[bytes]:
        """Take up to `max_messages` that have arrived, refused ones counted; never blocks."""
        arrived: list[bytes] = []
        receive, option = self._inbound.recv, self._inbound.getsockopt
        message_bytes_max = self._settings.receive_bytes_max + HEADER_BYTES
        for _ in range(max_messages):
            if not is_ready(self._inbound, POLLIN):
                break  # asking costs a tenth of being told by an exception
            message = receive(NOBLOCK)
            if (
                option(RCVMORE)
                or len(message) > message_bytes_max
                or not message.startswith(PEER_HEADER)
            ):
                # Copied out, a message no longer tells where it came from; on this path, taken
                # thousands of times a second, that costs less than asking each for it.
                self._report.tell(self._fault(message), remote="unknown")
            else:
                arrived.append(message[HEADER_BYTES:])
        return arrived

    def set_peers(self, addresses: dict[int, str]) -> None:
        """Connect to exactly these peers; connections that stay are left alone.

        Raises:
            TransportError: one is not an address. It is left unconnected, the others are done.
        """
        for peer, (address, outbound) in list(self._outbound.items()):
            if addresses.get(peer) != address:
                outbound.close()
                del self._outbound[peer]
        wrong: Exception | None = None
        for peer, address in addresses.items():
            if peer not in self._outbound:
                outbound = new_socket(self._context, zmq.PUSH, self._settings)
                try:
                    connect(outbound, address)
                except Exception as error:  # noqa: BLE001 - told once the others are connected
                    outbound.close()
                    wrong = error
                else:
                    self._outbound[peer] = (address, outbound)
        if wrong is not None:
            raise wrong

    def close(self) -> None:
        """Drop everything queued and release the address."""
        self.strangers.close()
        self._inbound.close()
        for _, outbound in self._outbound.values():
            outbound.close()
        self._outbound.clear()

    def _fault(self, message: bytes) -> str:
        parts = 1
        while self._inbound.getsockopt(RCVMORE):
            self._inbound.recv(NOBLOCK)
            parts += 1
        if parts > 1:
            return f"message of {parts} parts; expected 1"
        return find_fault(message, Channel.PEER, self._settings.receive_bytes_max)
