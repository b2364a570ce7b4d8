"""A node and libzmq's sockets understand each other, over every kind of address."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest
import zmq

from transport.base import Refusal, SendResult
from transport.framing import CLIENT_HEADER, PEER_HEADER
from transport.settings import LinkSettings
from transport.zmtp import NodeTransport, open_node_transport

pytestmark = pytest.mark.integration

Socket: TypeAlias = "zmq.Socket[bytes]"
PATIENCE_S = 10.0
SETTINGS = LinkSettings(
    heartbeat_ms=20, heartbeat_timeout_ms=500, reconnect_ms=10, reconnect_ms_max=50
)
BEAT_MS, SILENCE_MS = 20, 600  # libzmq counts its time to live in tenths of a second
IDLE_S = 1.2  # longer than either side takes to miss the other
PEER = 1
# With the header, 251 and 252 bytes are the two sides of where a frame becomes a long one.
PAYLOADS = [os.urandom(size) for size in (0, 1, 251, 252, 255, 256, 70_000, 5_000_000)]
NUMBERED = [b"%d" % number for number in range(1000)]

_names = count()


class World:
    """A node, sockets of libzmq, and how to wait for something to happen between them."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind, self._folder = kind, folder
        self._context: zmq.Context[Socket] = zmq.Context()
        self._opened: list[Socket] = []
        self.refusals: list[Refusal] = []
        self.from_peers: list[bytes] = []
        self.from_clients: list[tuple[bytes, bytes]] = []
        self.node: NodeTransport = open_node_transport(
            self.free_address(),
            self.free_address(),
            peer_settings=SETTINGS,
            client_settings=SETTINGS,
            on_refused=self.refusals.append,
        )

    def free_address(self) -> str:
        """Return an address to listen on."""
        if self._kind == "tcp":
            return "tcp://127.0.0.1:0"
        name = f"{os.getpid()}-{next(_names)}"
        return (
            f"ipc://@coord-{name}" if self._kind == "abstract" else f"ipc://{self._folder}/{name}"
        )

    def socket(self, kind: int, **options: object) -> Socket:
        """Return a socket of libzmq's that takes any number of messages; options by name."""
        made = self._context.socket(kind)
        self._opened.append(made)
        for name, value in {"linger": 0, "sndhwm": 0, "rcvhwm": 0, **options}.items():
            setattr(made, name, value)
        return made

    def connected(self, kind: int, address: str, **options: object) -> Socket:
        made = self.socket(kind, **options)
        made.connect(address)
        return made

    def linked_pull(self, **options: object) -> tuple[Socket, str]:
        """Return a PULL socket that the node's link has reached, and its address."""
        made = self.socket(zmq.PULL, **options)
        made.bind(self.free_address())
        address = made.get_string(zmq.LAST_ENDPOINT)
        self.node.peers.set_peers({PEER: address})
        self.settle(lambda: self.node.peers.send(PEER, b"first"))
        self.settle(lambda: bool(made.poll(0)))
        assert made.recv() == PEER_HEADER + b"first"
        return made, address

    def bound_again(self, kind: int, address: str) -> Socket:
        """Return a socket at an address that another is just leaving."""
        made = self.socket(kind)

        def is_bound() -> bool:
            try:
                made.bind(address)
            except zmq.ZMQError as error:
                if error.errno != zmq.EADDRINUSE:  # libzmq closes in its own time
                    raise
                return False
            return True

        self.settle(is_bound)
        return made

    def sent_until_received(self, pull: Socket, text: bytes) -> bytes:
        """Send by the node's link until something is received, and return that."""
        self.settle(lambda: self.node.peers.send(PEER, text) and bool(pull.poll(0)))
        return pull.recv()

    def watch(self, socket: Socket, events: int) -> Socket:
        """Return what has something to read once one of these happened to the socket."""
        watching = socket.get_monitor_socket(events)
        self._opened.insert(0, watching)
        return watching

    def settle(self, reached: Callable[[], bool]) -> None:
        """Run the node's loop until `reached`, or fail."""
        end_s = time.monotonic() + PATIENCE_S
        while not reached():
            assert time.monotonic() < end_s, "not reached"
            self.turn()

    def be_idle(self) -> None:
        """Run the node's loop for IDLE_S."""
        until_s = time.monotonic() + IDLE_S
        self.settle(lambda: time.monotonic() > until_s)

    def turn(self) -> None:
        self.node.poller.wait(2)
        self.from_peers += self.node.peers.receive(10_000)
        self.from_clients += self.node.listener.receive(10_000, 1 << 30)

    def close(self) -> None:
        self.node.close()
        for one in self._opened:
            one.close()
        self._context.term()


