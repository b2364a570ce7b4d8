"""Watches on their way: made anew after each disconnect, from exactly where they were complete.

Each making of a watch has its own number, so what an old connection still says about it is not
mistaken. A watch hands out whole revisions only; a revision that comes in pieces waits until it
is whole. What the application has consumed is told to the node, which sends no more than a
window ahead of that.
"""

from typing import Protocol

import attrs

from coord import limits
from coord.client.answers import error_of, is_passing
from coord.client.pacing import Pacing
from coord.client.routes import Routes, Wire
from coord.client.settings import Settings
from coord.codec import client_frames
from coord.errors import CoordError, HistoryCompacted
from coord.frames import (
    WatchCancel,
    WatchCanceled,
    WatchCreate,
    WatchCreated,
    WatchCredit,
    WatchEvents,
    WatchProgress,
)
from coord.model import Event

CREDIT_STEP_BYTES = limits.WATCH_WINDOW_BYTES // 8  # told at least this often


@attrs.define(eq=False)
class Meter:
    """Bytes of watch frames consumed on one connection."""

    address: str
    consumed_bytes: int = 0
    told_bytes: int = 0
    open_receipts: int = 0

    @property
    def has_step(self) -> bool:
        """Whether the node should hear at once how much was consumed."""
        return self.consumed_bytes - self.told_bytes >= CREDIT_STEP_BYTES

    @property
    def is_worth_telling(self) -> bool:
        """Whether it should hear it by and by: a step more, or all there is."""
        is_all = self.consumed_bytes > self.told_bytes and not self.open_receipts
        return is_all or self.has_step


@attrs.define(eq=False)
class Receipt:
    """One frame handed out; it counts as consumed when every watch in it has taken its part."""

    meter: Meter
    size_bytes: int
    left: int


class WatchSink(Protocol):
    """Where a watch's news go."""

    def stands(self, revision: int) -> None:
        """The watch is made; events after `revision` follow."""
        ...

    def push(self, events: tuple[Event, ...], revision: int, receipts: tuple[Receipt, ...]) -> None:
        """Take whole revisions, complete up to `revision`; give `receipts` back once consumed."""
        ...

    def end(self, error: CoordError) -> None:
        """The watch is over."""
        ...


@attrs.define(eq=False)
class HeldWatch:
    """One watch, over all its makings.

    Attributes:
        wish: what was asked for.
        next_revision: the first revision not yet handed out; 0 while that is "from now".
        number: of the present making; 0 between makings.
        address: where it lives.
        step_at_ms: when to make it (again), or to doubt that the node heard.
        attempts: refusals in a row.
        pieces: events of a revision that is not whole yet, with their receipts.
    """

    wish: WatchCreate
    sink: WatchSink
    next_revision: int
    number: int = 0
    address: str = ""
    last_address: str = ""
    step_at_ms: float = 0.0
    attempts: int = 0
    pieces: list[Event] = attrs.field(factory=list)
    receipts: list[Receipt] = attrs.field(factory=list)


