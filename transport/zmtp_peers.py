"""One-way messages between nodes: a port for what comes in, a link to each peer for what goes out.

Nothing queues for a peer that is not connected, and a full queue drops the new message at once:
Raft repeats what matters, and a stale heart-beat is worse than none.
"""

from transport.base import OnRefused, TransportError
from transport.framing import HEADER_BYTES, PEER_HEADER, Channel, FramingError, size_fault
from transport.settings import LinkSettings
from transport.zmtp_door import Door
from transport.zmtp_outgoing import Outgoing
from transport.zmtp_poller import Poller


class ZmtpPeers:
    """PeerTransport over ZMTP. For one thread, the one that waits on the poller."""

    def __init__(
        self, address: str, settings: LinkSettings, poller: Poller, on_refused: OnRefused
    ) -> None:
        """Listen on `address`.

        Raises:
            TransportError: the address is taken or wrong; nothing is left open.
        """
        self._settings = settings
        self._poller = poller
        self._door = Door(address, Channel.PEER, b"PULL", b"PUSH", settings, poller, on_refused)
        self.address = self._door.address
        self._links: dict[int, Outgoing] = {}
        self.has_arrived = False
        """Never: what arrives waits behind the door."""
        poller.tend(self)

    def send(self, to: int, payload: bytes) -> bool:
        """Send one message towards a peer; never blocks.

        Returns:
            Whether it left or waits for room. False: no such peer, not connected now, or its
            queue is full.

        Raises:
            FramingError: the payload is larger than the settings allow.
        """
        if len(payload) > self._settings.send_bytes_max:
            raise FramingError(size_fault(len(payload), self._settings.send_bytes_max))
        link = self._links.get(to)
        return link is not None and link.send(PEER_HEADER, payload)

    def receive(self, max_messages: int) -> list[bytes]:
        """Take up to `max_messages` that have arrived; never blocks."""
        door = self._door
        return [door.take()[1] for _ in range(min(max_messages, len(door.inbox)))]

    def set_peers(self, addresses: dict[int, str]) -> None:
        """Connect to exactly these peers; connections that stay are left alone.

        Raises:
            TransportError: one is not an address. It is left unconnected, the others are done.
        """
        for peer, link in list(self._links.items()):
            if addresses.get(peer) != link.address:
                link.close()
                del self._links[peer]
        wrong: TransportError | None = None
        for peer, address in addresses.items():
            if peer not in self._links:
                try:
                    self._links[peer] = self._link_to(address)
                except TransportError as error:
                    wrong = error
        if wrong is not None:
            raise wrong

    def _link_to(self, address: str) -> Outgoing:
        settings = self._settings
        # The other side is told to give up on this one a little later than this one on it.
        # Nothing but commands comes back.
        return Outgoing(
            address, b"PUSH", b"PULL", HEADER_BYTES,
            settings.heartbeat_ms + settings.heartbeat_timeout_ms, settings, self._poller,
        )  # fmt: skip

    def flush(self) -> None:
        """Do nothing: messages between nodes leave when they are sent."""

    def tend(self, now_ms: float) -> None:
        """See to the links: connect again, beat."""
        for link in self._links.values():
            link.tend(now_ms)

    def close(self) -> None:
        """Drop everything queued and release the address."""
        self._poller.forget(self)
        self._door.close()
        for link in self._links.values():
            link.close()
        self._links.clear()
