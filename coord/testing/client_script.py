"""A client core on a bench: scripted nodes on one side, answers laid out on the other.

Nothing happens by itself: the test links addresses, answers frames and lets time pass.
"""

from collections.abc import Callable, Iterable

import attrs

from coord.client.core import ClientCore
from coord.client.settings import ReadFrom, Settings
from coord.client.watches import Receipt
from coord.codec import client_frames, node_frames
from coord.errors import CoordError, ErrorCode
from coord.frames import (
    PROTOCOL_VERSION,
    ClientFrame,
    Hello,
    HelloReply,
    NodeFrame,
    ReadFrame,
    WatchCreate,
    WriteFrame,
    WriteRejected,
    WriteReply,
)
from coord.model import Event
from coord.requests import OpenWriter, Put, PutReply, ReadOp, Reply, WriteOp, WriterReply

CLUSTER = 77
BIG_MS = 1e12


class Answer:
    """A waiter that keeps what it was told."""

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.error: BaseException | None = None

    def done(self) -> bool:
        """Whether it was told anything."""
        return self.reply is not None or self.error is not None

    def set_result(self, result: Reply, /) -> None:
        """Keep the reply; being told twice is a fault of the core."""
        assert not self.done()
        self.reply = result

    def set_exception(self, error: BaseException, /) -> None:
        """Keep the error; likewise."""
        assert not self.done()
        self.error = error