class WatchTable:
    """All watches of one client."""

    def __init__(self, settings: Settings, routes: Routes, wire: Wire) -> None:
        self._settings = settings
        self._routes = routes
        self._wire = wire
        self._pacing = Pacing(settings)
        self._held: dict[int, HeldWatch] = {}  # by number of the present making
        self._unconfirmed: dict[int, HeldWatch] = {}  # those of them not told to stand yet
        self._unplaced: list[HeldWatch] = []
        self._meters: dict[str, Meter] = {}
        self._number = 0
        self._cancelled: list[tuple[str, WatchCancel]] = []  # what nodes are told with the tick

    @property
    def is_waiting(self) -> bool:
        """Whether some watch does not stand, or nodes are to be told something by and by."""
        return (
            bool(self._unplaced)
            or bool(self._unconfirmed)
            or bool(self._cancelled)
            or any(meter.is_worth_telling for meter in self._meters.values())
        )

    def __len__(self) -> int:
        return len(self._held) + len(self._unplaced)

    def lives_at(self, address: str) -> bool:
        """Whether watches were made on the standing connection to `address`."""
        return bool(self._held) and address in self._meters

    # --- the application's wishes ---

    def add(self, wish: WatchCreate, sink: WatchSink, now_ms: float) -> HeldWatch:
        """Make a watch; its number and start in `wish` are replaced with each making."""
        held = HeldWatch(wish, sink, wish.start_revision)
        self._place(held, now_ms)
        return held

    def cancel(self, held: HeldWatch) -> None:
        """Stop a watch; the caller gives back the receipts it still has.

        The node is told with the next tick: whoever stops one is often in a hurry, and what still
        comes is passed over.
        """
        if held.number:
            self._displace(held)
            self._cancelled.append((held.address, WatchCancel(held.number)))
        elif held in self._unplaced:
            self._unplaced.remove(held)
        self._drop_pieces(held)
        held.number = 0

    def consumed(self, receipt: Receipt) -> None:
        """Take a receipt back; the node is told in steps, of what is less with the next tick."""
        receipt.left -= 1
        if receipt.left > 0:
            return
        meter = receipt.meter
        meter.open_receipts -= 1
        meter.consumed_bytes += receipt.size_bytes
        if meter.has_step:
            self._tell(meter)

    def _tell(self, meter: Meter) -> None:
        if self._meters.get(meter.address) is not meter:
            return  # that connection is gone; the new one counts from zero
        credit = client_frames.encode(WatchCredit(meter.consumed_bytes))
        if self._wire.send(meter.address, credit):
            meter.told_bytes = meter.consumed_bytes

    # --- what nodes say ---

    def created(self, address: str, frame: WatchCreated) -> None:
        """Note that a watch stands."""
        held = self._at(address, frame.watch)
        if held is not None:
            self._unconfirmed.pop(frame.watch, None)
            held.attempts = 0
            held.last_address = ""
            if held.next_revision == 0:
                held.next_revision = frame.revision + 1
            held.sink.stands(frame.revision)

    def events(self, address: str, frame: WatchEvents, size_bytes: int) -> None:
        """Hand out events to every watch they are for."""
        meter = self._meters.get(address) or Meter(address)
        concerned = [self._at(address, number) for number in frame.watches]
        receivers = [held for held in concerned if held is not None]
        receipt = Receipt(meter, size_bytes, max(len(receivers), 1))
        meter.open_receipts += 1
        if not receivers:
            self.consumed(receipt)  # of watches cancelled meanwhile
        for held in receivers:
            self._take(held, frame, receipt)

    def _take(self, held: HeldWatch, frame: WatchEvents, receipt: Receipt) -> None:
        floor = held.next_revision
        fresh = frame.events
        if fresh and fresh[0].kv.mod_revision < floor:
            fresh = tuple(e for e in fresh if e.kv.mod_revision >= floor)
        held.pieces.extend(fresh)
        held.receipts.append(receipt)
        if frame.more:
            return
        events, receipts = tuple(held.pieces), tuple(held.receipts)
        held.pieces, held.receipts = [], []
        held.next_revision = max(floor, frame.revision + 1)
        if events:
            held.sink.push(events, held.next_revision - 1, receipts)
        else:
            for done in receipts:
                self.consumed(done)

    def progress(self, address: str, frame: WatchProgress) -> None:
        """Note how far watches are complete; hand that on where it was asked for."""
        for number in frame.watches:
            held = self._at(address, number)
            if held is not None and not held.pieces and frame.revision >= held.next_revision > 0:
                held.next_revision = frame.revision + 1
                if held.wish.progress:
                    held.sink.push((), frame.revision, ())

    def canceled(self, address: str, frame: WatchCanceled, now_ms: float) -> None:
        """End a watch, or make it elsewhere if the reason may pass."""
        held = self._at(address, frame.watch)
        if held is None:
            return
        self._displace(held)
        held.number = 0
        self._drop_pieces(held)
        if frame.compact_revision > 0:
            held.sink.end(HistoryCompacted(frame.compact_revision))
        elif is_passing(frame.code):
            held.attempts += 1
            held.last_address = address
            self._unplace(held, now_ms + self._pacing.pause_ms(held.attempts))
        else:
            held.sink.end(error_of(frame.code, frame.detail))

    # --- time and connections ---

    def link_lost(self, address: str, now_ms: float) -> None:
        """Make the watches of a lost connection elsewhere."""
        self._meters.pop(address, None)
        self._cancelled = [each for each in self._cancelled if each[0] != address]
        lost = [held for held in self._held.values() if held.address == address]
        for held in lost:
            self._displace(held)
            self._drop_pieces(held)
        for held in lost:
            self._place(held, now_ms)

    def leave(self, address: str, now_ms: float) -> None:
        """Make the watches of a node that stands but learns nothing elsewhere."""
        for held in [held for held in self._held.values() if held.address == address]:
            self.cancel(held)
            held.last_address = address
            self._place(held, now_ms)

    def node_ready(self, now_ms: float) -> None:
        """Make watches that found no node."""
        waiting, self._unplaced = self._unplaced, []
        for held in waiting:
            if held.attempts:
                self._unplaced.append(held)
            else:
                self._place(held, now_ms)

    def tick(self, now_ms: float) -> None:
        """Make what is due, and make anew what no node confirmed."""
        late = [h for h in self._unconfirmed.values() if h.step_at_ms <= now_ms]
        for held in late:
            self._routes.shun(held.address, now_ms + self._settings.attempt_ms)
            self._displace(held)
            self._wire.send(held.address, client_frames.encode(WatchCancel(held.number)))
        due = [h for h in self._unplaced if h.step_at_ms <= now_ms]
        self._unplaced = [h for h in self._unplaced if h.step_at_ms > now_ms]
        for held in (*late, *due):
            self._place(held, now_ms)
        self._cancelled = [
            (address, frame)
            for address, frame in self._cancelled
            if not self._wire.send(address, client_frames.encode(frame))
        ]
        for meter in self._meters.values():
            # Credit that found the queue full would be missed forever: a node without room for
            # more says nothing that it could ride behind.
            if meter.is_worth_telling:
                self._tell(meter)

    def close(self, error: CoordError) -> None:
        """End every watch."""
        for held in (*self._held.values(), *self._unplaced):
            held.sink.end(error)
        self._held.clear()
        self._unconfirmed.clear()
        self._unplaced.clear()
        self._meters.clear()

    # --- placing ---

    def _place(self, held: HeldWatch, now_ms: float) -> None:
        address = self._routes.for_reads(now_ms, avoid=held.last_address)
        held.number = 0
        held.last_address = address
        if not address:
            self._unplace(held, now_ms + self._settings.retry_ms)
            return
        self._number += 1
        wish = held.wish
        frame = WatchCreate(
            self._number,
            wish.key,
            wish.range_end,
            held.next_revision,
            wish.prev_kv,
            wish.no_put,
            wish.no_delete,
            # Always: a watch idle for long must not ask for history that was compacted since.
            progress=True,
        )
        if not self._wire.send(address, client_frames.encode(frame)):
            self._unplace(held, now_ms + self._settings.retry_ms)
            return
        held.number = self._number
        held.address = address
        held.step_at_ms = now_ms + self._pacing.late_ms(held.attempts)
        self._held[held.number] = self._unconfirmed[held.number] = held
        self._meters.setdefault(address, Meter(address))

    def _displace(self, held: HeldWatch) -> None:
        del self._held[held.number]
        self._unconfirmed.pop(held.number, None)

    def _unplace(self, held: HeldWatch, step_at_ms: float) -> None:
        held.number = 0
        held.address = ""
        held.step_at_ms = step_at_ms
        self._unplaced.append(held)

    def _drop_pieces(self, held: HeldWatch) -> None:
        receipts, held.pieces, held.receipts = held.receipts, [], []
        for receipt in receipts:
            self.consumed(receipt)

    def _at(self, address: str, number: int) -> HeldWatch | None:
        held = self._held.get(number)
        return held if held is not None and held.address == address else None
