"""Forwarded writes: copies change nothing, and old word is no word of what is under way."""

import pytest

from coord.clock import ManualClock
from coord.codec import client_frames
from coord.errors import ErrorCode
from coord.frames import WriteFrame, WriteRejected
from coord.ids import ClusterId, NodeId
from coord.node.driver import Node
from coord.node.peers import Forward, ForwardRejected, peer_frames
from coord.node.settings import NodeSettings
from coord.raft.messages import Heartbeat
from coord.requests import Put
from coord.testing.listener import RecordingListener
from coord.testing.lone_node import InstantStorage

_ROUTE = b"route"
_FRAME = WriteFrame(5, 1, 1, (Put(b"k"),))


class _Peers:
    """Implements PeerTransport: what arrives is put in by hand, what is sent is kept."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        self.sent: list[object] = []
        self.is_cut = False

    def send(self, to: int, payload: bytes) -> bool:
        if not self.is_cut:
            self.sent.append(peer_frames.decode(payload))
        return not self.is_cut

    def receive(self, max_messages: int) -> list[bytes]:
        arrived, self.arrived = self.arrived, []
        return arrived

    def set_peers(self, addresses: dict[int, str]) -> None:
        """Known already."""

    def close(self) -> None:
        """Nothing to release."""


class _Follower:
    """Node 1 of three, following node 2 in term 1."""

    def __init__(self) -> None:
        members = {number: (f"n{number}", f"tcp://h:{number}") for number in (1, 2, 3)}
        settings = NodeSettings(
            cluster=ClusterId(7),
            node=NodeId(1),
            name="n1",
            client_address="tcp://h:9",
            members=members,
        )
        self.peers, self.clients = _Peers(), RecordingListener()
        self.node = Node(
            settings,
            InstantStorage(),
            self.peers,
            self.clients,
            ManualClock(),
            lambda low, high: low,
            lambda event, fields: None,
        )
        self.hear(Heartbeat(7, 1, 2, 1, 0, 0))
        assert self.node.leader == 2

    def hear(self, message: Heartbeat | Forward | ForwardRejected) -> None:
        self.peers.arrived.append(peer_frames.encode(message))
        self.node.turn()

    def ask(self) -> Forward:
        """Send the frame as a client; return the forward it led to."""
        self.clients.arrived.append((_ROUTE, client_frames.encode(_FRAME)))
        self.node.turn()
        return [sent for sent in self.peers.sent if isinstance(sent, Forward)][-1]

    def reject(self, number: int) -> list[object]:
        code = int(ErrorCode.TOO_MANY_REQUESTS)
        self.hear(ForwardRejected(7, 1, 2, 1, 5, 1, 1, number, code))
        return list(self.clients.take(_ROUTE))


def test_a_rejection_reaches_the_client_once() -> None:
    follower = _Follower()
    number = follower.ask().number
    (told,) = follower.reject(number)
    assert isinstance(told, WriteRejected)
    assert told.code == ErrorCode.TOO_MANY_REQUESTS
    assert follower.reject(number) == []


def test_a_late_rejection_of_an_earlier_forward_is_not_taken_for_the_one_under_way() -> None:
    follower = _Follower()
    first = follower.ask().number
    second = follower.ask().number
    assert second != first
    assert follower.reject(first) == []
    assert len(follower.reject(second)) == 1


def test_what_cannot_be_forwarded_is_rejected_at_once() -> None:
    follower = _Follower()
    follower.peers.is_cut = True
    follower.clients.arrived.append((_ROUTE, client_frames.encode(_FRAME)))
    follower.node.turn()
    (told,) = follower.clients.take(_ROUTE)
    assert isinstance(told, WriteRejected)
    assert (told.code, told.leader) == (ErrorCode.NO_LEADER, 0)


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_copies_of_a_forward_get_one_answer(copies: int) -> None:
    follower = _Follower()  # not the leader, so it rejects what is forwarded to it
    forward = Forward(7, 1, 3, 1, (client_frames.encode(_FRAME),), 41)
    for _ in range(copies):
        follower.hear(forward)
    told = [sent for sent in follower.peers.sent if isinstance(sent, ForwardRejected)]
    assert [(each.to, each.number, each.code) for each in told] == [
        (3, 41, int(ErrorCode.NOT_LEADER))
    ]