class ScriptedWire:
    """Keeps what the core sends, decoded; a message only leaves on a link that stands."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.linked: set[str] = set()
        self.full: set[str] = set()
        self.sent: list[tuple[str, ClientFrame]] = []

    def open(self, address: str) -> None:
        """Note the wish to connect."""
        self.opened.append(address)

    def close_channel(self, address: str) -> None:
        """Note the end of a connection."""
        self.closed.append(address)
        self.linked.discard(address)

    def send(self, address: str, payload: bytes) -> bool:
        """Keep the frame, unless the link is down or full."""
        if address not in self.linked or address in self.full:
            return False
        self.sent.append((address, client_frames.decode(payload)))
        return True

    def take(self) -> list[tuple[str, ClientFrame]]:
        """Return what was sent since the last call."""
        taken, self.sent = self.sent, []
        return taken


@attrs.define
class Sink:
    """Keeps what a watch hands out."""

    core: ClientCore
    created: list[int] = attrs.field(factory=list)
    events: list[Event] = attrs.field(factory=list)
    batches: list[tuple[tuple[Event, ...], int]] = attrs.field(factory=list)
    receipts: list[Receipt] = attrs.field(factory=list)
    error: CoordError | None = None

    def stands(self, revision: int) -> None:
        """Note the making."""
        self.created.append(revision)

    def push(self, events: tuple[Event, ...], revision: int, receipts: tuple[Receipt, ...]) -> None:
        """Note a batch."""
        self.batches.append((events, revision))
        self.events.extend(events)
        self.receipts.extend(receipts)

    def end(self, error: CoordError) -> None:
        """Note the end."""
        self.error = error

    def consume(self) -> None:
        """Give every receipt back."""
        receipts, self.receipts = self.receipts, []
        for receipt in receipts:
            self.core.consumed(receipt)


class Bench:
    """One core, its wire and its time."""

    def __init__(
        self,
        *addresses: str,
        draw: Callable[[int, int], int] = lambda low, high: low,
        timeout_ms: float = 10_000.0,
        read_from: ReadFrom = "any",
    ) -> None:
        self.now_ms = 1_000.0
        self.wire = ScriptedWire()
        self.settings = Settings(
            endpoints=addresses, draw=draw, timeout_ms=timeout_ms, read_from=read_from
        )
        self.core = ClientCore(self.settings, self.wire)
        self.core.start(self.now_ms)

    # --- connections ---

    def link(self, address: str) -> None:
        """Let a connection stand."""
        self.wire.linked.add(address)
        self.core.linked(address, self.now_ms)

    def unlink(self, address: str) -> None:
        """Break a connection."""
        self.wire.linked.discard(address)
        self.core.unlinked(address, self.now_ms)

    def greet(
        self,
        address: str,
        node: int,
        leader: int = 0,
        term: int = 1,
        members: Iterable[tuple[int, str]] = (),
        cluster: int = CLUSTER,
    ) -> None:
        """Let a node answer the greeting; `members` are pairs of node and client address."""
        listed = tuple((member, f"n{member}", where) for member, where in members)
        reply = HelloReply(PROTOCOL_VERSION, cluster, node, leader, term, 1, listed)
        self.receive(address, reply)

    def ready(self, *addresses: str, leader: int = 1) -> None:
        """Link and greet addresses as nodes 1, 2, ...; forget what that sent."""
        for node, address in enumerate(addresses, start=1):
            self.link(address)
            self.greet(address, node, leader)
        self.wire.take()

    def receive(self, address: str, frame: NodeFrame) -> None:
        """Let a frame arrive, and end the turn."""
        self.core.received(address, node_frames.encode(frame), self.now_ms)
        self.core.flush(self.now_ms)

    # --- requests ---

    def write(self, *ops: WriteOp, timeout_ms: float | None = None) -> list[Answer]:
        """Ask for writes in one turn."""
        until_ms = self.now_ms + (timeout_ms or self.settings.timeout_ms)
        answers = [Answer() for _ in ops]
        for op, answer in zip(ops, answers, strict=True):
            self.core.write(op, 64, until_ms, answer)
        self.core.flush(self.now_ms)
        return answers

    def read(
        self,
        *ops: ReadOp,
        serializable: bool = False,
        pinned: str = "",
        timeout_ms: float | None = None,
    ) -> list[Answer]:
        """Ask for reads in one turn."""
        until_ms = self.now_ms + (timeout_ms or self.settings.timeout_ms)
        answers = [Answer() for _ in ops]
        for op, answer in zip(ops, answers, strict=True):
            self.core.read(op, serializable, pinned, until_ms, answer)
        self.core.flush(self.now_ms)
        return answers

    def watch(self, wish: WatchCreate) -> Sink:
        """Ask for a watch."""
        sink = Sink(self.core)
        self.core.watch(wish, sink, self.now_ms)
        return sink

    # --- what left ---

    def taken(self, kind: type[ClientFrame]) -> list[tuple[str, ClientFrame]]:
        """Return the frames of one kind sent since the last call; drops the others."""
        return [(address, frame) for address, frame in self.wire.take() if type(frame) is kind]

    def writes(self) -> list[tuple[str, WriteFrame]]:
        """Return the write frames sent since the last call; drops the others."""
        return [(a, f) for a, f in self.wire.take() if isinstance(f, WriteFrame)]

    def reads(self) -> list[tuple[str, ReadFrame]]:
        """Return the read frames sent since the last call; drops the others."""
        return [(a, f) for a, f in self.wire.take() if isinstance(f, ReadFrame)]

    def watch_creates(self) -> list[tuple[str, WatchCreate]]:
        """Return the makings of watches since the last call; drops other frames."""
        return [(a, f) for a, f in self.wire.take() if isinstance(f, WatchCreate)]

    def hellos(self) -> list[str]:
        """Return the addresses greeted since the last call; drops other frames."""
        return [a for a, f in self.wire.take() if isinstance(f, Hello)]

    def open_writer(self) -> int:
        """Answer the registration that was just sent; return the writer."""
        (address, frame), *others = self.writes()
        assert not others
        assert frame.first_seq == 0
        assert frame.ops == (OpenWriter(),)
        self.acknowledge(address, frame, WriterReply(600_000))
        return frame.writer

    def acknowledge(
        self, address: str, frame: WriteFrame, *replies: Reply, leader: int = 1
    ) -> None:
        """Answer a write frame; without replies every operation counts as a put."""
        answers = replies or tuple(PutReply(frame.first_seq + at) for at in range(len(frame.ops)))
        self.receive(address, WriteReply(frame.writer, frame.first_seq, 0, answers))

    # --- time ---

    def pass_ms(self, by_ms: float) -> None:
        """Let time pass, waking the core whenever it asked to be woken."""
        end_ms = self.now_ms + by_ms
        while True:
            wake_ms = self.core.next_wake_ms(self.now_ms)
            if wake_ms > end_ms:
                break
            self.now_ms = max(wake_ms, self.now_ms)
            self.core.tick(self.now_ms)
            self.core.flush(self.now_ms)
        self.now_ms = end_ms
        self.core.tick(self.now_ms)
        self.core.flush(self.now_ms)


def puts(count: int, first: int = 0) -> tuple[Put, ...]:
    """Return so many different puts."""
    return tuple(Put(b"k%d" % (first + at), b"v") for at in range(count))


def writing(*addresses: str, timeout_ms: float = 10_000.0) -> Bench:
    """Return a bench with every node ready, node 1 leading, and a registered writer."""
    bench = Bench(*addresses, timeout_ms=timeout_ms)
    bench.ready(*addresses)
    (answer,) = bench.write(Put(b"first"))
    bench.open_writer()
    ((address, frame),) = bench.writes()
    bench.acknowledge(address, frame)
    assert answer.reply == PutReply(1)
    bench.pass_ms(5)
    bench.wire.take()
    return bench


def refusal(frame: WriteFrame, code: ErrorCode, leader: int = 0) -> WriteRejected:
    """Return a node's word that it did not propose `frame`."""
    return WriteRejected(frame.writer, frame.first_seq, len(frame.ops), leader, code)
