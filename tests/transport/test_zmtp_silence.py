"""A side that stops without closing is noticed by the other, by missing signs of life."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from transport.base import LinkEvent, SendResult
from transport.settings import LinkSettings
from transport.zeromq_channel import ZmqDialer
from transport.zmtp import open_node_transport

pytestmark = pytest.mark.integration

SETTINGS = LinkSettings(heartbeat_ms=50, heartbeat_timeout_ms=200, reconnect_ms=10)
PATIENCE_S = 15.0

# Only an idle client is missed this soon: what it says stops the count until its next beat.
CLIENT = """
import select, sys
from transport.settings import LinkSettings
from transport.zeromq_channel import ZmqDialer
channel = ZmqDialer(LinkSettings(heartbeat_ms=50, heartbeat_timeout_ms=200)).dial(sys.argv[1])
while not channel.link_events():
    pass
channel.send(b"here")
select.select([], [], [], 0.3)
print("idle", flush=True)
sys.stdin.read()
"""
NODE = """
from transport.zmtp import open_node_transport
node = open_node_transport("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
print(node.listener.address, flush=True)
while True:
    node.poller.wait(1000)
"""


@contextlib.contextmanager
def _program(text: str, *args: str) -> Iterator["subprocess.Popen[bytes]"]:
    running = subprocess.Popen(
        [sys.executable, "-c", text, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with running:
        try:
            yield running
        finally:
            running.kill()


def _settle(reached: Callable[[], bool], wait: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < end_s, "not reached"
        wait()


def test_an_idle_client_that_stands_still_is_gone_for_its_node() -> None:
    node = open_node_transport("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", client_settings=SETTINGS)
    arrived: list[tuple[bytes, bytes]] = []
    with _program(CLIENT, node.listener.address) as client:

        def listen() -> None:
            node.poller.wait(10)
            arrived.extend(node.listener.receive(1, 99))

        _settle(lambda: arrived != [], listen)
        route, _ = arrived[0]
        assert node.listener.send(route, b"hello") is SendResult.SENT
        assert client.stdout is not None
        assert client.stdout.readline() == b"idle\n"
        os.kill(client.pid, signal.SIGSTOP)
        _settle(
            lambda: node.listener.send(route, b"?") is SendResult.GONE,
            lambda: node.poller.wait(10),
        )
    node.close()


def test_a_node_that_stands_still_is_down_for_its_clients() -> None:
    dialer = ZmqDialer(SETTINGS)
    seen: list[LinkEvent] = []
    with _program(NODE) as node:
        assert node.stdout is not None
        channel = dialer.dial(node.stdout.readline().decode().strip())
        poll = _ready_poll(channel.filenos())

        def saw(event: LinkEvent) -> bool:
            seen.extend(channel.link_events())
            return event in seen

        _settle(lambda: saw(LinkEvent.UP), poll)
        os.kill(node.pid, signal.SIGSTOP)
        _settle(lambda: saw(LinkEvent.DOWN), poll)
    dialer.close()


def _ready_poll(descriptors: tuple[int, ...]) -> Callable[[], object]:
    """Return a wait of at most 10 ms for any of the descriptors."""
    return lambda: select.select(descriptors, [], [], 0.01)
