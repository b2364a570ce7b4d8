"""Simulated applications: the real client core, fed with virtual time, asking and watching.

Each client has a few lanes; a lane asks one thing at a time and thinks in between. Watches are
made from past, present and future revisions, are consumed at their own pace, and are made again
when compaction overtook them.
"""

from collections.abc import Callable, Sequence
from random import Random

from coord.client import ops
from coord.client.core import ClientCore
from coord.client.reads import LEADER
from coord.client.settings import Settings
from coord.client.watches import HeldWatch, Receipt
from coord.codec import client_frames
from coord.errors import CoordError, HistoryCompacted, MaybeDone, Unavailable
from coord.frames import WatchCreate, WriteFrame
from coord.model import Event
from coord.requests import CloseWriter, LeaseGrantReply, Reply, TransferLeader
from coord.testing.faults import Swarm
from coord.testing.history import Call, History
from coord.testing.lease_checks import SessionRecord
from coord.testing.schedule import Alarm, Schedule
from coord.testing.violation import Violation
from coord.testing.watch_checks import WatchRecord, WatchWish
from coord.testing.workload import ReadWish, Wish, Workload, WriteWish
from transport.base import LinkEvent
from transport.memory import MemoryChannel, MemoryDialer, MemoryNetwork

_TIMEOUTS_MS = (300.0, 1_000.0, 2_500.0)
_WATCHES = 2
_KEPT = 0.3  # how many of the granted leases a client keeps alive
_FORGED_NUMBER = 1 << 40  # far above any a client gets to


class CallWaiter:
    """Waits for one answer, as a future would."""

    def __init__(self, call: Call, finish: Callable[[Reply | CoordError], None]) -> None:
        self.call = call
        self._finish: Callable[[Reply | CoordError], None] | None = finish

    def done(self) -> bool:
        """Whether it was told."""
        return self._finish is None

    def set_result(self, result: Reply, /) -> None:
        """Take the answer."""
        self._tell(result)

    def set_exception(self, error: BaseException, /) -> None:
        """Take the reason why there is none."""
        assert isinstance(error, CoordError), error
        self._tell(error)

    def _tell(self, outcome: Reply | CoordError) -> None:
        finish, self._finish = self._finish, None
        if finish is None:
            raise Violation(f"a request was answered twice; the second time: {outcome}")
        finish(outcome)


class RecordingSink:
    """A watch's application: writes down what it is told, and consumes it when it pleases."""

    def __init__(
        self,
        record: WatchRecord,
        consume: Callable[[Receipt], None],
        ended: Callable[[WatchRecord, CoordError], None],
    ) -> None:
        self.record = record
        self._consume = consume
        self._ended = ended

    def stands(self, revision: int) -> None:
        """See WatchSink."""
        if self.record.newest_when_made is None:
            self.record.newest_when_made = revision

    def push(self, events: tuple[Event, ...], revision: int, receipts: tuple[Receipt, ...]) -> None:
        """See WatchSink."""
        self.record.told(events, revision)
        for receipt in receipts:
            self._consume(receipt)

    def end(self, error: CoordError) -> None:
        """See WatchSink."""
        self._ended(self.record, error)


