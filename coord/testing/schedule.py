"""Virtual time: a heap of things to happen, one seed for all luck, and a hash of what happened.

Nothing here knows of nodes or networks. Two things due at the same moment happen in the order
they were put in, so a run depends on its seed alone. Every source of luck takes its own stream,
named by purpose: one more draw in the network does not shift what the clients do.

The trace is a running hash of every line noted; with `keep`, the lines themselves too.
"""

import heapq
from collections.abc import Callable
from hashlib import blake2b
from random import Random


class Trace:
    """What happened, as a running hash, and as lines where they are wanted."""

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self._hash = blake2b(digest_size=16)
        self._show = show
        self.lines = 0

    def note(self, now_ms: float, what: str, payload: bytes = b"") -> None:
        """Add one line; `payload` goes into the hash only, never into the text."""
        self._hash.update(f"{now_ms:.3f} {what}\n".encode())
        if payload:
            self._hash.update(payload)
        self.lines += 1
        if self._show is not None:
            self._show(f"{now_ms:12.3f}  {what}")

    def digest(self) -> str:
        """The hash of everything noted so far, in hexadecimal."""
        return self._hash.hexdigest()


class Alarm:
    """Something to happen at one moment; may be called off until then."""

    __slots__ = ("_action", "due_ms")

    def __init__(self, due_ms: float, action: Callable[[], None]) -> None:
        self.due_ms = due_ms
        self._action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """It will not happen; calling off twice, or after it happened, does nothing."""
        self._action = None

    @property
    def pending(self) -> bool:
        """Whether it is still to happen."""
        return self._action is not None

    def fire(self) -> None:
        """Let it happen now, once."""
        action, self._action = self._action, None
        if action is not None:
            action()


class Schedule:
    """The only clock and the only luck of a simulated world."""

    def __init__(self, seed: int, trace: Trace | None = None) -> None:
        self.seed = seed
        self.trace = trace if trace is not None else Trace()
        self.now_ms = 0.0
        self.steps = 0
        self._heap: list[tuple[float, int, Alarm]] = []
        self._made = 0

    def stream(self, purpose: str) -> Random:
        """Return luck for one purpose; the same seed and purpose give the same draws."""
        return Random(f"{self.seed}/{purpose}")

    def at(self, due_ms: float, action: Callable[[], None]) -> Alarm:
        """Let `action` happen at `due_ms`; a moment already past means now, after what is due."""
        alarm = Alarm(max(due_ms, self.now_ms), action)
        self._made += 1
        heapq.heappush(self._heap, (alarm.due_ms, self._made, alarm))
        return alarm

    def after(self, delay_ms: float, action: Callable[[], None]) -> Alarm:
        """Let `action` happen `delay_ms` (not negative) from now."""
        assert delay_ms >= 0
        return self.at(self.now_ms + delay_ms, action)

    def step(self, until_ms: float) -> bool:
        """Let the next thing happen if it is due by `until_ms`.

        Returns:
            False when nothing is due by then; time stands at `until_ms` afterwards.
        """
        while self._heap:
            due_ms, _, alarm = self._heap[0]
            if due_ms > until_ms:
                break
            heapq.heappop(self._heap)
            if not alarm.pending:
                continue
            self.now_ms = due_ms
            self.steps += 1
            alarm.fire()
            return True
        self.now_ms = max(self.now_ms, until_ms)
        return False

    def note(self, what: str, payload: bytes = b"") -> None:
        """Add a line to the trace at this moment."""
        self.trace.note(self.now_ms, what, payload)
