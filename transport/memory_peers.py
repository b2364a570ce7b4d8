"""Peers without sockets: messages that may vanish, arrive twice, late or out of order."""

from collections import deque
from collections.abc import Callable

from transport.base import TransportError
from transport.framing import FramingError, size_fault
from transport.memory_weather import Space
from transport.settings import LinkSettings


class PeerMesh:
    """Who listens for peers where, and the messages under way."""

    def __init__(self, space: Space, settings: LinkSettings) -> None:
        self.space = space
        self.settings = settings
        self._bound: dict[str, MemoryPeers] = {}

    def bind(self, address: str, peers: "MemoryPeers") -> None:
        """Give out an address.

        Raises:
            TransportError: it is taken.
        """
        if address in self._bound:
            raise TransportError(f"cannot listen on {address!r}: already in use")
        self._bound[address] = peers

    def release(self, address: str) -> None:
        """Take an address back."""
        self._bound.pop(address, None)

    def transmit(self, sender: "MemoryPeers", address: str, payload: bytes) -> bool:
        """Start one message on its way, or lose it as the weather has it.

        Returns:
            Whether a real socket would have queued it.
        """
        receiver = self._bound.get(address)
        if receiver is None:
            return False
        if sender.under_way(address) + receiver.waiting >= self.settings.queue_messages:
            return False
        space = self.space
        if space.is_cut(sender.host, receiver.host) or space.happens(space.weather.loss):
            return True  # lost on the wire: nobody tells
        copies = 2 if space.happens(space.weather.duplicate) else 1
        for _ in range(copies):
            sender.note_departure(address)
            space.after(space.delay_ms(), lambda: self._arrive(sender, address, payload))
        return True

    def _arrive(self, sender: "MemoryPeers", address: str, payload: bytes) -> None:
        sender.note_arrival(address)
        receiver = self._bound.get(address)  # perhaps another process by now, or none
        if receiver is not None and not self.space.is_cut(sender.host, receiver.host):
            receiver.take_in(payload)


class MemoryPeers:
    """PeerTransport of one node in memory."""

    def __init__(self, mesh: PeerMesh, host: str, address: str, wake: Callable[[], None]) -> None:
        """Listen on `address`.

        Raises:
            TransportError: it is taken.
        """
        mesh.bind(address, self)
        self.host = host
        self.address = address
        self._mesh = mesh
        self._wake = wake
        self._inbox: deque[bytes] = deque()
        self._addresses: dict[int, str] = {}
        self._under_way: dict[str, int] = {}
        self._closed = False

    def send(self, to: int, payload: bytes) -> bool:
        """Start one message towards a peer. False: unknown, nobody there, or too many under way.

        Raises:
            FramingError: the payload is larger than the settings allow.
        """
        bytes_max = self._mesh.settings.send_bytes_max
        if len(payload) > bytes_max:
            raise FramingError(size_fault(len(payload), bytes_max))
        address = self._addresses.get(to)
        if address is None or self._closed:
            return False
        return self._mesh.transmit(self, address, payload)

    def receive(self, max_messages: int) -> list[bytes]:
        """Take up to `max_messages` that have arrived."""
        inbox = self._inbox
        return [inbox.popleft() for _ in range(min(max_messages, len(inbox)))]

    def set_peers(self, addresses: dict[int, str]) -> None:
        """Know exactly these peers."""
        self._addresses = dict(addresses)

    def close(self) -> None:
        """Drop what arrived and release the address; may be called again."""
        if not self._closed:
            self._closed = True
            self._inbox.clear()
            self._mesh.release(self.address)

    def take_in(self, payload: bytes) -> None:
        """Receive one message from the mesh; a full inbox drops it, as a full socket would."""
        if len(self._inbox) < self._mesh.settings.queue_messages:
            self._inbox.append(payload)
            self._wake()

    @property
    def waiting(self) -> int:
        """Messages that have arrived and were not yet received."""
        return len(self._inbox)

    def under_way(self, address: str) -> int:
        """Messages sent there and not yet arrived or lost."""
        return self._under_way.get(address, 0)

    def note_departure(self, address: str) -> None:
        """Count one more under way."""
        self._under_way[address] = self._under_way.get(address, 0) + 1

    def note_arrival(self, address: str) -> None:
        """Count one less under way."""
        self._under_way[address] -= 1
