"""A real cluster and what strangers send it: each is turned away, and nobody else notices."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

import coord
from coord import limits
from coord.codec import client_frames, node_frames
from coord.errors import ErrorCode
from coord.frames import (
    PROTOCOL_VERSION,
    FrameRejected,
    Hello,
    NodeFrame,
    ReadFrame,
    ReadRejected,
    ReadReply,
    WatchCancel,
    WriteFrame,
    WriteReply,
)
from coord.node.peers import Introduce, peer_frames
from coord.requests import ErrorReply, OpenWriter, Put, Range, WriterReply
from coord.testing.local_cluster import LocalProcesses, started_cluster, wait_for
from tests.bench.cpu_time import resident_bytes
from transport.base import LinkEvent, ignore_refusal
from transport.settings import LinkSettings
from transport.zeromq_channel import ZmqChannel, ZmqDialer
from transport.zmtp import open_node_transport

pytestmark = pytest.mark.integration

WRITER = 0x0BAD
ANSWER_S = 10.0
NEVER_READS = LinkSettings(
    send_bytes_max=64 * limits.MIB, receive_bytes_max=64 * limits.MIB, unread_messages=1
)
LARGE = LinkSettings(send_bytes_max=64 * limits.MIB, receive_bytes_max=64 * limits.MIB)
HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
TLS_HELLO = bytes.fromhex("16030100a5010000a10303") + bytes(range(160))
RANDOM = Random(11).randbytes(3000)
_HEAD = b"\x95\x02\xcd\x0b\xad\x01\x01"  # of a WriteFrame of WRITER, number 1
STRANGERS = {"http": HTTP, "tls": TLS_HELLO, "random": RANDOM, "zeros": bytes(4096)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcesses]:
    folder: Path = tmp_path_factory.mktemp("bad-input")
    with started_cluster(folder) as running:
        yield running


@pytest.fixture(autouse=True)
def unharmed(cluster: LocalProcesses) -> Iterator[None]:
    """Whatever a test did: the same processes run, and a client of all of them is served."""
    pids = [node["pid"] for node in cluster.state["nodes"]]
    yield
    with coord.connect(cluster.endpoints) as client:
        client.put("well", "behaved")
        assert client.get("well").kvs[0].value == b"behaved"
    for node in cluster.state["nodes"]:
        with coord.connect(node["client"]) as client:
            assert client.get("well", serializable=True).kvs
    assert [node["pid"] for node in cluster.state["nodes"]] == pids


def until_logged(cluster: LocalProcesses, act: Callable[[], None], *texts: str) -> str:
    """Do `act`, again each second since reports are few, until a new line holds all `texts`."""
    start = len(cluster.log())
    next_s = 0.0
    found: list[str] = []

    def is_logged() -> bool:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + 1.1
            act()
        lines = cluster.log()[start:].splitlines()
        found.extend(line for line in lines if all(text in line for text in texts))
        return bool(found)

    wait_for(is_logged, ANSWER_S, cluster.log)
    return found[0]


def address_of(cluster: LocalProcesses, port: str) -> str:
    return str(cluster.state["nodes"][0][port])


def speak_raw(address: str, said: bytes) -> None:
    """Say something over bare TCP and wait until the node hangs up."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), ANSWER_S) as raw:
        raw.settimeout(ANSWER_S)
        try:
            raw.sendall(said)
            while raw.recv(65536):
                pass  # ZeroMQ greets everybody before it listens
        except ConnectionResetError:
            return  # hung up with our bytes unread


class Caller:
    """A client's bare connection: sends bytes as they are, reads frames."""

    def __init__(self, address: str, settings: LinkSettings = LARGE) -> None:
        self._dialer = ZmqDialer(settings)
        self._channel: ZmqChannel = self._dialer.dial(address)
        self.events: list[LinkEvent] = []

    def is_up(self) -> bool:
        self.events += self._channel.link_events()
        return bool(self.events) and self.events[-1] is LinkEvent.UP

    def was_cut(self) -> bool:
        self.events += self._channel.link_events()
        return LinkEvent.DOWN in self.events

    def say(self, payload: bytes) -> None:
        wait_for(self.is_up, ANSWER_S, lambda: "no connection")
        assert self._channel.send(payload)

    def ask(self, payload: bytes) -> NodeFrame:
        """Send bytes, return the frame that answers them."""
        self.say(payload)
        arrived: list[bytes] = []

        def has_answer() -> bool:
            self.is_up()
            arrived.extend(self._channel.receive(1))
            return bool(arrived)

        wait_for(has_answer, ANSWER_S, lambda: "no answer")
        return node_frames.decode(arrived[0])

    def take(self) -> list[NodeFrame]:
        """Return the frames that have arrived."""
        return [node_frames.decode(payload) for payload in self._channel.receive(100)]

    def close(self) -> None:
        self._dialer.close()


