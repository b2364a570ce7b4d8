"""A node's port: who comes and goes leaves nothing, who floods or stalls harms nobody else."""

import contextlib
import errno
import gc
import itertools
import os
import socket as network
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coord.testing.listening_node import ListeningNode
from transport import zmtp_door
from transport.base import LinkEvent, SendResult
from transport.settings import LinkSettings
from transport.zmtp import open_node_transport
from transport.zmtp_channel import ZmtpDialer
from transport.zmtp_connection import READ_BYTES, Connection
from transport.zmtp_wire import GREETING, Decoder, message_head, ping, ready

SETTINGS = LinkSettings(
    queue_messages=64,
    receive_bytes_max=100_000,
    send_bytes_max=100_000,
    heartbeat_ms=50,
    heartbeat_timeout_ms=200,
    handshake_ms=1_000,
    reconnect_ms=10,
)
PATIENCE_S = 15.0
HEADER = b"CO\x01\x02"


@pytest.fixture
def node() -> Iterator[ListeningNode]:
    made = ListeningNode(SETTINGS)
    yield made
    made.transport.close()


def _message(payload: bytes) -> bytes:
    return message_head(len(HEADER) + len(payload)) + HEADER + payload


class _Flood:
    """Sends the same bytes again and again, as far as there is room."""

    def __init__(self, stream: network.socket, wave: bytes) -> None:
        self._stream, self._wave, self._left = stream, wave, b""

    def go_on(self) -> None:
        try:
            while True:
                self._left = self._left or self._wave
                self._left = self._left[self._stream.send(self._left) :]
        except BlockingIOError:
            return


def _deaf_and_full(node: ListeningNode) -> tuple[network.socket, bytes]:
    """Return a client that reads nothing, with all queued for it that may be, and its route."""
    deaf = node.raw()
    deaf.sendall(GREETING + ready(b"DEALER") + _message(b"hello"))
    node.settle(lambda: node.received != [])
    route, _ = node.received[0]
    while node.transport.listener.send(route, b"x" * 100_000) is SendResult.SENT:
        pass
    return deaf, route


def _alive(kind: type) -> int:
    return sum(type(one) is kind for one in gc.get_objects())


def test_who_comes_and_goes_leaves_nothing_behind_without_the_cyclic_collector(
    node: ListeningNode,
) -> None:
    gc.collect()
    node.turn(0)
    before = _alive(Connection), _alive(Decoder), len(os.listdir("/proc/self/fd"))
    gc.disable()
    try:
        for number in range(150):
            with node.raw() as visitor:
                if number % 3:
                    visitor.sendall(GREETING)
                if number % 3 == 2:
                    visitor.sendall(ready(b"DEALER") + _message(b"hello")[:-2])
                node.turn(1)
        node.settle(lambda: len(os.listdir("/proc/self/fd")) <= before[2])
        assert (_alive(Connection), _alive(Decoder)) == before[:2]
    finally:
        gc.enable()


def test_a_client_outlives_a_loop_that_stood_still_while_it_beat(node: ListeningNode) -> None:
    ttl_ms = 100
    steady = node.raw()
    steady.sendall(GREETING + ready(b"DEALER") + ping(ttl_ms) + _message(b"here"))
    node.settle(lambda: node.received != [])
    route, _ = node.received.pop()
    pause = threading.Event()
    for _ in range(3):  # the loop does nothing, for longer than a beat is good for
        pause.wait(ttl_ms / 1000)
        steady.sendall(ping(ttl_ms))
    node.turn()
    assert node.transport.listener.send(route, b"x") is SendResult.SENT
    node.settle(lambda: node.transport.listener.send(route, b"x") is SendResult.GONE)
    steady.close()


def test_one_who_floods_does_not_keep_the_others_from_being_heard(node: ListeningNode) -> None:
    flooding = node.raw()
    flooding.sendall(GREETING + ready(b"DEALER"))
    flooding.setblocking(False)
    flood = _Flood(flooding, _message(b"x" * 1000) * 200)
    dialer = ZmtpDialer(SETTINGS)
    channel = dialer.dial(node.transport.listener.address)
    sent = False
    end_s = time.monotonic() + PATIENCE_S
    while (b"quiet",) not in [(payload,) for _, payload in node.received]:
        assert time.monotonic() < end_s
        flood.go_on()
        node.turn(0)
        sent = sent or (LinkEvent.UP in channel.link_events() and channel.send(b"quiet"))
    flooding.close()
    dialer.close()


def test_many_who_flood_leave_everyone_a_turn(node: ListeningNode) -> None:
    floods = []
    for _ in range(20):
        stream = node.raw()
        stream.sendall(GREETING + ready(b"DEALER"))
        stream.setblocking(False)
        floods.append((stream, _Flood(stream, _message(b"x" * 1000) * 200)))
    quiet = node.raw()
    quiet.sendall(GREETING + ready(b"DEALER"))
    node.settle(lambda: len(node.transport.listener._door.routes) == len(floods) + 1)
    quiet.sendall(_message(b"quiet"))
    turns = 0
    while b"quiet" not in [payload for _, payload in node.received]:
        for _, flood in floods:
            flood.go_on()
        node.turn(0)
        turns += 1
        # One read brings 64 messages, which are four turns' worth of what this loop takes.
        assert turns < 8 * len(floods)
    for stream, _ in floods:
        stream.close()
    quiet.close()


