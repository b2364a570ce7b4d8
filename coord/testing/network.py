"""A network that loses, delays, doubles and reorders, and cuts links, by seed and in virtual time.

Between nodes every message takes its own luck. A client's connection is a stream: nothing on it
overtakes, and what is lost is lost together with the connection; both ends learn of that later,
each in its way, as with a real transport.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from random import Random

import attrs

from coord.testing.faults import Swarm
from coord.testing.schedule import Schedule
from transport.base import LinkEvent, SendResult

_STRAGGLE = 50.0  # a straggler takes up to so many times as long
_NOTICE_MS_MAX = 300.0  # until a client sees that its connection is gone
_REDIAL_MS = (5.0, 100.0)
_INBOX_MAX = 20_000


@attrs.define
class WireCounts:
    """What happened to messages."""

    sent: int = 0
    lost: int = 0
    doubled: int = 0
    cut: int = 0
    resets: int = 0


@attrs.define(eq=False)
class _Connection:
    """A client's stream to one node; `open` False: nothing passes any more, either way."""

    route: bytes
    channel: "SimChannel"
    node: int
    open: bool = True
    due_ms: list[float] = attrs.field(factory=lambda: [0.0, 0.0])
    in_flight: int = 0


class SimNetwork:
    """All links between nodes and clients of one world."""

    def __init__(self, schedule: Schedule, swarm: Swarm) -> None:
        self.counts = WireCounts()
        self._schedule = schedule
        self._luck: Random = schedule.stream("network")
        self.swarm = swarm
        self._cuts: Counter[tuple[int, int]] = Counter()
        self._client_cuts: Counter[int] = Counter()
        self._peers: dict[int, SimPeers] = {}
        self._listeners: dict[int, SimListener] = {}
        self._routes = 0

    # --- ports ------------------------------------------------------------------------------

    def open_node(self, node: int, wake: Callable[[], None]) -> tuple["SimPeers", "SimListener"]:
        """Give a starting node its two ports; `wake` is called when something arrives."""
        self._peers[node] = SimPeers(self, node, wake)
        self._listeners[node] = SimListener(self, node, wake)
        return self._peers[node], self._listeners[node]

    def close_node(self, node: int) -> None:
        """A node's process is gone: what is on its way to it is lost, connections break."""
        self._peers.pop(node, None)
        listener = self._listeners.pop(node, None)
        if listener is not None:
            for connection in list(listener.connections.values()):
                self.reset(connection)

    def dial(self, node: int, wake: Callable[[], None]) -> "SimChannel":
        """Give a client a channel to one node; it connects by itself, again and again."""
        channel = SimChannel(self, node, wake)
        self.redial(channel)
        return channel

    def listener(self, node: int) -> "SimListener | None":
        """The client port of the running incarnation of a node; None while it is down."""
        return self._listeners.get(node)

    # --- cuts -------------------------------------------------------------------------------

    def cut(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Cut directed links between nodes; cuts add up."""
        self._cuts.update(pairs)

    def mend(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Take back one cut of each of these links."""
        self._cuts.subtract(pairs)

    def cut_clients(self, node: int, by: int) -> None:
        """Cut a node off from all clients (`by` 1), or take that back (-1)."""
        self._client_cuts[node] += by

    def calm(self, swarm: Swarm) -> None:
        """Mend everything and go on with the manners of `swarm`."""
        self._cuts.clear()
        self._client_cuts.clear()
        self.swarm = swarm

    # --- what the ports do --------------------------------------------------------------------

    def delay_ms(self) -> float:
        """Draw how long one message takes."""
        swarm, luck = self.swarm, self._luck
        delay = swarm.delay_min_ms + luck.expovariate(1 / swarm.delay_mean_ms)
        if swarm.straggler and luck.random() < swarm.straggler:
            delay *= luck.uniform(1, _STRAGGLE)
        return delay

    def send_peer(self, sender: int, to: int, payload: bytes) -> None:
        """Carry one message between nodes, or not, or twice."""
        self.counts.sent += 1
        if self.swarm.loss and self._luck.random() < self.swarm.loss:
            self.counts.lost += 1
            return
        copies = 1
        if self.swarm.duplicate and self._luck.random() < self.swarm.duplicate:
            self.counts.doubled += 1
            copies = 2
        for _ in range(copies):
            self._schedule.after(self.delay_ms(), lambda: self._deliver_peer(sender, to, payload))

    def _deliver_peer(self, sender: int, to: int, payload: bytes) -> None:
        if self._cuts[sender, to] > 0:
            self.counts.cut += 1
            return
        port = self._peers.get(to)
        if port is None or len(port.inbox) >= _INBOX_MAX:
            return
        self._schedule.note(f"{sender}>{to}", payload)
        port.inbox.append(payload)
        port.wake()

    def redial(self, channel: "SimChannel") -> None:
        """Try to connect a channel after a while, until it stands or is closed."""
        wait_ms = self.delay_ms() * 2 + self._luck.uniform(0, 5)
        self._schedule.after(wait_ms, lambda: self._connect(channel))

    def _connect(self, channel: "SimChannel") -> None:
        if channel.closed or channel.connection is not None:
            return
        listener = self._listeners.get(channel.node)
        if listener is None or self._client_cuts[channel.node] > 0:
            self._schedule.after(self._luck.uniform(*_REDIAL_MS), lambda: self._connect(channel))
            return
        self._routes += 1
        connection = _Connection(b"r%d" % self._routes, channel, channel.node)
        channel.connection = connection
        listener.connections[connection.route] = connection
        channel.events.append(LinkEvent.UP)
        channel.wake()

    def stream(self, connection: _Connection, direction: int, arrive: Callable[[], None]) -> None:
        """Carry one message on a client's connection; later ones arrive later."""
        now_ms = self._schedule.now_ms
        due_ms = max(connection.due_ms[direction], now_ms + self.delay_ms())
        connection.due_ms[direction] = due_ms
        connection.in_flight += 1

        def deliver() -> None:
            connection.in_flight -= 1
            if not connection.open:
                return
            lost = self._luck.random() < self.swarm.loss / 20
            if lost or self._client_cuts[connection.node] > 0:
                self.reset(connection)
                return
            arrive()

        self._schedule.at(due_ms, deliver)

    def reset(self, connection: _Connection) -> None:
        """Break a connection: the node finds out when it sends, the client after a while."""
        if not connection.open:
            return
        connection.open = False
        self.counts.resets += 1
        listener = self._listeners.get(connection.node)
        if listener is not None:
            listener.connections.pop(connection.route, None)
        notice_ms = self._luck.uniform(0, _NOTICE_MS_MAX)
        self._schedule.after(notice_ms, lambda: self._notice(connection))

    def _notice(self, connection: _Connection) -> None:
        channel = connection.channel
        if channel.closed or channel.connection is not connection:
            return
        channel.connection = None
        channel.inbox.clear()
        channel.events.append(LinkEvent.DOWN)
        channel.wake()
        self.redial(channel)

    def note(self, what: str, payload: bytes) -> None:
        """Add a line to the trace."""
        self._schedule.note(what, payload)


class SimPeers:
    """PeerTransport of one incarnation of one node."""

    def __init__(self, network: SimNetwork, node: int, wake: Callable[[], None]) -> None:
        self.inbox: deque[bytes] = deque()
        self.wake = wake
        self._network = network
        self._node = node
        self._known: frozenset[int] = frozenset()

    def send(self, to: int, payload: bytes) -> bool:
        """See PeerTransport."""
        if to not in self._known:
            return False
        self._network.send_peer(self._node, to, payload)
        return True

    def receive(self, max_messages: int) -> list[bytes]:
        """See PeerTransport."""
        return [self.inbox.popleft() for _ in range(min(max_messages, len(self.inbox)))]

    def set_peers(self, addresses: dict[int, str]) -> None:
        """See PeerTransport."""
        self._known = frozenset(addresses)

    def close(self) -> None:
        """See PeerTransport."""
        self.inbox.clear()


class SimListener:
    """ClientListener of one incarnation of one node."""

    def __init__(self, network: SimNetwork, node: int, wake: Callable[[], None]) -> None:
        self.inbox: deque[tuple[bytes, bytes]] = deque()
        self.connections: dict[bytes, _Connection] = {}
        self.wake = wake
        self._network = network
        self._node = node

    def receive(self, max_messages: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """See ClientListener."""
        taken: list[tuple[bytes, bytes]] = []
        while self.inbox and len(taken) < max_messages and max_bytes > 0:
            taken.append(self.inbox.popleft())
            max_bytes -= len(taken[-1][1])
        return taken

    def send(self, route: bytes, payload: bytes) -> SendResult:
        """See ClientListener."""
        connection = self.connections.get(route)
        if connection is None:
            return SendResult.GONE
        if connection.in_flight >= self._network.swarm.client_queue:
            return SendResult.BUSY
        channel = connection.channel

        def arrive() -> None:
            self._network.note(f"{self._node}>{channel.name}", payload)
            channel.inbox.append(payload)
            channel.wake()

        self._network.stream(connection, 0, arrive)
        return SendResult.SENT

    def close(self) -> None:
        """See ClientListener."""
        self._network.close_node(self._node)


class SimChannel:
    """ClientChannel of one client to one node."""

    def __init__(self, network: SimNetwork, node: int, wake: Callable[[], None]) -> None:
        self.inbox: deque[bytes] = deque()
        self.events: deque[LinkEvent] = deque()
        self.connection: _Connection | None = None
        self.wake = wake
        self.node = node
        self.name = "c"
        self.closed = False
        self._network = network

    def send(self, payload: bytes) -> bool:
        """See ClientChannel."""
        connection = self.connection
        if connection is None or connection.in_flight >= self._network.swarm.client_queue:
            return False
        node = self.node

        def arrive() -> None:
            listener = self._network.listener(node)
            if listener is not None and connection.route in listener.connections:
                self._network.note(f"{self.name}>{node}", payload)
                listener.inbox.append((connection.route, payload))
                listener.wake()

        self._network.stream(connection, 1, arrive)
        return True

    def receive(self, max_messages: int) -> list[bytes]:
        """See ClientChannel."""
        return [self.inbox.popleft() for _ in range(min(max_messages, len(self.inbox)))]

    def link_events(self) -> list[LinkEvent]:
        """See ClientChannel."""
        taken = list(self.events)
        self.events.clear()
        return taken

    def close(self) -> None:
        """See ClientChannel."""
        self.closed = True
        if self.connection is not None:
            self._network.reset(self.connection)
