"""The whole store against its dumb twin: every reply, every event, every read of the past."""

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from coord.errors import CoordError
from coord.requests import ErrorReply, LeaseGrantReply, TxnReply
from coord.store import history, order
from coord.store.snapshot import Snapshot
from coord.testing.dumb_store import DumbStore
from coord.testing.feed import Feed, load
from coord.testing.store_ops import Draws


def plain(reply: Any) -> Any:
    """Return a reply without the words of an error."""
    if isinstance(reply, ErrorReply):
        return ErrorReply(reply.code)
    return reply


class Twins:
    """A store and its twin, fed alike; any difference is an assertion."""

    def __init__(self) -> None:
        self.feed = Feed()
        self.twin = DumbStore()

    def write(self, op: Any) -> None:
        reply = self.feed.do(op)
        chosen = reply.lease if isinstance(reply, LeaseGrantReply) else 0
        assert plain(reply) == self.twin.apply(op, chosen), op
        self.check_counters()

    def read(self, op: Any) -> None:
        assert plain(self.feed.store.read(op)) == self.twin.read(op), op

    def move_time(self, time_ms: int) -> None:
        self.feed.at(time_ms)
        self.twin.move_time(time_ms)
        self.check_counters()

    def check_counters(self) -> None:
        store, twin = self.feed.store, self.twin
        assert store.revision == twin.revision
        assert store.compact_revision == twin.compact_revision
        assert store.time_ms == twin.time_ms
        assert store.key_count == len(twin.keys)
        assert store.lease_count == len(twin.leases)
        assert store.alarms == tuple(sorted(twin.alarms))
        deadlines = [deadline for _, deadline in twin.leases.values()]
        assert store.next_deadline_ms() == min(deadlines, default=None)

    def check_events(self) -> None:
        first = max(self.twin.compact_revision, 2)
        found = self.feed.store.events(first, self.twin.revision)
        wanted = [self.twin.events(each) for each in range(first, self.twin.revision + 1)]
        assert found == wanted
        if self.twin.compact_revision > 1:
            with pytest.raises(CoordError, match="compacted"):
                self.feed.store.events(self.twin.compact_revision - 1, self.twin.revision)

    def restore(self) -> None:
        before = self.feed.store.digest()
        self.feed = self.feed.restored()
        assert self.feed.store.digest() == before
        self.check_counters()


class TwinMachine(RuleBasedStateMachine):
    """Hypothesis picks what happens next, and shrinks what went wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.twins = Twins()
        self.snapshot: Snapshot | None = None
        self.wanted = b""
        self.chunks: list[bytes] = []

    @rule(random=st.randoms(use_true_random=False), count=st.integers(1, 8))
    def writes(self, random: Random, count: int) -> None:
        for _ in range(count):
            self.twins.write(Draws(random, self.twins.twin).write())

    @rule(random=st.randoms(use_true_random=False))
    def reads(self, random: Random) -> None:
        for _ in range(4):
            self.twins.read(Draws(random, self.twins.twin).read())

    @rule(passed_ms=st.integers(-50, 700))
    def time_passes(self, passed_ms: int) -> None:
        self.twins.move_time(self.twins.feed.time_ms + passed_ms)

    @rule(items=st.integers(1, 5))
    def tidy(self, items: int) -> None:
        self.twins.feed.store.tidy(items)

    @rule()
    def fold(self) -> None:
        space = self.twins.feed.store._space
        for ordered in (space.live, space.deleted, space.origin_order):
            ordered.fold()

    @rule()
    def begin_snapshot(self) -> None:
        self.wanted = b"".join(self.twins.feed.store.snapshot(chunk_bytes=64))
        self.snapshot = self.twins.feed.store.snapshot(chunk_bytes=64)
        self.chunks = []

    @rule(count=st.integers(1, 4))
    def take_chunks(self, count: int) -> None:
        for _ in range(count if self.snapshot else 0):
            assert self.snapshot is not None
            chunk = next(self.snapshot, None)
            if chunk is None:
                assert b"".join(self.chunks) == self.wanted
                self.snapshot = None
                return
            self.chunks.append(chunk)

    @rule()
    def restore(self) -> None:
        self.snapshot = None
        self.twins.restore()

    @invariant()
    def events_agree(self) -> None:
        self.twins.check_events()

    @invariant()
    def a_restored_store_is_the_same(self) -> None:
        store = self.twins.feed.store
        whole = b"".join(store.snapshot())
        assert b"".join(load(whole).snapshot()) == whole


TestTwin = TwinMachine.TestCase
TestTwin.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_random_life_never_differs_from_the_twin(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "FOLD_KEYS", 4)
    monkeypatch.setattr(order, "CHUNK_KEYS", 4)
    monkeypatch.setattr(history, "PATIENCE_STEPS", 1 + seed)
    random = Random(seed)
    twins = Twins()
    for step in range(1500):
        draws = Draws(random, twins.twin)
        twins.write(draws.write())
        twins.read(draws.read())
        if random.randrange(10) == 0:
            twins.move_time(twins.feed.time_ms + random.randrange(400))
        if random.randrange(20) == 0:
            twins.feed.store.tidy(random.randrange(1, 100))
        if step % 50 == 49:
            twins.check_events()
            twins.restore()


def test_frames_of_many_operations_answer_like_single_ones() -> None:
    random = Random(7)
    twins = Twins()
    for _ in range(100):
        draws = Draws(random, twins.twin)
        ops = tuple(draws.put() if random.randrange(3) else draws.delete() for _ in range(20))
        replies = [plain(reply) for reply in twins.feed.many(*ops)]
        assert replies == [twins.twin.apply(op) for op in ops]
    twins.check_events()


def test_replies_survive_the_wire() -> None:
    random = Random(3)
    twins = Twins()
    for _ in range(200):
        op = Draws(random, twins.twin).txn()
        reply = twins.feed.do(op)
        twins.twin.apply(op)
        kind = TxnReply if isinstance(reply, TxnReply) else ErrorReply
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(reply), type=kind) == reply
