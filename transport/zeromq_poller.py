"""Waiting for any of a node's sockets, or for a word from another of its threads."""

import math
import os
import socket as network
import time
from typing import Any, Protocol

import zmq

from transport.zeromq_monitor import StrangerMonitor

_yield = getattr(os, "sched_yield", lambda: None)


class _Waker(Protocol):
    """A descriptor that another thread can make readable."""

    descriptor: int

    def ring(self) -> None: ...
    def hush(self) -> None: ...
    def close(self) -> None: ...


class _EventWaker:
    """Linux: one counter in the kernel."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self) -> None:
        os.eventfd_write(self.descriptor, 1)

    def hush(self) -> None:
        os.eventfd_read(self.descriptor)

    def close(self) -> None:
        os.close(self.descriptor)


class _PairWaker:
    """Elsewhere: two ends of a local connection."""

    def __init__(self) -> None:
        self._ear, self._bell = network.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self.descriptor = self._ear.fileno()

    def ring(self) -> None:
        self._bell.send(b"!")

    def hush(self) -> None:
        self._ear.recv(64)

    def close(self) -> None:
        self._ear.close()
        self._bell.close()


def _new_waker() -> _Waker:
    return _EventWaker() if hasattr(os, "eventfd") else _PairWaker()


class ZmqPoller:
    """Where a node's loop sleeps. wait() is for its thread; wake() for any."""

    def __init__(self, sockets: list[zmq.Socket[bytes]], monitors: list[StrangerMonitor]) -> None:
        self._waker = _new_waker()
        self._rung = False
        self._monitors = {monitor.socket: monitor for monitor in monitors}
        self._poller = zmq.Poller()
        for watched in (*sockets, *self._monitors):
            self._poller.register(watched, zmq.POLLIN)
        self._poller.register(self._waker.descriptor, zmq.POLLIN)

    def wait(self, timeout_ms: float, look_ms: float = 0.0) -> None:
        """Return when something arrived, wake() was called, or the time is over.

        May return early for nothing. Reports of strangers are handed on from here.

        Args:
            timeout_ms: 0 only looks; rounded up to whole milliseconds.
            look_ms: how long to look again and again, letting others of this processor run in
                between, before sleeping. A processor that has gone to sleep takes longer to wake
                up than an answer from a peer takes to come.
        """
        arrived = self._look(min(look_ms, timeout_ms)) if timeout_ms > 0 and look_ms > 0 else []
        for ready, _ in arrived or self._poller.poll(max(0, math.ceil(timeout_ms))):
            monitor = self._monitors.get(ready)
            if monitor is not None:
                monitor.drain()
            elif ready == self._waker.descriptor:
                self._waker.hush()
                # Only now may the next wake() ring again. What the waking thread left for the
                # loop before a wake() that found this set is read after wait() returns.
                self._rung = False

    def _look(self, duration_ms: float) -> list[tuple[Any, int]]:
        until_s = time.perf_counter() + duration_ms / 1000
        while True:
            arrived: list[tuple[Any, int]] = self._poller.poll(0)
            if arrived or time.perf_counter() >= until_s:
                return arrived
            _yield()

    def wake(self) -> None:
        """Make wait() return now or at its next call; many calls cost one. From any thread."""
        if not self._rung:
            self._rung = True
            self._waker.ring()

    def close(self) -> None:
        """Release the descriptor. No thread may call wake() any more."""
        self._waker.close()
