"""Moves bytes and time between the core and an event loop; decides nothing.

Requests of one turn of the loop leave together: the first schedules the flush for the end of the
turn, the others find it scheduled.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import attrs

from coord.client import ops
from coord.client.channel import LoopChannel, LoopDialer
from coord.client.core import TICK_MS, ClientCore
from coord.client.embedded import ensure_running
from coord.client.packets import NEVER_MS
from coord.client.settings import Settings, check_timeout
from coord.client.watch import Watch, WatchFeed
from coord.client.watches import HeldWatch, Receipt
from coord.errors import CoordError, ErrorCode, Misuse, error_from
from coord.frames import WatchCreate
from coord.requests import CloseWriter, Range, ReadOp, WriteOp
from transport.base import LinkEvent, TransportError

MESSAGES_PER_TURN = 16  # then other callbacks of the loop have their turn
CLOSE_TIMEOUT_MS = 250.0


class Pump:
    """Runs one core on one event loop; also the core's Wire."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock_s = settings.clock_s
        self._core = ClientCore(settings, self)
        self._channels: dict[str, LoopChannel] = {}
        self._tending: dict[str, tuple[float, asyncio.TimerHandle]] = {}
        self._dialer: LoopDialer | None = None
        self._starting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._flush_due = False
        self._linger: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_ms = NEVER_MS
        self.is_running = False

    # --- life ---

    async def start(self) -> None:
        """Connect; at once when it has. Misuse: closed, used from another loop, a bad address."""
        if self._closed:
            raise error_from(ErrorCode.STOPPING, "the client was closed")
        if self._starting is None:
            self._loop = asyncio.get_running_loop()
            self._starting = self._loop.create_task(self._start())
        if asyncio.get_running_loop() is not self._loop:
            raise Misuse("a client belongs to the event loop it was first used on")
        starting = self._starting
        try:
            await asyncio.shield(starting)
        except Exception:
            if self._starting is starting:
                self._starting = None  # the next request may find better times
            raise

    async def _start(self) -> None:
        if not self._settings.endpoints:
            address = await asyncio.to_thread(ensure_running)
            self._settings = attrs.evolve(self._settings, endpoints=(address,))
            self._core = ClientCore(self._settings, self)
        self._dialer = self._settings.make_dialer()
        try:
            self._core.start(self.now_ms())
        except Misuse:
            self._release_channels()
            self._core = ClientCore(self._settings, self)
            raise
        self.is_running = True
        self._arm(self.now_ms())

    async def close(self) -> None:
        """End all requests and release everything; closing twice does nothing."""
        if self._closed:
            return
        if self.is_running and self._core.writes.may_close_writer:
            await self._close_writer()
        self._closed = True
        self.is_running = False
        if self._starting is not None:
            self._starting.cancel()
        for task in self._tasks:
            task.cancel()
        for timer in (self._timer, self._linger):
            if timer is not None:
                timer.cancel()
        self._core.close()
        self._release_channels()

    def _release_channels(self) -> None:
        for address in list(self._channels):
            self.close_channel(address)
        if self._dialer is not None:
            self._dialer.close()
            self._dialer = None

    async def _close_writer(self) -> None:
        try:
            await self.write(CloseWriter(), CLOSE_TIMEOUT_MS)
        except CoordError:
            # Nobody there to tell: the cluster forgets a silent writer by itself.
            return

    def now_ms(self) -> float:
        """Return the clock the core lives by."""
        return self._clock_s() * 1000.0

    def endpoints(self) -> list[str]:
        """Return every known address."""
        return self._core.routes.addresses()

    # --- requests ---

    def write(self, request: WriteOp, timeout_ms: float | None) -> asyncio.Future[Any]:
        """Send a write with the others of this turn."""
        future: asyncio.Future[Any] = self._loop.create_future()
        deadline_ms = self._deadline_ms(timeout_ms)
        self._core.writes.submit(request, ops.size_bytes(request), deadline_ms, future)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        return future

    def read(
        self, request: ReadOp, timeout_ms: float | None, serializable: bool, endpoint: str
    ) -> asyncio.Future[Any]:
        """Send a read with the others of this turn."""
        if type(request) is not Range:
            ops.encodable_bytes(request)
        future: asyncio.Future[Any] = self._loop.create_future()
        deadline_ms = self._deadline_ms(timeout_ms)
        self._core.read(request, serializable, endpoint, deadline_ms, future)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        return future

    def _deadline_ms(self, timeout_ms: float | None) -> float:
        if timeout_ms is None:
            timeout_ms = self._settings.timeout_ms
        else:
            check_timeout(timeout_ms)
        return self._clock_s() * 1000.0 + timeout_ms

    def watch(self, wish: WatchCreate) -> Watch:
        """Make a watch; when not started yet, as soon as that is done."""
        feed = WatchFeed(self._settings.timeout_ms)
        if self.is_running:
            self._attach(feed, wish)
        else:
            task = asyncio.get_running_loop().create_task(self._attach_later(feed, wish))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return Watch(feed)

    async def _attach_later(self, feed: WatchFeed, wish: WatchCreate) -> None:
        try:
            await self.start()
        except CoordError as error:
            feed.end(error)
            return
        if not feed.ended:
            self._attach(feed, wish)

    def _attach(self, feed: WatchFeed, wish: WatchCreate) -> None:
        held = self._core.watch(wish, feed, self.now_ms())
        feed.attach(lambda: self._cancel(held), self._consumed)
        self._arm(self.now_ms())

    def _cancel(self, held: HeldWatch) -> None:
        self._core.cancel(held)
        self._arm(self.now_ms())

    def _consumed(self, receipt: Receipt) -> None:
        self._core.consumed(receipt)
        self._arm(self.now_ms())

    def keep(self, lease: int, ttl_ms: float, sent_ms: float, lose: Callable[[], None]) -> None:
        """Keep a lease alive; `lose` is called on the loop if it is lost."""
        self._core.keep(lease, ttl_ms, sent_ms, lambda: self._call_soon(lose))
        self._arm(self.now_ms())

    def release(self, lease: int) -> None:
        """Stop keeping a lease."""
        self._core.release(lease)

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon(callback)

    # --- the core's wire ---

    def open(self, address: str) -> None:
        """Start connecting."""
        assert self._dialer is not None
        try:
            channel = self._dialer.dial(address)
        except TransportError as error:
            if address in self._settings.endpoints:
                raise Misuse(str(error), ErrorCode.INVALID_OPTION) from error
            return  # what other members call their address need not mean anything here
        self._channels[address] = channel
        for descriptor in channel.filenos():
            self._loop.add_reader(descriptor, self._drain, address)
        # What happened before the descriptors were watched was not signalled.
        self._loop.call_soon(self._drain, address)

    def close_channel(self, address: str) -> None:
        """Drop a connection."""
        channel = self._channels.pop(address, None)
        if channel is not None:
            for descriptor in channel.filenos():
                self._loop.remove_reader(descriptor)
            channel.close()
            tending = self._tending.pop(address, None)
            if tending is not None:
                tending[1].cancel()

    def send(self, address: str, payload: bytes) -> bool:
        """Queue one message."""
        channel = self._channels.get(address)
        if channel is None or not channel.send(payload):
            return False
        if channel.signals_once and channel.pending():
            self._loop.call_soon(self._drain, address)
        return True

    # --- turns ---

    def _drain(self, address: str) -> None:
        channel = self._channels.get(address)
        if channel is None:
            return
        now_ms = self.now_ms()
        for event in channel.link_events():
            if event is LinkEvent.UP:
                self._core.linked(address, now_ms)
            else:
                self._core.unlinked(address, now_ms)
        payloads = channel.receive(MESSAGES_PER_TURN)
        for payload in payloads:
            self._core.received(address, payload, now_ms)
        if len(payloads) == MESSAGES_PER_TURN:
            self._loop.call_soon(self._drain, address)
        tending = self._tending.get(address)
        if tending is None or channel.due_ms < tending[0]:
            self._tend_later(address, channel)
        self._flush_now(now_ms)

    def _tend_later(self, address: str, channel: LoopChannel) -> None:
        """See to a connection again when it will be due."""
        tending = self._tending.pop(address, None)
        if tending is not None:
            tending[1].cancel()
        if self._channels.get(address) is channel and channel.due_ms < NEVER_MS:
            in_s = max(channel.due_ms - self.now_ms(), 0.0) / 1000.0
            timer = self._loop.call_later(in_s, self._tend, address)
            self._tending[address] = (channel.due_ms, timer)

    def _tend(self, address: str) -> None:
        self._tending.pop(address, None)
        self._drain(address)

    def _flush(self) -> None:
        self._flush_due = False
        self._flush_now(self.now_ms())

    def _flush_now(self, now_ms: float) -> None:
        if not self.is_running:
            return
        due_ms = self._core.flush(now_ms)
        if due_ms and self._linger is None:
            self._linger = self._loop.call_later((due_ms - now_ms) / 1000.0, self._lingered)
        self._arm(now_ms)

    def _lingered(self) -> None:
        self._linger = None
        self._flush_now(self.now_ms())

    def _arm(self, now_ms: float) -> None:
        if self._timer_at_ms <= now_ms + TICK_MS:
            return
        at_ms = self._core.next_wake_ms(now_ms)
        if at_ms < self._timer_at_ms:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at_ms = at_ms
            self._timer = self._loop.call_later(max(at_ms - now_ms, 0.0) / 1000.0, self._ticked)

    def _ticked(self) -> None:
        self._timer = None
        self._timer_at_ms = NEVER_MS
        now_ms = self.now_ms()
        self._core.tick(now_ms)
        self._flush_now(now_ms)
