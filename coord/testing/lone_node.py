"""One node alone, driven by hand: for tests of what a node says to a client.

Its disk answers at once, its peers do not exist, its clock stands still until told.
"""

from collections.abc import Iterator

from coord.clock import ManualClock
from coord.codec import client_frames
from coord.frames import ClientFrame, NodeFrame, WriteFrame, WriteReply
from coord.ids import ClusterId, NodeId
from coord.node.driver import Node
from coord.node.settings import NodeSettings
from coord.raft.messages import (
    ChunkReceived,
    ChunkWanted,
    HardState,
    SnapshotMeta,
    Write,
    Written,
)
from coord.requests import OpenWriter, Reply, WriteOp
from coord.testing.listener import RecordingListener
from coord.wal.port import Completion, Recovered, SnapshotSaved

CLUSTER = ClusterId(77)
WRITER = 5
_ROUTE = b"route"
_SETTLE_TURNS = 200


class InstantStorage:
    """Implements coord.wal.port.Storage in memory; everything is durable by the next poll."""

    def __init__(self) -> None:
        self.recovered = Recovered(HardState(), None, ())
        self.log_bytes = 0
        self.saving_backlog_bytes = 0
        self.free = 1 << 40
        self.saved: list[bytes] = []
        self._saving: SnapshotMeta | None = None
        self._answers: list[Completion] = []

    def write(self, write: Write) -> None:
        """Keep nothing; answer Written."""
        self.log_bytes += sum(len(entry.payload) for entry in write.entries)
        self._answers.append(Written(write.ticket))

    def flush(self) -> bool:
        """Whether a write has been made durable."""
        return bool(self._answers)

    def save_chunk(self, meta: SnapshotMeta, chunk: bytes, last: bool) -> None:
        """Keep the chunks of the newest snapshot; answer SnapshotSaved at the last."""
        if meta != self._saving:
            self._saving = meta
            self.saved.clear()
        self.saved.append(chunk)
        if last:
            self.log_bytes = 0
            self._answers.append(SnapshotSaved(meta, sum(map(len, self.saved))))

    def abandon_save(self) -> None:
        """Forget the chunks."""
        self.saved.clear()

    def read_chunk(self, wanted: ChunkWanted) -> None:
        """Never asked of a node alone."""
        raise AssertionError("there is no peer")

    def store_chunk(self, received: ChunkReceived) -> None:
        """Never asked of a node alone."""
        raise AssertionError("there is no leader but this node")

    def poll(self) -> list[Completion]:
        """Hand over the answers."""
        answers, self._answers = self._answers, []
        return answers

    def open_snapshot(self) -> Iterator[bytes]:
        """Nothing was ever saved before a start."""
        return iter(())

    def free_bytes(self) -> int:
        """Return what the test has set."""
        return self.free

    def close(self) -> None:
        """Nothing to release."""


class NoPeers:
    """Implements transport.base.PeerTransport with nobody on it."""

    def send(self, to: int, payload: bytes) -> bool:
        """Drop."""
        return False

    def receive(self, max_messages: int) -> list[bytes]:
        """Nothing ever arrives."""
        return []

    def set_peers(self, addresses: dict[int, str]) -> None:
        """There are none."""
        assert not addresses

    def close(self) -> None:
        """Nothing to release."""


class LoneNode:
    """A cluster of one that already serves."""

    def __init__(self, **bounds: int) -> None:
        settings = NodeSettings(
            cluster=CLUSTER,
            node=NodeId(1),
            name="n1",
            client_address="tcp://h:1",
            members={1: ("n1", "tcp://h:2")},
            **bounds,
        )
        self.clock = ManualClock()
        self.storage = InstantStorage()
        self.clients = RecordingListener()
        self.reports: list[str] = []
        self.node = Node(
            settings,
            self.storage,
            NoPeers(),
            self.clients,
            self.clock,
            lambda low, high: low,
            lambda event, fields: self.reports.append(event),
        )
        self._next_seq = 1
        while not self.node.serves:
            self.clock.advance(settings.tick_ms)
            self.settle()
        self.ask(WriteFrame(WRITER, 0, 0, (OpenWriter(),)))

    def settle(self) -> None:
        """Take turns until the node has nothing left to do without input or time."""
        for _ in range(_SETTLE_TURNS):
            self.node.turn()
            if self.node.next_wake_ms() > self.clock.now_ms() and not self.storage._answers:
                return
        raise AssertionError("the node never comes to rest")

    def pass_ms(self, duration_ms: int) -> None:
        """Let time pass in steps of ten milliseconds."""
        for _ in range(duration_ms // 10):
            self.clock.advance(10.0)
            self.settle()

    def send(self, payload: bytes) -> list[NodeFrame]:
        """Send bytes as a client and return every frame that came back."""
        self.clients.arrived.append((_ROUTE, payload))
        self.settle()
        return self.clients.take(_ROUTE)

    def ask(self, frame: ClientFrame) -> list[NodeFrame]:
        """Send a frame as a client and return every frame that came back."""
        return self.send(client_frames.encode(frame))

    def write(self, *ops: WriteOp) -> tuple[Reply, ...]:
        """Send the next numbered writes and return their replies."""
        first_seq = self._next_seq
        self._next_seq += len(ops)
        (reply,) = self.ask(WriteFrame(WRITER, first_seq, first_seq, ops))
        assert isinstance(reply, WriteReply)
        return reply.replies
