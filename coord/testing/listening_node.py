"""The transport of one node, on ports of its own, whose loop a test turns."""

import socket as network
import time
from collections.abc import Callable

from transport.base import Refusal
from transport.settings import LinkSettings
from transport.zmtp import NodeTransport, open_node_transport

_PATIENCE_S = 15.0


class ListeningNode:
    """Listens for peers and clients; keeps what it received and whom it refused."""

    def __init__(self, settings: LinkSettings) -> None:
        self.refusals: list[Refusal] = []
        self.transport: NodeTransport = open_node_transport(
            "tcp://127.0.0.1:0",
            "tcp://127.0.0.1:0",
            peer_settings=settings,
            client_settings=settings,
            on_refused=self.refusals.append,
        )
        self.received: list[tuple[bytes, bytes]] = []
        self.from_peers: list[bytes] = []

    def turn(self, wait_ms: float = 5.0) -> None:
        """Wait, and take in some of what arrived."""
        self.transport.poller.wait(wait_ms)
        self.received += self.transport.listener.receive(16, 1 << 20)
        self.from_peers += self.transport.peers.receive(16)

    def settle(self, reached: Callable[[], bool]) -> None:
        """Turn until `reached`, or fail."""
        end_s = time.monotonic() + _PATIENCE_S
        while not reached():
            assert time.monotonic() < end_s, "not reached"
            self.turn()

    def raw(self) -> network.socket:
        """Return a plain connection to the clients' port."""
        host, _, port = self.transport.listener.address.removeprefix("tcp://").rpartition(":")
        return network.create_connection((host, int(port)), timeout=_PATIENCE_S)
