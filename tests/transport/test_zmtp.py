"""Opening, waking and closing a node's transport."""

import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from transport.base import LinkEvent, TransportError
from transport.zeromq_channel import ZmqDialer
from transport.zmtp import NodeTransport, open_node_transport, raise_file_limit

PATIENCE_MS = 10_000.0


@pytest.fixture
def node() -> Iterator[NodeTransport]:
    opened = open_node_transport("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
    yield opened
    opened.close()


def test_a_word_from_another_thread_ends_the_wait(node: NodeTransport) -> None:
    began_s = time.monotonic()
    other = threading.Thread(target=node.poller.wake)
    other.start()
    node.poller.wait(PATIENCE_MS)
    other.join()
    assert time.monotonic() - began_s < PATIENCE_MS / 1000


def test_a_thousand_words_end_one_wait_and_not_the_next(node: NodeTransport) -> None:
    for _ in range(1000):
        node.poller.wake()
    node.poller.wait(PATIENCE_MS)
    began_s = time.monotonic()
    node.poller.wait(30)
    assert time.monotonic() - began_s > 0.02


def test_a_word_after_the_wait_is_not_lost(node: NodeTransport) -> None:
    for _ in range(3):
        node.poller.wake()
        began_s = time.monotonic()
        node.poller.wait(PATIENCE_MS)
        assert time.monotonic() - began_s < PATIENCE_MS / 1000


def test_a_wait_of_a_fraction_of_a_millisecond_does_not_spin(node: NodeTransport) -> None:
    began_s = time.monotonic()
    node.poller.wait(0.2)
    assert time.monotonic() - began_s > 0.0005


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("localhost", "expected tcp://HOST:PORT or ipc://PATH"),
        ("http://localhost:1", "expected tcp://HOST:PORT or ipc://PATH"),
        ("tcp://127.0.0.1", "expected tcp://HOST:PORT or ipc://PATH"),
        ("tcp://127.0.0.1:99999999", "a port is at most 65535"),
        ("tcp://no-such-interface:4000", "no such host or interface"),
        ("ipc:///no/such/folder/socket", "its folder does not exist"),
        ("ipc:///tmp/" + "x" * 200, "too long for a local socket"),
    ],
)
def test_a_wrong_address_is_refused_with_the_reason(address: str, reason: str) -> None:
    with pytest.raises(TransportError, match=reason) as raised:
        open_node_transport("tcp://127.0.0.1:0", address)
    assert address in str(raised.value)


def test_a_client_refuses_what_is_no_address() -> None:
    dialer = ZmqDialer()
    with pytest.raises(TransportError, match="expected tcp://HOST:PORT"):
        dialer.dial("node-1")
    dialer.close()


def test_a_taken_port_is_refused_and_free_again_after_close() -> None:
    first = open_node_transport("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
    address = first.listener.address
    with pytest.raises(TransportError, match="already in use"):
        open_node_transport("tcp://127.0.0.1:0", address)
    first.close()
    open_node_transport("tcp://127.0.0.1:0", address).close()


def test_a_socket_file_left_by_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    import socket

    path = tmp_path / "left"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.exists()
    open_node_transport(f"ipc://{tmp_path}/peer", f"ipc://{path}").close()


def test_a_client_reaches_a_node_over_ipv6_where_there_is_any() -> None:
    try:
        node = open_node_transport("tcp://127.0.0.1:0", "tcp://[::1]:0")
    except TransportError:
        pytest.skip("no IPv6 on this machine")
    dialer = ZmqDialer()
    channel = dialer.dial(node.listener.address)
    end_s = time.monotonic() + PATIENCE_MS / 1000
    while LinkEvent.UP not in channel.link_events():
        assert time.monotonic() < end_s
        node.poller.wait(5)
    dialer.close()
    node.close()


def test_the_file_limit_is_raised_to_what_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
    assert raise_file_limit() == before[1]
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
