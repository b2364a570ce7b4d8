"""Whatever the network does: answered is done once, "not done" is never done, nothing twice."""

from random import Random

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.errors import ErrorCode, MaybeDone, NotDone
from coord.frames import NodeFrame, WriteFrame, WriteRejected, WriteReply
from coord.requests import ErrorReply, Put, PutReply, Reply, WriterReply
from coord.testing.client_script import Answer, Bench

ADDRESSES = ("tcp://a:1", "tcp://b:1", "tcp://c:1")


@attrs.define
class DumbWriter:
    floor: int = 0
    answers: dict[int, Reply] = attrs.field(factory=dict)


@attrs.define
class DumbStore:
    """Applies numbered writes once; counts how often each value was really written."""

    writers: dict[int, DumbWriter] = attrs.field(factory=dict)
    written: dict[bytes, int] = attrs.field(factory=dict)
    revision: int = 1

    def apply(self, frame: WriteFrame) -> WriteReply:
        if frame.first_seq == 0:
            self.writers.setdefault(frame.writer, DumbWriter())
            return WriteReply(frame.writer, 0, 0, (WriterReply(1),))
        writer = self.writers.get(frame.writer)
        replies = [
            self.write(writer, frame.first_seq + at, op)
            for at, op in enumerate(frame.ops)
            if isinstance(op, Put)
        ]
        if writer is not None:
            writer.floor = max(writer.floor, frame.ack_below)
            writer.answers = {n: r for n, r in writer.answers.items() if n >= writer.floor}
        return WriteReply(frame.writer, frame.first_seq, 0, tuple(replies))

    def write(self, writer: DumbWriter | None, number: int, op: Put) -> Reply:
        if writer is None or number < writer.floor:
            return ErrorReply(ErrorCode.WRITER_EXPIRED)
        if number not in writer.answers:
            self.revision += 1
            self.written[op.value] = self.written.get(op.value, 0) + 1
            writer.answers[number] = PutReply(self.revision)
        return writer.answers[number]


@attrs.define
class Travelling:
    address: str
    frame: WriteFrame
    is_copy: bool = False


class World:
    """One client, three nodes over one store, and a network with moods."""

    def __init__(self, luck: Random) -> None:
        self.luck = luck
        self.bench = Bench(*ADDRESSES, draw=luck.randint)
        self.store = DumbStore()
        self.frames: list[Travelling] = []
        self.answers: list[tuple[str, NodeFrame]] = []
        self.asked: dict[bytes, Answer] = {}

    def run(self, steps: int) -> None:
        moods = (self.ask, self.deliver, self.deliver, self.answer, self.answer)
        rare = (self.cut, self.mend, self.wait, self.forget_writers)
        for _ in range(steps):
            self.luck.choice(moods if self.luck.random() < 0.8 else rare)()
            self.collect()

    def collect(self) -> None:
        self.frames += [Travelling(address, frame) for address, frame in self.bench.writes()]

    def ask(self) -> None:
        timeout_ms = self.luck.choice((100, 1_000, 5_000, 60_000))
        for _ in range(self.luck.randint(1, 4)):
            name = b"%d" % len(self.asked)
            self.asked[name] = answer = Answer()
            until_ms = self.bench.now_ms + timeout_ms
            self.bench.core.write(Put(b"k", name), 9, until_ms, answer)
        self.bench.core.flush(self.bench.now_ms)

    def deliver(self) -> None:
        """Let some node take some frame: apply it, lose it, or refuse it."""
        if not self.frames:
            return
        taken = self.frames.pop(self.luck.randrange(len(self.frames)))
        fate = "apply" if taken.is_copy else self.luck.choice(("apply", "apply", "lose", "refuse"))
        if fate == "apply":
            self.answers.append((taken.address, self.store.apply(taken.frame)))
            if self.luck.random() < 0.3:
                self.frames.append(attrs.evolve(taken, is_copy=True))
        elif fate == "refuse":
            frame = taken.frame
            code = self.luck.choice((ErrorCode.NO_LEADER, ErrorCode.TOO_MANY_REQUESTS))
            refusal = WriteRejected(frame.writer, frame.first_seq, len(frame.ops), 0, code)
            self.answers.append((taken.address, refusal))

    def answer(self) -> None:
        if self.answers:
            address, frame = self.answers.pop(self.luck.randrange(len(self.answers)))
            if self.luck.random() < 0.8 and address in self.bench.wire.linked:
                self.bench.receive(address, frame)

    def cut(self) -> None:
        """Break a link: what was on its way to the client is lost, the rest may still arrive."""
        address = self.luck.choice(ADDRESSES)
        if address in self.bench.wire.linked:
            self.answers = [(a, f) for a, f in self.answers if a != address]
            self.bench.unlink(address)

    def mend(self) -> None:
        address = self.luck.choice(ADDRESSES)
        if address not in self.bench.wire.linked:
            self.bench.link(address)
            self.bench.greet(address, ADDRESSES.index(address) + 1, self.luck.randint(0, 3))

    def wait(self) -> None:
        self.bench.pass_ms(self.luck.choice((1, 20, 300, 3_000)))

    def forget_writers(self) -> None:
        """Only with nothing under way: a writer is forgotten after ten silent minutes."""
        if not self.frames and not self.answers:
            self.store.writers.clear()

    def settle(self) -> None:
        """Let all deadlines pass, then let every frame still under way arrive."""
        for _ in range(40):
            self.bench.pass_ms(2_000)
            self.collect()
        for travelling in self.frames:
            self.store.apply(travelling.frame)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(20, 150))
def test_no_write_is_done_twice_and_every_answer_is_true(seed: int, steps: int) -> None:
    world = World(Random(seed))
    for address in ADDRESSES:
        world.bench.link(address)
        world.bench.greet(address, ADDRESSES.index(address) + 1, leader=1)
    world.run(steps)
    world.settle()
    for name, answer in world.asked.items():
        times = world.store.written.get(name, 0)
        assert answer.done()
        if answer.reply is not None:
            assert times == 1
        elif isinstance(answer.error, NotDone):
            assert times == 0
        else:
            assert isinstance(answer.error, MaybeDone)
            assert times <= 1
