"""Reading ZeroMQ's own account of a client's connection: whether it stands.

ZeroMQ reports each step of a connection on a side channel that must be read, or its I/O thread
stops when the channel is full.
"""

import struct

import zmq

from transport.base import LinkEvent
from transport.zeromq_socket import NOBLOCK, POLLIN, is_ready

_HEAD = struct.Struct("=HI")  # event, value
_REPORTS_PER_TAKE = 1000
_QUEUE_EVENTS = 10_000  # read at every turn of the loop; this many fit between two turns


class Monitor:
    """The side channel of one socket."""

    def __init__(self, watched: zmq.Socket[bytes], events: int) -> None:
        context = watched.context
        address = f"inproc://monitor-{id(self)}-{watched.underlying}"
        watched.monitor(address, events)
        self._watched = watched
        self.socket: zmq.Socket[bytes] = context.socket(zmq.PAIR)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVHWM, _QUEUE_EVENTS)
        self.socket.connect(address)

    def take(self) -> list[tuple[int, int]]:
        """Return (event, value) pairs that have been reported; never blocks.

        Only so many at a time: a flood of reports must not keep the loop here.
        """
        reports: list[tuple[int, int]] = []
        # Asking first costs a tenth of an exception, and mostly there is nothing.
        while len(reports) < _REPORTS_PER_TAKE and is_ready(self.socket, POLLIN):
            head = self.socket.recv(NOBLOCK)
            self.socket.recv(NOBLOCK)  # the local address: known
            reports.append(_HEAD.unpack(head))
        return reports

    def close(self) -> None:
        """Stop the reports. To be called before the watched socket closes."""
        self._watched.disable_monitor()
        self.socket.close()


class LinkMonitor:
    """Tells whether the one connection of a client's socket stands."""

    def __init__(self, watched: zmq.Socket[bytes]) -> None:
        events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        self._monitor = Monitor(watched, events)
        self._is_up = False
        self.fileno: int = self._monitor.socket.fileno()

    def take(self) -> list[LinkEvent]:
        """Return what changed since the last call, in order."""
        changes = []
        for event, _ in self._monitor.take():
            is_up = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            if is_up != self._is_up:
                self._is_up = is_up
                changes.append(LinkEvent.UP if is_up else LinkEvent.DOWN)
        return changes

    def close(self) -> None:
        """Stop; to be called before the socket closes."""
        self._monitor.close()
