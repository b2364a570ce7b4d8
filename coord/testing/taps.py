"""A node's ports with an observer on each: what passes is checked, and any call may be the last.

A crash falls between two calls to ports: the n-th call from now is carried out or not, by luck,
and then the node's process is gone, in the middle of whatever it was doing.
"""

from collections.abc import Callable, Iterator

from coord.clock import Clock
from coord.node.peers import peer_frames
from coord.raft.messages import (
    ChunkReceived,
    ChunkWanted,
    SnapshotInstalled,
    SnapshotMeta,
    Write,
    Written,
)
from coord.testing.invariants import CoreView, RaftChecks
from coord.wal.port import Completion, Recovered, SnapshotSaved, Storage
from transport.base import ClientListener, PeerTransport, SendResult

Note = Callable[[str, bytes], None]
"""Where a line goes into the trace, with bytes that belong to it."""


class Crashed(BaseException):
    """The simulated process is gone; not an Exception, so that nothing in it can catch it."""


class CrashPoint:
    """Counts a node's calls to its ports down to the one it does not come back from."""

    def __init__(self) -> None:
        self.calls_left: int | None = None
        self.carried_out = False
        """Whether the fatal call itself still takes effect."""

    def arm(self, calls: int, carried_out: bool) -> None:
        """Crash at the call after `calls` more."""
        self.calls_left = calls
        self.carried_out = carried_out

    def before(self) -> None:
        """A call begins."""
        if self.calls_left == 0 and not self.carried_out:
            raise Crashed

    def after(self) -> None:
        """A call was carried out."""
        if self.calls_left is None:
            return
        if self.calls_left == 0:
            raise Crashed
        self.calls_left -= 1


class DriftingClock:
    """A clock whose pace differs a little from true time."""

    def __init__(self, true_ms: Callable[[], float], pace: float, start_ms: float) -> None:
        self._true_ms = true_ms
        self._pace = pace
        self._start_ms = start_ms

    def now_ms(self) -> float:
        """Return this node's idea of the time."""
        return self._start_ms + self._true_ms() * self._pace

    def until_ms(self, due_ms: float) -> float:
        """Return how much true time passes before this clock shows `due_ms`; at least 0."""
        return max(0.0, (due_ms - self.now_ms()) / self._pace)


class TappedPeers:
    """PeerTransport that shows every message sent to the checks."""

    def __init__(
        self,
        inner: PeerTransport,
        node: int,
        checks: RaftChecks,
        point: CrashPoint,
        note: Note,
    ) -> None:
        self._inner = inner
        self._node = node
        self._checks = checks
        self._point = point
        self._note = note

    def send(self, to: int, payload: bytes) -> bool:
        """See PeerTransport."""
        self._point.before()
        frame = peer_frames.decode(payload)
        self._note(f"{self._node}>{to} {type(frame).__name__}", payload)
        self._checks.sent(self._node, frame)
        sent = self._inner.send(to, payload)
        self._point.after()
        return sent

    def receive(self, max_messages: int) -> list[bytes]:
        """See PeerTransport."""
        return self._inner.receive(max_messages)

    def set_peers(self, addresses: dict[int, str]) -> None:
        """See PeerTransport."""
        self._inner.set_peers(addresses)

    def close(self) -> None:
        """See PeerTransport."""
        self._inner.close()


class TappedClients:
    """ClientListener whose every answer may be the last."""

    def __init__(self, inner: ClientListener, node: int, point: CrashPoint, note: Note) -> None:
        self._inner = inner
        self._node = node
        self._point = point
        self._note = note

    def receive(self, max_messages: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """See ClientListener."""
        return self._inner.receive(max_messages, max_bytes)

    def send(self, route: bytes, payload: bytes) -> SendResult:
        """See ClientListener."""
        self._point.before()
        self._note(f"{self._node}>{route.decode()}", payload)
        result = self._inner.send(route, payload)
        self._point.after()
        return result

    def flush(self) -> None:
        """See ClientListener."""
        self._inner.flush()

    def close(self) -> None:
        """See ClientListener."""
        self._inner.close()


class TappedStorage:
    """Storage that shows the checks what is handed over and what is durable."""

    def __init__(self, inner: Storage, node: int, checks: RaftChecks, point: CrashPoint) -> None:
        self._inner = inner
        self._node = node
        self._checks = checks
        self._point = point
        self.core: CoreView | None = None
        """Set once the node stands."""
        self.full = False

    @property
    def recovered(self) -> Recovered:
        """See Storage."""
        return self._inner.recovered

    @property
    def log_bytes(self) -> int:
        """See Storage."""
        return self._inner.log_bytes

    @property
    def saving_backlog_bytes(self) -> int:
        """See Storage."""
        return self._inner.saving_backlog_bytes

    def write(self, write: Write) -> None:
        """See Storage."""
        self._point.before()
        self._checks.write_asked(self._node, write, self.core)
        self._inner.write(write)
        self._point.after()

    def flush(self) -> bool:
        """See Storage."""
        return self._inner.flush()

    def save_chunk(self, meta: SnapshotMeta, chunk: bytes, last: bool) -> None:
        """See Storage."""
        self._point.before()
        self._inner.save_chunk(meta, chunk, last)
        self._point.after()

    def abandon_save(self) -> None:
        """See Storage."""
        self._inner.abandon_save()

    def read_chunk(self, wanted: ChunkWanted) -> None:
        """See Storage."""
        self._inner.read_chunk(wanted)

    def store_chunk(self, received: ChunkReceived) -> None:
        """See Storage."""
        self._point.before()
        if received.last:
            self._checks.install_asked(self._node, received.meta, received.keep_suffix)
        self._inner.store_chunk(received)
        self._point.after()

    def poll(self) -> list[Completion]:
        """See Storage."""
        done = self._inner.poll()
        for completion in done:
            if isinstance(completion, Written):
                self._checks.write_done(self._node, completion.ticket)
            elif isinstance(completion, SnapshotSaved):
                self._checks.saves += 1
            elif isinstance(completion, SnapshotInstalled):
                self._checks.install_done(self._node, completion.meta, completion.accepted)
        return done

    def open_snapshot(self) -> Iterator[bytes]:
        """See Storage."""
        return self._inner.open_snapshot()

    def free_bytes(self) -> int:
        """See Storage."""
        return 0 if self.full else self._inner.free_bytes()

    def close(self) -> None:
        """See Storage."""
        self._inner.close()


def check_ports(
    storage: TappedStorage, peers: TappedPeers, clients: TappedClients, clock: DriftingClock
) -> tuple[Storage, PeerTransport, ClientListener, Clock]:
    """Return the taps as the ports they stand for; the type checker proves that they fit."""
    return storage, peers, clients, clock