def test_half_messages_of_many_are_bounded_all_together(
    node: ListeningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zmtp_door, "_HALVES_BYTES_MAX", 100_000)
    door = node.transport.listener._door
    half = _message(b"x" * 60_000)[:-1]
    talkers = [node.raw() for _ in range(3)]
    for talker in talkers:
        talker.sendall(GREETING + ready(b"DEALER") + half)
        node.settle(lambda: door._unread == {})
    node.settle(lambda: len(door._connections) == 1)
    assert "half a message too much" in node.refusals[0].reason
    assert 0 < door._halves_bytes <= 100_000
    for talker in talkers:
        with contextlib.suppress(OSError):
            talker.sendall(b"x")
    node.settle(lambda: node.received != [])
    assert door._halves_bytes == 0
    for talker in talkers:
        talker.close()


def test_what_nobody_wants_is_read_for_a_bounded_time(
    node: ListeningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    junk = node.raw()
    junk.sendall(GREETING + ready(b"DEALER"))
    node.settle(lambda: node.transport.listener._door.routes != {})
    now_ms = itertools.count(time.monotonic() * 1000, 5.0)
    monkeypatch.setattr(zmtp_door, "monotonic_ms", lambda: next(now_ms))
    total = 100_000
    sending = threading.Thread(target=junk.sendall, args=((message_head(1) + b"x") * total,))
    sending.start()
    refused = [0]
    while refused[-1] < total:
        node.transport.poller.wait(5)
        refused.append(node.transport.listener.refused_count)
    sending.join()
    read_at_once = READ_BYTES // 3 + 1
    assert max(after - before for before, after in itertools.pairwise(refused)) < 5 * read_at_once
    junk.close()


def test_a_connection_the_system_will_not_watch_is_turned_away_by_name(
    node: ListeningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(node.transport.poller, "add", full)
        visitor = node.raw()
        node.settle(lambda: node.refusals != [])
    assert visitor.recv(1) == b""
    assert "not let in" in node.refusals[0].reason
    with node.raw() as next_visitor:
        next_visitor.sendall(GREETING + ready(b"DEALER") + _message(b"hello"))
        node.settle(lambda: node.received != [])
    visitor.close()


@pytest.mark.parametrize("shortage", [errno.EMFILE, errno.ENOBUFS])
def test_letting_in_goes_on_after_a_shortage(
    node: ListeningNode, monkeypatch: pytest.MonkeyPatch, shortage: int
) -> None:
    door = node.transport.listener._door
    real = door._listening

    class Short:
        """A listening socket of a system that has run out of something."""

        fileno = real.fileno

        def accept(self) -> None:
            raise OSError(shortage, os.strerror(shortage))

    visitor = node.raw()
    visitor.sendall(GREETING + ready(b"DEALER") + _message(b"hello"))
    with monkeypatch.context() as patched:
        patched.setattr(door, "_listening", Short())
        node.settle(lambda: node.refusals != [])
    assert "run out" in node.refusals[0].reason
    node.settle(lambda: node.received != [])
    visitor.close()


def test_a_message_for_one_who_left_while_its_queue_was_full_is_told_as_not_sent(
    node: ListeningNode,
) -> None:
    deaf, route = _deaf_and_full(node)
    deaf.setsockopt(network.SOL_SOCKET, network.SO_LINGER, struct.pack("ii", 1, 0))
    deaf.close()  # breaks the connection; the node has not heard of it when it sends next
    assert node.transport.listener.send(route, b"x") is SendResult.BUSY
    assert node.transport.listener.send(route, b"x") is SendResult.GONE
    assert node.transport.listener._door._unsent == set()


def test_beats_that_are_never_read_are_answered_up_to_a_bound(node: ListeningNode) -> None:
    deaf = node.raw()
    deaf.sendall(GREETING + ready(b"DEALER"))
    deaf.setblocking(False)
    flood = _Flood(deaf, ping(1_000) * 1_000)
    for _ in range(10):
        flood.go_on()
        node.turn(0)
    connection = next(iter(node.transport.listener._door._connections.values()))
    assert connection.unsent <= SETTINGS.queue_messages
    deaf.close()


def test_a_node_that_closes_while_a_client_reads_nothing_is_done_within_its_moment() -> None:
    node = ListeningNode(SETTINGS)
    deaf, _ = _deaf_and_full(node)
    deaf.sendall(_message(b"more"))
    began_s = time.monotonic()
    node.transport.close()
    assert time.monotonic() - began_s < 2.0
    deaf.close()


def test_a_file_that_is_no_socket_is_never_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("words")
    with pytest.raises(Exception, match="already in use"):
        open_node_transport("tcp://127.0.0.1:0", f"ipc://{precious}")
    assert precious.read_text() == "words"