@pytest.fixture
def caller(cluster: LocalProcesses) -> Iterator[Caller]:
    with closing(Caller(address_of(cluster, "client"))) as made:
        yield made


@pytest.mark.parametrize("port", ["client", "peer"])
@pytest.mark.parametrize("said", STRANGERS.values(), ids=STRANGERS.keys())
def test_another_protocol_is_hung_up_on_and_logged(
    cluster: LocalProcesses, port: str, said: bytes
) -> None:
    address = address_of(cluster, port)
    until_logged(cluster, lambda: speak_raw(address, said), "stranger refused", f"port={port}")


def test_a_client_at_a_peer_port_gets_no_connection(cluster: LocalProcesses) -> None:
    address = address_of(cluster, "peer")

    def dial() -> None:
        with closing(Caller(address)) as lost:
            pause_s = time.monotonic() + 0.3
            wait_for(lambda: lost.is_up() or time.monotonic() > pause_s, ANSWER_S, str)
            assert not lost.is_up()

    until_logged(cluster, dial, "stranger refused", "port=peer")


def test_peers_messages_from_nobody_known_change_nothing(cluster: LocalProcesses) -> None:
    address = address_of(cluster, "peer")
    transport = open_node_transport(
        "tcp://127.0.0.1:0", "tcp://127.0.0.1:0", peer_settings=LARGE, on_refused=ignore_refusal
    )
    with closing(transport):
        transport.peers.set_peers({1: address})
        strange = peer_frames.encode(Introduce(99, 1, 2, 2**62, "x", "tcp://h:1"))

        def leaves() -> bool:
            transport.poller.wait(1)
            return transport.peers.send(1, strange)

        wait_for(leaves, ANSWER_S, str)

        def send() -> None:
            transport.peers.send(1, b"\x93\x01garbage")
            transport.peers.send(1, client_frames.encode(Hello(PROTOCOL_VERSION)))

        until_logged(cluster, send, "peer message refused")


def test_a_greeting_for_another_cluster_or_version_is_refused_by_name(
    cluster: LocalProcesses, caller: Caller
) -> None:
    wrong = caller.ask(client_frames.encode(Hello(PROTOCOL_VERSION, 0xBAD)))
    assert isinstance(wrong, FrameRejected)
    assert wrong.code == ErrorCode.WRONG_CLUSTER
    old = caller.ask(client_frames.encode(Hello(PROTOCOL_VERSION + 1)))
    assert isinstance(old, FrameRejected)
    assert old.code == ErrorCode.WRONG_VERSION
    hello = client_frames.encode(Hello(PROTOCOL_VERSION, 0xBAD))
    until_logged(cluster, lambda: caller.say(hello), "frame refused", "WRONG_CLUSTER")


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", b"\x93\x01", RANDOM, b"\x92\x63\x01", b"\x95\x02\x05\x01\x01\xff"],
    ids=["empty", "no msgpack", "cut short", "random", "unknown frame", "ops are no list"],
)
def test_bytes_that_are_no_frame_are_answered_with_a_refusal_and_logged(
    cluster: LocalProcesses, caller: Caller, payload: bytes
) -> None:
    answer = caller.ask(payload)
    assert isinstance(answer, FrameRejected)
    assert answer.code == ErrorCode.MALFORMED
    until_logged(cluster, lambda: caller.say(payload), "frame refused", "MALFORMED")


def test_unknown_and_unreadable_operations_are_refused_alone(caller: Caller) -> None:
    opened = caller.ask(client_frames.encode(WriteFrame(WRITER, 0, 0, (OpenWriter(),))))
    assert isinstance(opened, WriteReply)
    assert isinstance(opened.replies[0], WriterReply)
    unknown, unreadable = b"\x92\x7e\x01", b"\x92\x01\xa2\xff\xfe"
    answer = caller.ask(_HEAD + b"\x93" + unknown + unreadable + b"\x80")
    assert isinstance(answer, WriteReply)
    codes = [reply.code for reply in answer.replies if isinstance(reply, ErrorReply)]
    assert codes == [ErrorCode.MALFORMED] * 3
    read = caller.ask(b"\x94\x03\x07\xc3\x92" + unknown + unreadable)
    assert isinstance(read, ReadReply)
    assert all(isinstance(reply, ErrorReply) for reply in read.replies)


