"""Whatever connections do: a watch hands out every event once, in order, whole revisions."""

import itertools
from collections import deque
from random import Random

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.frames import (
    NodeFrame,
    WatchCancel,
    WatchCreate,
    WatchCreated,
    WatchEvents,
    WatchProgress,
)
from coord.model import Cause, Event, EventKind, KeyValue
from coord.testing.client_script import Bench, Sink

ADDRESSES = ("tcp://a:1", "tcp://b:1")


def event(revision: int, place: int) -> Event:
    kv = KeyValue(b"k%d" % place, b"", revision, revision, 1)
    return Event(EventKind.PUT, Cause.WRITTEN, kv)


@attrs.define
class NodeTwin:
    """One node: how far it has applied, its watches' next revisions, what it has yet to say."""

    applied: int = 1
    watches: dict[int, int] = attrs.field(factory=dict)
    outbox: deque[NodeFrame] = attrs.field(factory=deque)


class World:
    """One watching client, two nodes that follow one log at their own pace."""

    def __init__(self, luck: Random, start_revision: int) -> None:
        self.luck = luck
        self.log: list[tuple[Event, ...]] = [(), ()]  # by revision
        self.bench = Bench(*ADDRESSES, draw=luck.randint)
        self.nodes = {address: NodeTwin() for address in ADDRESSES}
        self.start_revision = start_revision
        self.sink: Sink = self.bench.watch(WatchCreate(0, b"k", b"l", start_revision))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.luck.choice(
                (self.write, self.apply, self.say, self.say, self.hear, self.hear, self.hear)
                if self.luck.random() < 0.85
                else (self.cut, self.mend, self.mend, self.wait)
            )()
            self.collect()

    def collect(self) -> None:
        for address, frame in self.bench.wire.take():
            node = self.nodes[address]
            if isinstance(frame, WatchCreate):
                node.watches[frame.watch] = frame.start_revision or node.applied + 1
                node.outbox.append(WatchCreated(frame.watch, node.applied))
            elif isinstance(frame, WatchCancel):
                node.watches.pop(frame.watch, None)

    def write(self) -> None:
        revision = len(self.log)
        self.log.append(tuple(event(revision, at) for at in range(self.luck.choice((0, 1, 1, 5)))))

    def apply(self) -> None:
        node = self.nodes[self.luck.choice(ADDRESSES)]
        node.applied = min(node.applied + self.luck.randint(1, 3), len(self.log) - 1)

    def say(self) -> None:
        """Let a node tell its watches some of what they miss, maybe in pieces."""
        node = self.nodes[self.luck.choice(ADDRESSES)]
        for number, following in list(node.watches.items()):
            if following > node.applied:
                if self.luck.random() < 0.3 and following == node.applied + 1:
                    node.outbox.append(WatchProgress((number,), node.applied))
                continue
            last = self.luck.randint(following, node.applied)
            told = [e for events in self.log[following : last + 1] for e in events]
            node.watches[number] = last + 1
            if not told:
                continue
            cut = self.luck.randint(0, len(told) - 1)
            same = cut > 0 and told[cut - 1].kv.mod_revision == told[cut].kv.mod_revision
            if same and told[cut].kv.mod_revision == last:
                before = tuple(told[:cut])
                node.outbox.append(WatchEvents((number,), last, True, before))
                told = told[cut:]
            node.outbox.append(WatchEvents((number,), last, False, tuple(told)))

    def hear(self) -> None:
        address = self.luck.choice(ADDRESSES)
        node = self.nodes[address]
        if node.outbox and address in self.bench.wire.linked:
            self.bench.receive(address, node.outbox.popleft())
            if self.luck.random() < 0.7:
                self.sink.consume()

    def cut(self) -> None:
        """Break a link; some of what was said may still arrive before the news of the break."""
        address = self.luck.choice(ADDRESSES)
        if address in self.bench.wire.linked:
            node = self.nodes[address]
            for _ in range(self.luck.randint(0, len(node.outbox))):
                self.bench.receive(address, node.outbox.popleft())
            node.outbox.clear()
            node.watches.clear()
            self.bench.wire.take()
            self.bench.unlink(address)

    def mend(self) -> None:
        address = self.luck.choice(ADDRESSES)
        if address not in self.bench.wire.linked:
            self.bench.link(address)
            self.bench.greet(address, ADDRESSES.index(address) + 1, 1)

    def wait(self) -> None:
        self.bench.pass_ms(self.luck.choice((20, 300)))

    def settle(self) -> None:
        """Heal everything and let both nodes say all they know."""
        for address in ADDRESSES:
            self.nodes[address].applied = len(self.log) - 1
            if address not in self.bench.wire.linked:
                self.bench.link(address)
                self.bench.greet(address, ADDRESSES.index(address) + 1, 1)
        for _ in range(60):
            self.collect()
            self.say()
            for address in ADDRESSES:
                node = self.nodes[address]
                while node.outbox:
                    self.bench.receive(address, node.outbox.popleft())
            self.bench.pass_ms(20)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    steps=st.integers(10, 200),
    start_revision=st.sampled_from((0, 1, 2, 5)),
)
def test_every_event_arrives_once_in_order(seed: int, steps: int, start_revision: int) -> None:
    world = World(Random(seed), start_revision)
    world.run(steps)
    world.settle()
    first = start_revision or (world.sink.created[0] + 1)
    expected = [e for events in world.log[first:] for e in events]
    assert world.sink.events == expected
    for events, revision in world.sink.batches:
        assert events[-1].kv.mod_revision <= revision
    for batch, after in itertools.pairwise(world.sink.batches):
        assert batch[1] < after[0][0].kv.mod_revision, "a revision was cut in two"
