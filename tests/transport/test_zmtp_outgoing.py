"""A connection that is made again: addresses that change, names that lead nowhere, a mute peer."""

import contextlib
import itertools
import os
import signal
import socket as network
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from transport.addresses import listen, parse
from transport.base import TransportError
from transport.lookup import Lookup
from transport.settings import LinkSettings
from transport.zmtp import NodeTransport, open_node_transport
from transport.zmtp_wire import GREETING, ready

SETTINGS = LinkSettings(
    heartbeat_ms=50, heartbeat_timeout_ms=200, reconnect_ms=10, reconnect_ms_max=50
)
PATIENCE_S = 15.0
PEER = """
from transport.zmtp import open_node_transport
node = open_node_transport("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
print(node.peers.address, flush=True)
while True:
    node.poller.wait(1000)
    node.peers.receive(100)
"""


def _node() -> NodeTransport:
    return open_node_transport("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", peer_settings=SETTINGS)


def _accept(listening: network.socket, node: NodeTransport) -> tuple[network.socket, object]:
    """Return the next connection, turning the loop of the one that makes it."""
    listening.setblocking(False)
    end_s = time.monotonic() + PATIENCE_S
    while True:
        node.poller.wait(2)
        try:
            made, address = listening.accept()
        except BlockingIOError:
            assert time.monotonic() < end_s, "nobody came"
            continue
        made.settimeout(PATIENCE_S)
        return made, address


def _narrow_peer() -> tuple[NodeTransport, network.socket, network.socket]:
    """Return a node, a plain socket that listens, and the node's link to it, which takes little."""
    listening = network.socket()
    listening.setsockopt(network.SOL_SOCKET, network.SO_RCVBUF, 16 * 1024)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    node = _node()
    node.peers.set_peers({2: f"tcp://127.0.0.1:{listening.getsockname()[1]}"})
    taken, _ = _accept(listening, node)
    taken.sendall(GREETING + ready(b"PULL"))
    return node, listening, taken


def _settle(reached: Callable[[], bool], *nodes: NodeTransport) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < end_s, "not reached"
        for node in nodes:
            node.poller.wait(2)


@pytest.mark.integration
def test_a_peer_that_stands_still_is_given_up_and_found_again() -> None:
    node = _node()
    with subprocess.Popen([sys.executable, "-c", PEER], stdout=subprocess.PIPE) as peer:
        try:
            assert peer.stdout is not None
            node.peers.set_peers({2: peer.stdout.readline().decode().strip()})
            _settle(lambda: node.peers.send(2, b"hello"), node)
            os.kill(peer.pid, signal.SIGSTOP)
            _settle(lambda: not node.peers.send(2, b"?"), node)
            os.kill(peer.pid, signal.SIGCONT)
            _settle(lambda: node.peers.send(2, b"again"), node)
        finally:
            peer.kill()
    node.close()


def test_a_link_outlives_a_loop_that_stood_still() -> None:
    one, two = _node(), _node()
    one.peers.set_peers({2: two.peers.address})
    _settle(lambda: one.peers.send(2, b"hello"), one, two)
    silence_s = 3 * (SETTINGS.heartbeat_ms + SETTINGS.heartbeat_timeout_ms) / 1000
    pause = threading.Event()
    end_s = time.monotonic() + silence_s
    while time.monotonic() < end_s:
        two.poller.wait(5)  # the other side is well, and this one neither asks nor listens
        pause.wait(0.01)
    link = one.peers._links[2]
    connection = link._connection
    for _ in range(20):
        one.poller.wait(5)
        two.poller.wait(5)
    assert link._connection is connection
    assert one.peers.send(2, b"still there")
    one.close()
    two.close()


def test_a_slow_line_gets_a_long_message_through_on_one_connection() -> None:
    node, listening, slow = _narrow_peer()
    payload = os.urandom(400_000)
    _settle(lambda: node.peers.send(2, payload), node)
    connection = node.peers._links[2]._connection
    slow.setblocking(False)
    pause, received = threading.Event(), bytearray()
    began_s = time.monotonic()
    with slow:
        while payload[-8:] not in received:
            assert time.monotonic() - began_s < PATIENCE_S
            node.poller.wait(5)
            pause.wait(0.02)  # 12 KiB each 25 ms: far longer than silence is borne
            with contextlib.suppress(BlockingIOError):
                got = slow.recv(12 * 1024)
                assert got, "given up in the middle of a message"
                received += got
    assert time.monotonic() - began_s > 2 * SETTINGS.heartbeat_timeout_ms / 1000
    assert node.peers._links[2]._connection is connection
    listening.close()
    node.close()


