"""Watches of this node's clients: live events fanned out, laggards caught up from history.

A watch is live (it gets each applied entry's events at once) or lagging (it reads history from
its own next revision in slices, until it has caught up). Nothing is dropped: a client that does
not keep up turns its watches into laggards, and only compaction ends a laggard, with notice.
One encoding of an entry's events serves every watch with the same wishes.
"""

import attrs
import msgspec

from coord.codec import node_frames
from coord.errors import CoordError, ErrorCode
from coord.frames import WatchCanceled, WatchCreate, WatchCreated, WatchProgress
from coord.ids import Revision
from coord.model import Event
from coord.node.settings import NodeSettings
from coord.node.watch_frames import cut_events, encode_events, encode_frame, events_bytes
from coord.store.machine import Store
from coord.store.watches import Sighting, WatchIndex, WatchSpec
from transport.base import ClientListener, SendResult

_SAFE_EVENTS = 16  # so few fit in any message, whatever they hold


@attrs.define
class _Watch:
    """One watch: live while it has a serial number in the index, else it lags.

    `next_revision` is meaningful while it lags.
    """

    spec: WatchSpec
    progress: bool
    next_revision: int
    serial: int = 0


@attrs.define
class _Stream:
    """All watches of one connection and how far its client has consumed."""

    heard_ms: float
    watches: dict[int, _Watch] = attrs.field(factory=dict)
    sent_bytes: int = 0
    consumed_bytes: int = 0


