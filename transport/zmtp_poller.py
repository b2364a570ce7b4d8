"""Where a node's loop sleeps: until any of its connections moves, or another thread calls.

The parts of the transport register their descriptors here and are called from wait(), on the
loop's thread: for a descriptor that is ready, and every few milliseconds to see to their times.
"""

import math
import os
import select
import time
from collections.abc import Callable
from typing import Protocol

from transport.waker import Waker, new_waker

READABLE, WRITABLE = select.POLLIN, select.POLLOUT
_TEND_MS = 10.0
_yield = getattr(os, "sched_yield", lambda: None)

OnReady = Callable[[int], None]
"""Told what a descriptor is ready for, in poll's bits."""


def monotonic_ms() -> float:
    """Return the time that the transport goes by."""
    return time.monotonic() * 1000


class Tended(Protocol):
    """A part of the transport that wait() sees to."""

    @property
    def has_arrived(self) -> bool:
        """Whether something waits to be received: then there is no sleep."""
        ...

    def flush(self) -> None:
        """Send what was queued."""
        ...

    def tend(self, now_ms: float) -> None:
        """See to what time brings: connect again, beat, give up on the silent."""
        ...


class _Poll:
    """What epoll does, where there is only poll."""

    def __init__(self) -> None:
        self._inner = select.poll()
        self.register, self.modify = self._inner.register, self._inner.modify
        self.unregister = self._inner.unregister

    def poll(self, timeout_s: float) -> list[tuple[int, int]]:
        return self._inner.poll(math.ceil(timeout_s * 1000))

    def fileno(self) -> int:
        return -1  # there is no one descriptor to wait for

    def close(self) -> None:
        pass


class Poller:
    """Waits for descriptors. wait() and the registering are for one thread; wake() for any."""

    def __init__(self) -> None:
        self._inner = select.epoll() if hasattr(select, "epoll") else _Poll()
        self._on_ready: dict[int, OnReady] = {}
        self._parts: list[Tended] = []
        self._next_tend_ms = 0.0
        self._is_closed = False
        self.round = 0
        """How often wait() was called."""
        self._waker: Waker = new_waker()
        self._rung = False
        self.add(self._waker.descriptor, self._hush)

    @property
    def fileno(self) -> int:
        """A descriptor that is readable while wait() would find something; Linux only."""
        return self._inner.fileno()

    def add(self, descriptor: int, on_ready: OnReady, writes: bool = False) -> None:
        """Watch a descriptor for something to read, and for room to write if `writes`.

        Raises:
            OSError: the system watches no more; nothing was changed.
        """
        self._inner.register(descriptor, READABLE | WRITABLE if writes else READABLE)
        self._on_ready[descriptor] = on_ready

    def watch_room(self, descriptor: int, writes: bool) -> None:
        """Begin or end to watch a descriptor for room to write."""
        self._inner.modify(descriptor, READABLE | WRITABLE if writes else READABLE)

    def remove(self, descriptor: int) -> None:
        """Stop watching a descriptor; to be called before it is closed."""
        if self._on_ready.pop(descriptor, None) is not None:
            self._inner.unregister(descriptor)

    def tend(self, part: Tended) -> None:
        """Look after a part of the transport from now on."""
        self._parts.append(part)

    def forget(self, part: Tended) -> None:
        """Look after a part no more; may be called again."""
        if part in self._parts:
            self._parts.remove(part)

    def wait(self, timeout_ms: float, look_ms: float = 0.0) -> None:
        """Return when something arrived, wake() was called, or the time is over.

        Sends what was queued first. May return early for nothing.

        Args:
            timeout_ms: 0 only looks; rounded up to whole milliseconds.
            look_ms: how long to look again and again, letting others of this processor run in
                between, before sleeping. A processor that has gone to sleep takes longer to wake
                up than an answer from a peer takes to come.
        """
        self.round += 1
        for part in self._parts:
            part.flush()
        now_ms = monotonic_ms()
        if now_ms >= self._next_tend_ms:
            self._next_tend_ms = now_ms + _TEND_MS
            for part in self._parts:
                part.tend(now_ms)
        poll = self._inner.poll
        if timeout_ms <= 0 or any(part.has_arrived for part in self._parts):
            ready = poll(0)
        else:
            ready = self._look(min(look_ms, timeout_ms)) if look_ms > 0 else []
            ready = ready or poll(math.ceil(timeout_ms) / 1000)
        on_ready = self._on_ready
        for descriptor, state in ready:
            told = on_ready.get(descriptor)
            if told is not None:  # an earlier one of these may have ended it
                told(state)

    def _look(self, duration_ms: float) -> list[tuple[int, int]]:
        poll, until_s = self._inner.poll, time.perf_counter() + duration_ms / 1000
        while True:
            ready = poll(0)
            if ready or time.perf_counter() >= until_s:
                return ready
            _yield()

    def wake(self) -> None:
        """Make wait() return now or at its next call; many calls cost one. From any thread."""
        if not self._rung:
            self._rung = True
            self._waker.ring()

    def _hush(self, _state: int) -> None:
        self._waker.hush()
        # Only now may the next wake() ring again. What the waking thread left for the loop
        # before a wake() that found this set is read after wait() returns.
        self._rung = False

    def close(self) -> None:
        """Release the descriptors; may be called again. No thread may call wake() any more."""
        if not self._is_closed:
            self._is_closed = True
            self._inner.close()
            self._waker.close()