def test_a_peer_that_takes_nothing_of_a_long_message_is_given_up() -> None:
    node, listening, stuck = _narrow_peer()
    _settle(lambda: node.peers.send(2, b"x" * 8_000_000), node)
    again, _ = _accept(listening, node)
    again.close()
    stuck.close()
    listening.close()
    node.close()


def test_a_path_no_system_can_write_and_a_system_out_of_threads_only_cost_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_more(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    node = _node()
    monkeypatch.setattr(threading.Thread, "start", no_more)
    node.peers.set_peers({2: "ipc://a\0b", 3: "tcp://some.name:1"})
    for _ in range(20):
        node.poller.wait(5)
    assert not node.peers.send(2, b"hello")
    assert not node.peers.send(3, b"hello")
    node.close()


def test_the_next_address_of_a_name_is_tried_when_nobody_is_at_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = _node(), _node()
    port = int(two.peers.address.rpartition(":")[2])
    with network.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = unused.getsockname()

    def found(_host: str, _port: int, **options: Any) -> list[Any]:
        if options.get("flags"):
            raise network.gaierror("not a number")
        family = network.AF_INET
        return [(family, 1, 6, "", dead), (family, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(network, "getaddrinfo", found)
    one.peers.set_peers({2: f"tcp://some.name:{port}"})
    _settle(lambda: one.peers.send(2, b"hello"), one, two)
    _settle(lambda: two.peers.receive(1) == [b"hello"], one, two)
    one.close()
    two.close()


def test_a_slow_name_server_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(_host: str, _port: int, **options: Any) -> list[Any]:
        if options.get("flags"):
            raise network.gaierror("not a number")
        asked.set()
        answer.wait(PATIENCE_S)
        raise network.gaierror("no such host")

    monkeypatch.setattr(network, "getaddrinfo", slow)
    lookup = Lookup(parse("tcp://nowhere.example:1"))
    assert asked.wait(PATIENCE_S)
    assert lookup.is_over is False
    answer.set()
    _settle(lambda: lookup.is_over)
    assert lookup.found == []


def test_a_name_that_leads_nowhere_is_asked_for_again_at_a_growing_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[float] = []

    def nobody(_host: str, _port: int, **options: Any) -> list[Any]:
        if not options.get("flags"):
            asked.append(time.monotonic())
        raise network.gaierror("no such host")

    node = _node()
    monkeypatch.setattr(network, "getaddrinfo", nobody)
    node.peers.set_peers({2: "tcp://nowhere.example:1"})
    _settle(lambda: len(asked) >= 6, node)
    gaps_s = [after - before for before, after in itertools.pairwise(asked)]
    assert min(gaps_s) >= SETTINGS.reconnect_ms / 1000
    assert max(gaps_s[2:]) >= SETTINGS.reconnect_ms_max / 1000
    node.close()


@pytest.mark.parametrize(
    "text",
    [
        "", "tcp://", "tcp://:5", "tcp://host:", "tcp://host:-1", "tcp://host:1x", "tcp://host:٣",
        "tcp://host", "ipc://", "udp://host:1", "host:1", "tcp://h:65536",
        "tcp://h:" + "9" * 5000, "tcp://h:000065536",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(TransportError, match=r"expected tcp://HOST:PORT|a port is at most 65535"):
        parse(text)


def test_a_name_of_both_kinds_is_listened_on_where_others_look_for_it_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def both(_host: str, port: int, **_options: Any) -> list[Any]:
        return [
            (network.AF_INET6, 1, 6, "", ("::1", port, 0, 0)),
            (network.AF_INET, 1, 6, "", ("127.0.0.1", port)),
        ]

    monkeypatch.setattr(network, "getaddrinfo", both)
    with listen(parse("tcp://some.name:*")) as listening:
        assert listening.family == network.AF_INET


def test_an_address_is_taken_apart() -> None:
    assert (parse("tcp://[::1]:7").host, parse("tcp://[::1]:7").port) == ("::1", 7)
    assert (parse("tcp://*:*").host, parse("tcp://*:*").port) == ("*", 0)
    assert parse("tcp://h:00080").port == 80
    assert parse("ipc://@name").is_local
    assert parse("ipc:///tmp/x").path == "/tmp/x"
