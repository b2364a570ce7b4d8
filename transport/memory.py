"""The transport without sockets: a whole network in one process, for simulators and tests.

Time and luck are handed in, so a run is a function of its seed. Peers' messages may vanish, come
twice, late or out of order; a client's connection keeps its order and breaks as a whole. Every
queue is bounded like its real twin's.
"""

from collections.abc import Callable
from random import Random

from transport.memory_clients import ClientField, MemoryChannel, MemoryDialer, MemoryListener
from transport.memory_peers import MemoryPeers, PeerMesh
from transport.memory_weather import Space, Timeline, Weather
from transport.settings import LinkSettings

__all__ = [
    "MemoryChannel",
    "MemoryDialer",
    "MemoryListener",
    "MemoryNetwork",
    "MemoryPeers",
    "Timeline",
    "Weather",
]


def _ignore() -> None:
    """Stand in where nobody needs waking."""


class MemoryNetwork:
    """Addresses, and the links between named hosts.

    Args:
        timeline: the owner's virtual time; everything under way is an action put on it.
        luck: the only source of chance, for this network alone.
        weather: how bad it is, from the start.
        peer_settings: bounds between nodes.
        client_settings: bounds between clients and nodes, as the node sees them.
    """

    def __init__(
        self,
        timeline: Timeline,
        luck: Random,
        weather: Weather | None = None,
        *,
        peer_settings: LinkSettings | None = None,
        client_settings: LinkSettings | None = None,
    ) -> None:
        self._space = Space(timeline, luck, weather or Weather())
        self._mesh = PeerMesh(self._space, peer_settings or LinkSettings())
        self._field = ClientField(self._space, client_settings or LinkSettings())

    def peers(self, host: str, address: str, wake: Callable[[], None] = _ignore) -> MemoryPeers:
        """Open a node's side towards its peers. `wake` is called at each arrival.

        Raises:
            TransportError: the address is taken.
        """
        return MemoryPeers(self._mesh, host, address, wake)

    def listener(
        self, host: str, address: str, wake: Callable[[], None] = _ignore
    ) -> MemoryListener:
        """Open a node's side towards its clients. `wake` is called at each arrival.

        Raises:
            TransportError: the address is taken.
        """
        return MemoryListener(self._field, host, address, wake)

    def dialer(self, host: str, wake: Callable[[], None] = _ignore) -> MemoryDialer:
        """Return what a client on `host` connects with. `wake`: at arrivals and link events."""
        return MemoryDialer(self._field, host, wake)

    def set_weather(self, weather: Weather) -> None:
        """Change the weather for what is sent from now on."""
        self._space.weather = weather

    def cut(self, source: str, target: str) -> None:
        """Let nothing pass from one host to another: peers' messages vanish, clients' wait."""
        self._space.cut(source, target)
        self._field.on_cut()

    def heal(self, source: str, target: str) -> None:
        """Undo one cut; what clients' connections held back goes on."""
        self._space.heal(source, target)
        self._field.on_heal()

    def is_cut(self, source: str, target: str) -> bool:
        """Whether nothing passes from one host to another."""
        return self._space.is_cut(source, target)

    def break_links(self, one: str, other: str) -> None:
        """Break every client connection between two hosts; their channels connect again."""
        self._field.break_links(one, other)
