"""Whatever comes to a port is refused and told, and the next good client works as ever."""

import contextlib
import os
import re
import resource
import socket as network
import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from coord.testing.listening_node import ListeningNode
from transport.base import LinkEvent, SendResult
from transport.settings import LinkSettings
from transport.zeromq_channel import ZmqDialer

SETTINGS = LinkSettings(
    receive_bytes_max=1000, send_bytes_max=1000, handshake_ms=300, reconnect_ms=10
)
PATIENCE_S = 10.0


class Node(ListeningNode):
    """A listening node that can be shown to serve."""

    def __init__(self) -> None:
        super().__init__(SETTINGS)

    def address(self, port: str) -> str:
        if port == "peer":
            return self.transport.peers.address
        return self.transport.listener.address

    def prove_it_serves(self) -> None:
        """Let a well-behaved client ask and be answered."""
        dialer = ZmqDialer(SETTINGS)
        channel = dialer.dial(self.address("client"))
        self.settle(lambda: LinkEvent.UP in channel.link_events())
        self.received.clear()
        assert channel.send(b"good")
        self.settle(lambda: self.received != [])
        (route, payload), *more = self.received
        assert (payload, more) == (b"good", [])
        assert self.transport.listener.send(route, b"answer") is SendResult.SENT
        self.settle(lambda: channel.receive(2) == [b"answer"])
        dialer.close()


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.transport.close()


@pytest.fixture
def raw() -> Iterator[Callable[[str], network.socket]]:
    """Opens plain TCP connections to an address."""
    opened: list[network.socket] = []

    def connect(address: str) -> network.socket:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        opened.append(network.create_connection((host, int(port)), timeout=PATIENCE_S))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def dealer() -> Iterator[Callable[[int, str], "zmq.Socket[bytes]"]]:
    """Opens ZeroMQ sockets of any kind, unconstrained by our framing."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    opened: list[zmq.Socket[bytes]] = []

    def connect(kind: int, address: str) -> "zmq.Socket[bytes]":
        opened.append(context.socket(kind))
        opened[-1].linger = 0
        opened[-1].connect(address)
        return opened[-1]

    yield connect
    for one in opened:
        one.close()
    context.term()


FOREIGN = {
    "http": b"GET / HTTP/1.1\r\nHost: example\r\nAccept: */*\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "noise": bytes((i * 151 + 7) % 256 for i in range(4096)),
    "half a greeting": b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03",
    "a greeting that lies": b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00EVIL".ljust(
        64, b"\0"
    ),
    "nothing": b"",
}


@pytest.mark.parametrize("port", ["client", "peer"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_another_protocol_is_told_once_and_cut_off(
    node: Node, raw: Callable[[str], network.socket], kind: str, port: str
) -> None:
    stranger = raw(node.address(port))
    stranger.sendall(FOREIGN[kind])
    node.settle(lambda: node.refusals != [])
    (refusal,) = node.refusals
    assert refusal.port == port
    host, remote_port = stranger.getsockname()
    assert refusal.remote in ("unknown", f"{host}:{remote_port}")
    assert "protocol" in refusal.reason
    try:
        while stranger.recv(4096):
            pass  # our own greeting, then the end
    except ConnectionResetError:
        pass  # cut off harder
    node.prove_it_serves()


def test_a_hundred_strangers_give_one_line_and_a_count(
    node: Node, raw: Callable[[str], network.socket]
) -> None:
    for _ in range(100):
        raw(node.address("client")).sendall(b"GET / HTTP/1.1\r\n\r\n")
    node.settle(lambda: node.refusals != [])
    node.prove_it_serves()
    assert len(node.refusals) <= 2 + PATIENCE_S


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([b""], "shorter than its header"),
        ([b"CO"], "shorter than its header"),
        ([b"hello"], "not a message of this protocol"),
        ([b"CO\x01\x01x"], "message of channel peer"),
        ([b"CO\x07\x02x"], "framing version 7"),
        ([b"", b"CO\x01\x02x"], "message of 2 parts"),
        ([b"CO\x01\x02x", b"a", b"b"], "message of 3 parts"),
        ([b"CO\x01\x02" + b"x" * 1500], "1500 bytes is larger than 1000"),
    ],
)
def test_a_malformed_message_is_told_with_the_route_to_answer_by(
    node: Node,
    dealer: Callable[[int, str], "zmq.Socket[bytes]"],
    parts: list[bytes],
    reason: str,
) -> None:
    clumsy = dealer(zmq.DEALER, node.address("client"))
    clumsy.send_multipart(parts)
    node.settle(lambda: node.refusals != [])
    (refusal,) = node.refusals
    assert reason in refusal.reason
    assert node.received == []
    assert node.transport.listener.send(refusal.route, b"sorry") is SendResult.SENT
    node.transport.listener.flush()
    assert clumsy.poll(int(PATIENCE_S * 1000))
    assert clumsy.recv() == b"CO\x01\x02sorry"
    node.prove_it_serves()


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([b"CO\x01\x02x"], "message of channel client"),
        ([b"CO\x01\x01x", b"y"], "message of 2 parts"),
        ([b"CO\x01\x01" + b"x" * 1500], "1500 bytes is larger than 1000"),
    ],
)
def test_a_malformed_message_on_the_peer_port_is_told_with_its_fault(
    node: Node,
    dealer: Callable[[int, str], "zmq.Socket[bytes]"],
    parts: list[bytes],
    reason: str,
) -> None:
    dealer(zmq.PUSH, node.address("peer")).send_multipart(parts)
    node.settle(lambda: node.refusals != [])
    (refusal,) = node.refusals
    assert reason in refusal.reason
    assert refusal.port == "peer"
    assert refusal.remote.startswith("127.0.0.1:")
    assert node.from_peers == []


def test_a_message_far_too_large_costs_its_sender_the_connection(
    node: Node, dealer: Callable[[int, str], "zmq.Socket[bytes]"]
) -> None:
    huge = dealer(zmq.DEALER, node.address("client"))
    watch = huge.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    huge.send(b"CO\x01\x02" + b"x" * 100_000)
    node.settle(lambda: bool(watch.poll(1)))
    huge.disable_monitor()
    watch.close()
    assert node.received == []
    node.prove_it_serves()


def test_a_socket_of_the_wrong_kind_is_not_let_in(
    node: Node, dealer: Callable[[int, str], "zmq.Socket[bytes]"]
) -> None:
    dealer(zmq.PUSH, node.address("client"))
    node.settle(lambda: node.refusals != [])
    # Either side may be the first to see that they do not fit.
    assert re.search("type b'PUSH'; expected DEALER|left before", node.refusals[0].reason)
    node.prove_it_serves()


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Leave this process room for a few dozen descriptors only."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as newest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (newest.fileno() + 60, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_running_out_of_descriptors_is_told_and_holds_nobody_up(
    few_descriptors: None, node: Node, raw: Callable[[str], network.socket]
) -> None:
    with contextlib.suppress(OSError):  # both ends are here: connecting stops working, too
        for _ in range(60):
            raw(node.address("client"))
            node.transport.poller.wait(5)
    node.settle(lambda: any("descriptors run out" in one.reason for one in node.refusals))
    began_s = time.monotonic()
    for _ in range(50):
        node.transport.poller.wait(1)
    assert time.monotonic() - began_s < PATIENCE_S / 2