class Streams:
    """Every watch of every connected client of this node."""

    def __init__(self, settings: NodeSettings, clients: ClientListener) -> None:
        self._settings = settings
        self._clients = clients
        self._streams: dict[bytes, _Stream] = {}
        self._index = WatchIndex()
        self._owners: dict[int, tuple[bytes, int]] = {}
        """Serial number in the index to connection and its watch's number; live ones only."""
        self._last_serial = 0
        self._lagging: dict[tuple[bytes, int], None] = {}  # in turn order; a dict, not a set
        self._notices: dict[tuple[bytes, int], WatchCanceled] = {}
        """Ends of watches that their clients had no room to be told of."""
        self._progress_at_ms = 0.0

    @property
    def count(self) -> int:
        """Watches held."""
        return sum(len(stream.watches) for stream in self._streams.values())

    def can_move(self, store: Store) -> bool:
        """Whether pump() could move some watch on: it lags and its client has room."""
        if self._notices:
            return True
        for route, watch in self._lagging:
            stream = self._streams[route]
            behind = stream.watches[watch].next_revision <= store.revision + 1
            if behind and self._has_room(stream):
                return True
        return False

    def create(self, route: bytes, wish: WatchCreate, store: Store, now_ms: float) -> None:
        """Start a watch, or refuse it with a WatchCanceled naming the reason."""
        if route not in self._streams and len(self._streams) >= self._settings.clients_max:
            detail = f"{self._settings.clients_max} clients have watches here already"
            self._refuse(route, wish.watch, ErrorCode.TOO_MANY_REQUESTS, detail)
            return
        stream = self._streams.setdefault(route, _Stream(now_ms))
        # The same number again is the client repeating itself after a lost answer.
        self._end(route, wish.watch)
        if len(stream.watches) >= self._settings.watches_per_client_max:
            most = self._settings.watches_per_client_max
            self._refuse(route, wish.watch, ErrorCode.TOO_MANY_WATCHES, f"at most {most}")
            return
        if wish.range_end not in (b"", b"\0") and wish.range_end <= wish.key:
            detail = "the range end must lie behind the key"
            self._refuse(route, wish.watch, ErrorCode.INVALID_OPTION, detail)
            return
        spec = WatchSpec(wish.key, wish.range_end, wish.prev_kv, wish.no_put, wish.no_delete)
        start = wish.start_revision or store.revision + 1
        stream.watches[wish.watch] = _Watch(spec, wish.progress, start)
        self._send(route, WatchCreated(wish.watch, store.revision))
        if route not in self._streams:
            return  # the send found the connection gone
        if start == store.revision + 1:
            self._go_live(route, wish.watch)
        else:
            self._lagging[route, wish.watch] = None

    def cancel(self, route: bytes, watch: int) -> None:
        """Stop a watch; an unknown one is ignored, as in etcd."""
        self._end(route, watch)

    def credit(self, route: bytes, consumed_bytes: int) -> None:
        """Note how much the client's application has taken."""
        stream = self._streams.get(route)
        if stream is not None:
            stream.consumed_bytes = max(
                stream.consumed_bytes, min(consumed_bytes, stream.sent_bytes)
            )

    def heard(self, route: bytes, now_ms: float) -> None:
        """Note a sign of life from a client."""
        stream = self._streams.get(route)
        if stream is not None:
            stream.heard_ms = now_ms

    def let_go_silent(self, now_ms: float) -> None:
        """End the watches of clients that have said nothing for too long.

        They are told: one that was only stopped for a while makes its watches anew.
        """
        since_ms = now_ms - self._settings.watch_silence_ms
        for route in [route for route, s in self._streams.items() if s.heard_ms < since_ms]:
            for watch in self._streams[route].watches:
                self._notices[route, watch] = WatchCanceled(
                    watch, 0, ErrorCode.TIMED_OUT, "the client was silent"
                )
            self.drop(route)
        self._tell_notices()

    def drop(self, route: bytes) -> None:
        """Forget a connection that is gone, and its watches."""
        stream = self._streams.pop(route, None)
        if stream is None:
            return
        for watch, held in stream.watches.items():
            self._leave_index(held)
            self._lagging.pop((route, watch), None)

    def publish(self, store: Store, first: int, last: int) -> None:
        """Hand the events of revisions `first` to `last`, just applied, to the live watches."""
        if first > last or not self._owners:
            return
        try:
            events = [event for revision in store.events(first, last) for event in revision]
        except CoordError:
            # The entry that made these revisions also compacted them: history decides who can
            # still be told what.
            self.all_fall_behind(Revision(first - 1))
            return
        for sighting in self._index.match(events):
            self._fan_out(sighting, first, last)

    def _fan_out(self, sighting: Sighting, first: int, last: int) -> None:
        is_large = len(sighting.events) > _SAFE_EVENTS and (
            events_bytes(sighting.events) > self._settings.watch_frame_bytes_max
        )
        encoded = msgspec.Raw() if is_large else encode_events(sighting.events)
        owners = self._owners
        by_route: dict[bytes, list[int]] = {}
        for serial in sighting.watchers:
            if serial not in owners:
                continue  # its connection was found gone while others were told
            route, watch = owners[serial]
            by_route.setdefault(route, []).append(watch)
        for route, watches in by_route.items():
            # What is too large for one frame is caught up with, in several.
            if is_large or not self._send_events(route, tuple(watches), last, encoded):
                self._fall_behind(route, watches, first)

    def _fall_behind(self, route: bytes, watches: list[int], first: int) -> None:
        stream = self._streams.get(route)
        if stream is None:
            return  # the send found the connection gone
        for watch in watches:
            held = stream.watches[watch]
            self._leave_index(held)
            held.next_revision = first
            self._lagging[route, watch] = None

    def pump(self, store: Store) -> None:
        """Move lagging watches on by a slice each, where their clients have room.

        A turn ends when it has read its share of history, and the next goes on from there: a
        thousand watches that start from long ago must not hold up the loop, nor one that cannot
        be told anything now all the others.
        """
        if self._notices:
            self._tell_notices()
        left = 2 * self._settings.watch_batch_revisions_max
        for route, watch in list(self._lagging):
            stream = self._streams.get(route)
            if stream is None or not self._has_room(stream):
                continue
            held = stream.watches[watch]
            behind = store.revision + 1 - held.next_revision
            if behind < 0:
                continue  # waits for a revision still to come
            del self._lagging[route, watch]
            self._lagging[route, watch] = None  # last in turn from now on
            self._catch_up(route, watch, held, store)
            left -= 1 + min(behind, self._settings.watch_batch_revisions_max)
            if left <= 0:
                return

    def _catch_up(self, route: bytes, watch: int, held: _Watch, store: Store) -> None:
        first = held.next_revision
        if first <= store.revision:
            last = min(store.revision, first + self._settings.watch_batch_revisions_max - 1)
            try:
                revisions = store.events(first, last)
            except CoordError:
                self._compacted(route, watch, store)
                return
            if not self._send_slice(route, watch, held, revisions, last):
                return
        if held.next_revision == store.revision + 1:
            self._go_live(route, watch)

    def _send_slice(
        self, route: bytes, watch: int, held: _Watch, revisions: list[list[Event]], last: int
    ) -> bool:
        """Send history in frames of bounded size, whole revisions only; False: try again later."""
        gathered: list[Event] = []
        size_bytes = 0
        revision = held.next_revision
        alone = WatchIndex()
        alone.add(0, held.spec)
        for offset, events in enumerate(revisions):
            found = alone.match(events)
            chosen = found[0].events if found else ()
            gathered.extend(chosen)
            size_bytes += events_bytes(chosen)
            revision = held.next_revision + offset
            if size_bytes >= self._settings.watch_batch_bytes_max:
                break
        else:
            revision = last
        if size_bytes > self._settings.watch_frame_bytes_max:
            if not self._send_pieces(route, watch, revision, gathered):
                return False
        elif gathered:
            encoded = encode_events(gathered)
            if not self._send_events(route, (watch,), revision, encoded):
                return False
        held.next_revision = revision + 1
        return True

    def _send_pieces(self, route: bytes, watch: int, revision: int, events: list[Event]) -> bool:
        """Send one frame's worth after the other, up to `revision`; False: try again later.

        The client consumes them together, so its window is looked at once. When it takes only
        some of them the watch ends, with notice: sent again, the first would be seen twice.
        """
        begun = False
        for piece, more in cut_events(events, self._settings.watch_batch_bytes_max):
            encoded = encode_events(piece)
            if not self._send_events(route, (watch,), revision, encoded, more, begun):
                if begun and route in self._streams:
                    self._end(route, watch)
                    detail = "the client was too slow for a large revision"
                    self._notices[route, watch] = WatchCanceled(
                        watch, 0, ErrorCode.TOO_MANY_REQUESTS, detail
                    )
                return False
            begun = True
        return True

    def _compacted(self, route: bytes, watch: int, store: Store) -> None:
        self._end(route, watch)
        self._notices[route, watch] = WatchCanceled(
            watch, store.compact_revision, ErrorCode.COMPACTED
        )
        self._tell_notices()

    def _tell_notices(self) -> None:
        """Tell ends of watches; one that finds no room is told later: a client would wait on."""
        for (route, watch), notice in list(self._notices.items()):
            result = self._clients.send(route, node_frames.encode(notice))
            if result is not SendResult.BUSY:
                del self._notices[route, watch]
            if result is SendResult.GONE:
                self.drop(route)

    def all_fall_behind(self, revision: Revision) -> None:
        """Make every live watch catch up from after `revision`: the store was replaced."""
        for route, stream in self._streams.items():
            live = [watch for watch, held in stream.watches.items() if held.serial]
            self._fall_behind(route, live, revision + 1)

    def tell_progress(self, store: Store, now_ms: float) -> None:
        """Tell idle live watches that asked for it how far they are complete."""
        if now_ms < self._progress_at_ms:
            return
        self._progress_at_ms = now_ms + self._settings.watch_progress_ms
        for route, stream in list(self._streams.items()):
            watches = tuple(
                watch for watch, held in stream.watches.items() if held.serial and held.progress
            )
            if watches:
                self._send(route, WatchProgress(watches, store.revision))

    def _go_live(self, route: bytes, watch: int) -> None:
        held = self._streams[route].watches[watch]
        self._last_serial += 1
        held.serial = self._last_serial
        self._owners[held.serial] = (route, watch)
        self._lagging.pop((route, watch), None)
        self._index.add(held.serial, held.spec)

    def _leave_index(self, held: _Watch) -> None:
        if held.serial:
            self._index.remove(held.serial)
            del self._owners[held.serial]
            held.serial = 0

    def _end(self, route: bytes, watch: int) -> None:
        stream = self._streams.get(route)
        held = stream.watches.pop(watch, None) if stream is not None else None
        if held is not None:
            self._leave_index(held)
            self._lagging.pop((route, watch), None)

    def _refuse(self, route: bytes, watch: int, code: ErrorCode, detail: str) -> None:
        self._notices[route, watch] = WatchCanceled(watch, 0, code, detail)
        self._tell_notices()

    def _has_room(self, stream: _Stream) -> bool:
        return stream.sent_bytes - stream.consumed_bytes < self._settings.watch_window_bytes

    def _send(self, route: bytes, frame: WatchCreated | WatchProgress) -> None:
        payload = node_frames.encode(frame)
        if self._clients.send(route, payload) is SendResult.GONE:
            self.drop(route)

    def _send_events(
        self,
        route: bytes,
        watches: tuple[int, ...],
        revision: int,
        events: msgspec.Raw,
        more: bool = False,
        begun: bool = False,
    ) -> bool:
        stream = self._streams.get(route)
        if stream is None or not (begun or self._has_room(stream)):
            return False
        payload = encode_frame(watches, revision, more, events)
        result = self._clients.send(route, payload)
        if result is SendResult.SENT:
            stream.sent_bytes += len(payload)
            return True
        if result is SendResult.GONE:
            self.drop(route)
        return False