def drain(socket: Socket, into: list[bytes]) -> list[bytes]:
    """Take what has arrived, and return everything."""
    while socket.poll(0):
        into.append(socket.recv())
    return into


@pytest.fixture(params=["tcp", "ipc", "abstract"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux knows local addresses that are no files")
    made = World(request.param, tmp_path)
    yield made
    made.close()


@pytest.fixture
def tcp(tmp_path: Path) -> Iterator[World]:
    made = World("tcp", tmp_path)
    yield made
    made.close()


# --- messages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("payloads", [PAYLOADS, NUMBERED], ids=["sizes", "many"])
def test_a_push_socket_reaches_the_port_for_peers(world: World, payloads: list[bytes]) -> None:
    push = world.connected(zmq.PUSH, world.node.peers.address)
    for payload in payloads:
        push.send(PEER_HEADER + payload)
    world.settle(lambda: len(world.from_peers) >= len(payloads))
    assert world.from_peers == payloads
    assert world.refusals == []


@pytest.mark.parametrize("payloads", [PAYLOADS, NUMBERED], ids=["sizes", "many"])
def test_a_link_reaches_a_pull_socket(world: World, payloads: list[bytes]) -> None:
    pull, _ = world.linked_pull()
    arrived: list[bytes] = []
    for payload in payloads:
        assert world.node.peers.send(PEER, payload)
    world.settle(lambda: len(drain(pull, arrived)) >= len(payloads))
    assert arrived == [PEER_HEADER + payload for payload in payloads]


@pytest.mark.parametrize("payloads", [PAYLOADS, NUMBERED], ids=["sizes", "many"])
@pytest.mark.parametrize("options", [{}, {"routing_id": b"me"}], ids=["nameless", "named"])
def test_a_dealer_socket_asks_and_is_answered(
    world: World, payloads: list[bytes], options: dict[str, object]
) -> None:
    dealer = world.connected(zmq.DEALER, world.node.listener.address, **options)
    for payload in payloads:
        dealer.send(CLIENT_HEADER + payload)
    world.settle(lambda: len(world.from_clients) >= len(payloads))
    assert [payload for _, payload in world.from_clients] == payloads
    (route,) = {route for route, _ in world.from_clients}
    for payload in payloads:
        assert world.node.listener.send(route, payload) is SendResult.SENT
    arrived: list[bytes] = []
    world.settle(lambda: len(drain(dealer, arrived)) >= len(payloads))
    assert arrived == [CLIENT_HEADER + payload for payload in payloads]
    assert world.refusals == []


def test_many_dealer_sockets_are_answered_each_its_own(tcp: World) -> None:
    dealers = [tcp.connected(zmq.DEALER, tcp.node.listener.address) for _ in range(50)]
    for number, dealer in enumerate(dealers):
        dealer.send(CLIENT_HEADER + b"%d" % number)
    tcp.settle(lambda: len(tcp.from_clients) >= len(dealers))
    for route, payload in tcp.from_clients:
        assert tcp.node.listener.send(route, payload) is SendResult.SENT
    tcp.node.listener.flush()
    for number, dealer in enumerate(dealers):
        assert dealer.poll(int(PATIENCE_S * 1000))
        assert drain(dealer, []) == [CLIENT_HEADER + b"%d" % number]


# --- signs of life ----------------------------------------------------------------------------


def test_idle_connections_live_by_their_beats_and_end_without(tcp: World) -> None:
    beats: dict[str, object] = {
        "heartbeat_ivl": BEAT_MS, "heartbeat_ttl": SILENCE_MS, "heartbeat_timeout": SILENCE_MS,
    }  # fmt: skip
    pull, _ = tcp.linked_pull(**beats)
    push = tcp.connected(zmq.PUSH, tcp.node.peers.address, **beats)
    dealer = tcp.connected(zmq.DEALER, tcp.node.listener.address, **beats)
    push.send(PEER_HEADER + b"before")
    dealer.send(CLIENT_HEADER + b"before")
    tcp.settle(lambda: bool(tcp.from_peers) and bool(tcp.from_clients))
    endings = [tcp.watch(one, zmq.EVENT_DISCONNECTED) for one in (pull, push, dealer)]

    tcp.be_idle()
    assert [ending.poll(0) for ending in endings] == [0, 0, 0]
    (route, _), *_ = tcp.from_clients
    assert tcp.node.listener.send(route, b"after") is SendResult.SENT
    assert tcp.node.peers.send(PEER, b"after")
    push.send(PEER_HEADER + b"after")
    tcp.settle(lambda: bool(dealer.poll(0) and pull.poll(0)) and len(tcp.from_peers) > 1)

    # The node answers no more: that they notice shows that they had asked all the time.
    assert all(ending.poll(int(PATIENCE_S * 1000)) for ending in endings)


def test_a_link_to_an_idle_socket_that_does_not_beat_lives_by_its_own_beats(tcp: World) -> None:
    pull, _ = tcp.linked_pull()
    ending = tcp.watch(pull, zmq.EVENT_DISCONNECTED)
    tcp.be_idle()
    assert not ending.poll(0)

    # The last beat told how long to wait for another.
    assert ending.poll(int(PATIENCE_S * 1000))


# --- ends and refusals ------------------------------------------------------------------------


def test_a_pull_socket_that_closes_and_is_bound_again_is_reached_again(world: World) -> None:
    pull, address = world.linked_pull()
    for text in (b"second", b"third"):
        pull.close()
        world.settle(lambda: not world.node.peers.send(PEER, b"lost"))
        pull = world.bound_again(zmq.PULL, address)
        assert world.sent_until_received(pull, text) == PEER_HEADER + text


def test_a_dealer_socket_finds_a_node_that_was_away(world: World) -> None:
    dealer = world.connected(zmq.DEALER, world.node.listener.address, reconnect_ivl=10)
    dealer.send(CLIENT_HEADER + b"before")
    world.settle(lambda: world.from_clients != [])
    ending = world.watch(dealer, zmq.EVENT_DISCONNECTED)
    client_address = world.node.listener.address
    world.node.close()
    assert ending.poll(int(PATIENCE_S * 1000))
    world.from_clients.clear()
    world.node = open_node_transport(world.free_address(), client_address)
    dealer.send(CLIENT_HEADER + b"after")
    world.settle(lambda: world.from_clients != [])
    ((_, payload),) = world.from_clients
    assert payload == b"after"


@pytest.mark.parametrize("kind", [zmq.PUSH, zmq.REP, zmq.ROUTER, zmq.SUB])
def test_a_link_to_another_kind_of_socket_never_counts_as_connected(tcp: World, kind: int) -> None:
    wrong = tcp.socket(kind)
    failures = tcp.watch(wrong, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_DISCONNECTED)
    wrong.bind(tcp.free_address())
    tcp.node.peers.set_peers({PEER: wrong.get_string(zmq.LAST_ENDPOINT)})
    tcp.settle(lambda: bool(failures.poll(0)))
    assert not tcp.node.peers.send(PEER, b"hello")


def test_a_socket_with_a_password_is_told_that_none_is_expected(tcp: World) -> None:
    tcp.connected(
        zmq.DEALER, tcp.node.listener.address, plain_username=b"name", plain_password=b"word"
    )
    tcp.settle(lambda: tcp.refusals != [])
    # Either side may be the first to see that they do not fit.
    reason = tcp.refusals[0].reason
    assert "security mechanism b'PLAIN'; expected none" in reason or "left before" in reason
