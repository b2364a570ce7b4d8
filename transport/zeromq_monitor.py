"""Reading ZeroMQ's own account of connections: who came, who spoke another protocol, who left.

ZeroMQ reports each step of a connection on a side channel that must be read, or its I/O thread
stops when the channel is full. A failed handshake is reported without saying whose it was; the
file descriptor in the reports around it leads to the remote address.
"""

import os
import socket as network
import struct
import time

import zmq

from transport.base import LinkEvent, OnRefused, Refusal
from transport.zeromq_socket import NOBLOCK, POLLIN, is_ready

_HEAD = struct.Struct("=HI")  # event, value
_FAILURES = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_REMOTES_MAX = 4096  # descriptors whose remote address is remembered
_REPORTS_PER_SECOND = 1
_NO_LIMIT = 2**31
_REPORTS_PER_TAKE = 1000
_DESCRIPTORS_SPARE = 8  # so close to the limit, the next connections will not get in
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

        Only so many at a time: a flood of connections must not keep the loop here.
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


class StrangerMonitor:
    """Reports, at a bounded rate, those who speak something else on a listening port.

    Two ways to know one: ZeroMQ reports the failed handshake, with the disconnect right after it;
    or it cut the connection at the first byte and reports nothing between accept and disconnect.
    Cut that fast, the remote address is often gone before it could be asked for: "unknown".
    """

    def __init__(self, watched: zmq.Socket[bytes], port: str, on_refused: OnRefused) -> None:
        # Failed accepts are not asked for: without free descriptors ZeroMQ reports them by the
        # hundred thousand a second. The number of the last descriptor given out tells as well.
        events = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED
        self._monitor = Monitor(watched, events | zmq.EVENT_HANDSHAKE_SUCCEEDED | _FAILURES)
        self.socket = self._monitor.socket
        self._report = RefusalReport(port, on_refused)
        self._accepted: dict[int, tuple[str, int]] = {}
        """Descriptor to remote address and the count of handshakes when it was accepted."""
        self._handshakes = 0
        self._failure = ""
        self._descriptors_max = file_limit()

    def drain(self) -> None:
        """Read every report that is there, and tell of strangers."""
        for event, value in self._monitor.take():
            self._on_event(event, value)

    def _on_event(self, event: int, value: int) -> None:
        if event == zmq.EVENT_ACCEPTED:
            if len(self._accepted) < _REMOTES_MAX:
                self._accepted[value] = (remote_of(value), self._handshakes)
            if value + _DESCRIPTORS_SPARE >= self._descriptors_max:
                self._report.tell("taken in, but file descriptors run out", remote_of(value))
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._handshakes += 1
        elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self._failure = "authentication failed"
        elif event & _FAILURES:
            self._failure = "spoke another protocol, or nothing in time"
        elif event == zmq.EVENT_DISCONNECTED:
            self._on_gone(*self._accepted.pop(value, ("unknown", -1)))

    def _on_gone(self, remote: str, handshakes_before: int) -> None:
        failure, self._failure = self._failure, ""
        if not failure and handshakes_before == self._handshakes:
            failure = "spoke another protocol"  # nobody at all proved to be one of ours since
        if failure:
            self._report.tell(failure, remote=remote)

    def close(self) -> None:
        """Stop; to be called before the socket closes."""
        self._monitor.close()


class RefusalReport:
    """Hands on at most one refusal a second, with the count of those in between."""

    def __init__(self, port: str, on_refused: OnRefused) -> None:
        self._port = port
        self._on_refused = on_refused
        self._next_report_s = 0.0
        self._unreported = 0

    def tell(self, reason: str, remote: str) -> None:
        """Report, or only count if one was reported within the last second."""
        now_s = time.monotonic()
        if now_s < self._next_report_s:
            self._unreported += 1
            return
        self._next_report_s = now_s + 1 / _REPORTS_PER_SECOND
        unreported, self._unreported = self._unreported, 0
        self._on_refused(
            Refusal(port=self._port, reason=reason, remote=remote, unreported=unreported)
        )


def file_limit() -> int:
    """Return how many files and connections this process may have open."""
    try:
        import resource  # not everywhere
    except ImportError:
        return _NO_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else _NO_LIMIT


def remote_of(descriptor: int) -> str:
    """Return the remote address of a connection's descriptor, as far as it can be known.

    The descriptor belongs to ZeroMQ and may be closed at any time, so it is duplicated first and
    "unknown" is an expected answer.
    """
    try:
        duplicate = network.socket(fileno=os.dup(descriptor))
    except OSError:
        return "unknown"
    with duplicate:
        try:
            if duplicate.family == getattr(network, "AF_UNIX", None):
                return _local_process(duplicate)
            host, port = duplicate.getpeername()[:2]
        except OSError:
            return "unknown"
    host = plain_host(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plain_host(host: str) -> str:
    """Return an IPv4 address as people write it, where a socket for both kinds wraps it."""
    return host.removeprefix("::ffff:")


def _local_process(connection: network.socket) -> str:
    credentials = getattr(network, "SO_PEERCRED", None)
    if credentials is None:
        return "a process on this machine"
    packed = connection.getsockopt(network.SOL_SOCKET, credentials, struct.calcsize("3i"))
    return f"process {struct.unpack('3i', packed)[0]} on this machine"