def test_numbers_out_of_range_are_refused(caller: Caller) -> None:
    huge = 2**63
    frames = (
        b"\x95\x02\xcf" + huge.to_bytes(8, "big") + b"\x01\x01\x91\x91\x01",
        b"\x95\x02\x05\xff\x01\x91\x91\x01",
        b"\x94\x03\xff\xc3\x91\x92\x03\xc4\x01k",
    )
    for payload in frames:
        answer = caller.ask(payload)
        assert isinstance(answer, FrameRejected), answer
    odd = Range(b"k", revision=2**63 - 1, limit=2**63 - 1)
    answer = caller.ask(client_frames.encode(ReadFrame(1, True, (odd,))))
    assert isinstance(answer, ReadReply)
    assert isinstance(answer.replies[0], ErrorReply)


def test_the_nodes_own_writer_is_not_for_clients(caller: Caller) -> None:
    answer = caller.ask(client_frames.encode(WriteFrame(1, 1, 1, (Put(b"k"),))))
    assert isinstance(answer, FrameRejected)


def test_a_frame_of_nine_mebibytes_is_refused_unread_and_logged(
    cluster: LocalProcesses, caller: Caller
) -> None:
    large = bytes(9 * limits.MIB)
    answer = caller.ask(large)
    assert isinstance(answer, FrameRejected)
    assert answer.code == ErrorCode.MALFORMED
    assert str(limits.FRAME_BYTES_MAX) in answer.detail
    until_logged(cluster, lambda: caller.say(large), "stranger refused", "port=client")


def test_a_frame_far_too_large_costs_its_sender_the_connection(caller: Caller) -> None:
    caller.say(bytes(3 * limits.FRAME_BYTES_MAX))
    wait_for(caller.was_cut, ANSWER_S, lambda: "still connected")


def test_a_connection_that_sends_and_never_reads_or_says_goodbye_harms_nobody(
    cluster: LocalProcesses,
) -> None:
    with closing(Caller(address_of(cluster, "client"))) as rude:
        for number in range(2000):
            rude.say(client_frames.encode(WatchCancel(number)))
        frame = client_frames.encode(ReadFrame(1, True, (Range(b"\0", b"\0"),) * 50))
        for _ in range(500):
            rude.say(frame)
    assert all(os.path.exists(f"/proc/{node['pid']}") for node in cluster.state["nodes"])


def test_answers_that_a_client_does_not_take_gather_up_to_a_window_and_it_is_told(
    cluster: LocalProcesses,
) -> None:
    node = cluster.state["nodes"][0]
    read = client_frames.encode(ReadFrame(1, True, (Range(b"large/", b"large0"),)))
    with (
        coord.connect(node["client"]) as client,
        closing(Caller(node["client"], NEVER_READS)) as rude,
    ):
        for number in range(16):
            client.put(f"large/{number:02}", bytes(limits.MIB))
        before_bytes = resident_bytes(node["pid"])
        for _ in range(400):  # six gibibytes of answers
            rude.say(read)
        rude.say(client_frames.encode(WriteFrame(WRITER + 1, 0, 0, (OpenWriter(),))))
        rude.say(client_frames.encode(WriteFrame(WRITER + 1, 1, 1, (Put(b"all-asked"),))))
        wait_for(lambda: client.get("all-asked").count == 1, ANSWER_S, cluster.log)
        gathered_bytes = resident_bytes(node["pid"]) - before_bytes
        client.delete("large/", prefix=True)
        told: list[NodeFrame] = []

        def is_told() -> bool:
            told.extend(rude.take())
            return isinstance(told[-1] if told else None, ReadRejected)

        wait_for(is_told, ANSWER_S, cluster.log)
    assert gathered_bytes < 4 * limits.ANSWER_WINDOW_BYTES
    answers = [frame for frame in told if isinstance(frame, ReadReply)]
    assert 4 <= len(answers) <= 6
    assert isinstance(told[-1], ReadRejected)
    assert told[-1].code == ErrorCode.TOO_MANY_REQUESTS