class SimClient:
    """One application with its own client core; also the core's Wire."""

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        network: MemoryNetwork,
        addresses: Sequence[str],
        swarm: Swarm,
        history: History,
    ) -> None:
        self.name = name
        self.idle_lanes = 0
        self.watches: list[WatchRecord] = []
        self.sessions: list[SessionRecord] = []
        self.restarts = 0
        self.forgeries = 0
        self._schedule = schedule
        self._luck: Random = schedule.stream(f"client {name}")
        self._history = history
        self._swarm = swarm
        self._dialer: MemoryDialer = network.dialer(name, self._wake)
        self._channels: dict[str, MemoryChannel] = {}
        self._timeout_ms = self._luck.choice(_TIMEOUTS_MS)
        self._settings = Settings(
            endpoints=tuple(self._luck.sample(list(addresses), len(addresses))),
            timeout_ms=self._timeout_ms,
            read_from="leader" if self._luck.random() < 0.25 else "any",
            attempt_ms=300.0,
            heartbeat_ms=300.0,
            silence_ms=900.0,
            draw=self._luck.randint,
        )
        self._core = ClientCore(self._settings, self)
        self._workload = Workload(name, swarm.keys, self._luck)
        self._turn_due = False
        self._tick: Alarm | None = None
        self._stopping = False
        self._open_watches: list[HeldWatch] = []
        self.lanes = swarm.lanes or self._luck.choice((1, 1, 2, 4, 12))
        # Many lanes think longer, so that a run is not only one client's.
        self._think_ms = swarm.think_ms * max(1, self.lanes // 4)
        self._writer = 0

    # --- life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect and begin to work."""
        self._core.start(self._schedule.now_ms)
        for _ in range(self.lanes):
            self._think()
        for _ in range(_WATCHES):
            self._schedule.after(self._luck.uniform(0, 1_000), self._watch)
        self._forge_later()
        if self._luck.random() < self._swarm.restarts:
            self._schedule.after(self._luck.uniform(500, self._swarm.fault_ms), self._restart)
        self._wake()

    def _restart(self) -> None:
        """Close the client in the middle of whatever it does, and go on with a new one."""
        if self._stopping:
            return
        self.restarts += 1
        self._schedule.note(f"{self.name} starts anew")
        self._end_sessions()
        old, self._core = self._core, ClientCore(self._settings, self)
        for record in self.watches:
            record.cut_off = record.cut_off or record.compact_revision is None
        old.close()
        for address in list(self._channels):
            self.close_channel(address)
        self._core.start(self._schedule.now_ms)
        for _ in range(_WATCHES):
            self._watch()

    def _forge_later(self) -> None:
        if self._swarm.forgeries and not self._stopping:
            wait_ms = self._luck.expovariate(self._swarm.forgeries / 1_000)
            self._schedule.after(wait_ms, self._forge)

    def _forge(self) -> None:
        """Have this client's writer closed by a frame it did not send, as if it had expired."""
        channels = [self._channels[address] for address in sorted(self._channels)]
        if self._writer and channels and not self._stopping:
            self.forgeries += 1
            frame = WriteFrame(self._writer, 0, _FORGED_NUMBER, (CloseWriter(),))
            self._luck.choice(channels).send(client_frames.encode(frame))
        self._forge_later()

    def stop_asking(self) -> None:
        """Let every lane end after what it waits for."""
        self._end_sessions()
        self._stopping = True

    @property
    def quiet(self) -> bool:
        """Whether every lane has stopped."""
        return self.idle_lanes == self.lanes

    def watches_behind(self, revision: int) -> list[WatchRecord]:
        """The watches that go on and have not been told to be complete to `revision`."""
        return [record for record in self.watches if record.is_behind(revision)]

    # --- lanes ------------------------------------------------------------------------------

    def _think(self) -> None:
        if self._stopping:
            self.idle_lanes += 1
            return
        self._schedule.after(self._luck.expovariate(1 / self._think_ms), self._ask)

    def _ask(self) -> None:
        wish = self._workload.next()
        now_ms = self._schedule.now_ms
        is_write = isinstance(wish, WriteWish)
        serializable = isinstance(wish, ReadWish) and wish.serializable
        call = self._history.call(
            self.name, wish.op, now_ms, is_write=is_write, serializable=serializable
        )

        def finish(outcome: Reply | CoordError) -> None:
            self._finish(wish, call, outcome)

        waiter = CallWaiter(call, finish)
        deadline_ms = now_ms + self._timeout_ms
        try:
            if isinstance(wish, WriteWish):
                self._core.write(wish.op, ops.size_bytes(wish.op), deadline_ms, waiter)
            else:
                pinned = LEADER if isinstance(wish.op, TransferLeader) else ""
                self._core.read(wish.op, serializable, pinned, deadline_ms, waiter)
        except Unavailable as error:
            waiter.set_exception(error)
        self._wake()

    def _finish(self, wish: Wish, call: Call, outcome: Reply | CoordError) -> None:
        self._history.returned(call, self._schedule.now_ms, outcome)
        if isinstance(outcome, CoordError):
            self._schedule.note(f"{self.name} {type(outcome).__name__} {outcome}")
            if isinstance(outcome, MaybeDone | Unavailable):
                self._workload.refused()
        else:
            self._workload.told(wish, outcome)
            if isinstance(outcome, LeaseGrantReply) and self._luck.random() < _KEPT:
                self._keep(outcome, call.called_ms)
        self._think()

    def _keep(self, granted: LeaseGrantReply, sent_ms: float) -> None:
        """Keep a lease alive from now on, and note when the client says that it is lost."""
        if self._stopping:
            return
        session = SessionRecord(granted.lease, granted.ttl_ms)

        def lose() -> None:
            session.believed_until_ms = self._schedule.now_ms

        self.sessions.append(session)
        self._core.keep(granted.lease, granted.ttl_ms, sent_ms, lose)

    def _end_sessions(self) -> None:
        for session in self.sessions:
            if session.believed_until_ms is None:
                session.believed_until_ms = self._schedule.now_ms
                self._core.release(session.lease)

    # --- watches ----------------------------------------------------------------------------

    def _watch(self, start_revision: int | None = None) -> None:
        luck = self._luck
        if start_revision is None:
            here = self._workload.revision
            start_revision = luck.choice((0, 2, max(2, here - 20), here + 1, here + 15))
        key, end = luck.choice(
            ((b"r/", b"r0"), (b"l/", b"l0"), (b"c/", b"r/9"), (b"\0", b"\0"), (b"r/1", b""))
        )
        wish = WatchWish(
            key,
            end,
            start_revision,
            prev_kv=luck.random() < 0.5,
            no_put=luck.random() < 0.1,
            no_delete=luck.random() < 0.1,
        )
        record = WatchRecord(wish)
        self.watches.append(record)
        asked = WatchCreate(
            0, key, end, start_revision, wish.prev_kv, wish.no_put, wish.no_delete, progress=True
        )
        sink = RecordingSink(record, self._consume_later, self._watch_ended)
        self._open_watches.append(self._core.watch(asked, sink, self._schedule.now_ms))
        self._wake()

    def _consume_later(self, receipt: Receipt) -> None:
        delay_ms = self._luck.choice((0.0, 0.0, 5.0, 400.0))
        core = self._core

        def consume() -> None:
            core.consumed(receipt)

        self._schedule.after(delay_ms, consume)

    def _watch_ended(self, record: WatchRecord, error: CoordError) -> None:
        if record.cut_off:
            return
        if not isinstance(error, HistoryCompacted):
            raise Violation(f"{self.name}: a watch ended with {error!r}")
        record.compact_revision = error.compact_revision
        self._schedule.after(1.0, lambda: self._watch(error.compact_revision))

    # --- the core's wire --------------------------------------------------------------------

    def open(self, address: str) -> None:
        """See Wire."""
        self._channels[address] = self._dialer.dial(address)

    def close_channel(self, address: str) -> None:
        """See Wire."""
        channel = self._channels.pop(address, None)
        if channel is not None:
            channel.close()

    def send(self, address: str, payload: bytes) -> bool:
        """See Wire."""
        channel = self._channels.get(address)
        if channel is None or not channel.send(payload):
            return False
        self._schedule.note(f"{self.name}>{address}", payload)
        self._note_numbers(payload)
        return True

    def _note_numbers(self, payload: bytes) -> None:
        frame = client_frames.decode(payload)
        if not isinstance(frame, WriteFrame):
            return
        self._writer = frame.writer
        # Equal requests in flight (two claims of one kind) differ only in who waits for them.
        packet = self._core.writes._find(frame.writer, frame.first_seq)
        assert packet is not None
        for number, waiter in enumerate(packet.waiters, frame.first_seq):
            if isinstance(waiter, CallWaiter) and number:
                name = (frame.writer, number)
                if name not in waiter.call.numbers:
                    waiter.call.numbers.append(name)

    # --- turns ------------------------------------------------------------------------------

    def _wake(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self._schedule.after(0.05, self._turn)

    def _turn(self) -> None:
        self._turn_due = False
        now_ms = self._schedule.now_ms
        for address, channel in list(self._channels.items()):
            for event in channel.link_events():
                if event is LinkEvent.UP:
                    self._core.linked(address, now_ms)
                else:
                    self._core.unlinked(address, now_ms)
            for payload in channel.receive(1_000):
                self._core.received(address, payload, now_ms)
        again_ms = self._core.flush(now_ms)
        if again_ms:
            self._schedule.at(again_ms, self._wake)
        self._arm(now_ms)

    def _arm(self, now_ms: float) -> None:
        due_ms = self._core.next_wake_ms(now_ms)
        if self._tick is not None and self._tick.pending:
            if self._tick.due_ms <= due_ms:
                return
            self._tick.cancel()
        if due_ms < now_ms + 1e6:
            self._tick = self._schedule.at(due_ms, self._ticked)

    def _ticked(self) -> None:
        self._core.tick(self._schedule.now_ms)
        self._turn()
