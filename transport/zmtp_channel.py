"""A client's side: one connection to one node, and the news of whether it stands.

For an event loop there is one descriptor, readable whenever link_events() has something to do;
besides, link_events() is to be called when `due_ms` has come.
"""

import select
from collections import deque

from transport.base import LinkEvent
from transport.framing import CLIENT_HEADER, HEADER_BYTES, FramingError, size_fault
from transport.settings import LinkSettings
from transport.zmtp_outgoing import Outgoing
from transport.zmtp_poller import Poller
from transport.zmtp_wire import Event, Ping, Ready

_PATIENCE = 4  # times the silence that is borne here; a program's loop may be busy for long
_UNREAD_MESSAGES = 256  # arrived and not yet received; then no more is read for now


class ZmtpChannel:
    """ClientChannel over ZMTP. For one thread."""

    def __init__(self, address: str, settings: LinkSettings) -> None:
        """Start connecting to `address`.

        Raises:
            TransportError: not an address; nothing is left open.
        """
        self.address = address
        self._settings = settings
        self._unread_max = settings.unread_messages or _UNREAD_MESSAGES
        self._inbox: deque[bytes] = deque()
        self._changes: list[LinkEvent] = []
        self.closed = False
        self.signals_once = False
        self.refused_count = 0
        self._poller = Poller()
        try:
            self._outgoing = Outgoing(
                address, b"DEALER", b"ROUTER", settings.receive_bytes_max + HEADER_BYTES,
                _PATIENCE * settings.heartbeat_timeout_ms, settings, self._poller,
                self._take, self._note,
            )  # fmt: skip
        except Exception:
            self._poller.close()
            raise

    @property
    def due_ms(self) -> float:
        """When link_events() has something to do even if nothing is readable, in monotonic ms."""
        return self._outgoing.due_ms

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptor that becomes readable."""
        return (self._poller.fileno,)

    def send(self, payload: bytes) -> bool:
        """Send one message or queue it; never blocks.

        Returns:
            Whether it is on its way. False: not connected as far as link_events() has told, or the
            queue is full.

        Raises:
            FramingError: the payload is larger than the settings allow.
        """
        if len(payload) > self._settings.send_bytes_max:
            raise FramingError(size_fault(len(payload), self._settings.send_bytes_max))
        return not self._changes and self._outgoing.send(CLIENT_HEADER, payload)

    def receive(self, max_messages: int) -> list[bytes]:
        """Take messages that have arrived; never blocks. What is no message of ours is dropped."""
        inbox = self._inbox
        if not inbox:
            self._look()
        return [inbox.popleft() for _ in range(min(max_messages, len(inbox)))]

    def pending(self) -> bool:
        """Whether something can be received now."""
        self._look()
        return bool(self._inbox)

    def link_events(self) -> list[LinkEvent]:
        """Take what happened to the connection since last asked, in order."""
        self._look()
        changes, self._changes = self._changes, []
        return changes

    def close(self) -> None:
        """Close at once; may be called again."""
        if not self.closed:
            self.closed = True
            self._outgoing.close()
            self._poller.close()

    def _look(self) -> None:
        if self.closed:
            return
        outgoing = self._outgoing
        outgoing.reads = len(self._inbox) < self._unread_max
        outgoing.look()
        if not outgoing.is_up or outgoing.unsent:
            self._poller.wait(0)

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if type(event) is bytes and event.startswith(CLIENT_HEADER):
                self._inbox.append(event[HEADER_BYTES:])
            elif not isinstance(event, Ready | Ping):
                self.refused_count += 1

    def _note(self, is_up: bool) -> None:
        self._changes.append(LinkEvent.UP if is_up else LinkEvent.DOWN)
        if not is_up:
            self._inbox.clear()


def is_possible() -> bool:
    """Whether this system can wait for what a channel needs by one descriptor."""
    return hasattr(select, "epoll")


class ZmtpDialer:
    """Dialer over ZMTP, for one thread: nothing runs beside it."""

    def __init__(self, settings: LinkSettings | None = None) -> None:
        self._settings = settings or LinkSettings()
        self._channels: list[ZmtpChannel] = []

    def dial(self, address: str) -> ZmtpChannel:
        """Start connecting to a node; returns at once.

        Raises:
            TransportError: not an address.
        """
        channel = ZmtpChannel(address, self._settings)
        self._channels = [one for one in self._channels if not one.closed]
        self._channels.append(channel)
        return channel

    def close(self) -> None:
        """Close every connection still open."""
        for channel in self._channels:
            channel.close()
