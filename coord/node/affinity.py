"""Keeps all threads of a process on one processor of its own, while nobody crowds it there.

A node is one processor's worth of work: its loop, its log thread and the transport's thread take
turns, as CPython lets only one of them run Python at a time. Spread over processors, every
hand-over interrupts a sleeping core, which costs more than the work handed over: on a four-core
virtual machine, together on one they answer a lone write in half the time and many writes half
as fast again. On a processor that others crowd it is the other way round, so the claim is looked
at again every few seconds: move to an idler processor, or let the system decide until there is one.

Processes of one machine agree by claiming processors under names that the kernel gives back when
a process ends, however it ends. Linux only; elsewhere nothing is pinned.
"""

import contextlib
import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path

import attrs

_CHECK_MS = 1_000.0
_CALM_SHARE = 0.10  # of the processor's time taken by others, below which it is as good as ours
_CROWDED_SHARE = 0.40  # of the processor's time, taken by others
_IDLE_SHARE = 0.60  # of a processor's time, for it to be worth going there
_IDLE_FIELDS = (3, 4)  # of a /proc/stat line: idle, waiting for a disk


class Affinity:
    """One process's claim on a processor."""

    def __init__(self) -> None:
        self._claim: socket.socket | None = None
        self._cpu: int | None = None
        self._allowed: tuple[int, ...] = ()
        self._seen = _Usage(0.0, 0.0, {})
        self._is_calm = False

    @property
    def cpu(self) -> int | None:
        """The processor this process is pinned to; None if it is not."""
        return self._cpu

    @property
    def is_calm(self) -> bool:
        """Whether the processor is this process's own and hardly anybody else runs there.

        Only then is it worth it to yield to the process's other threads, or to look for work a
        moment longer before sleeping: on a shared processor others would take the time.
        """
        return self._is_calm

    def start(self, now_ms: float) -> None:
        """Claim a processor and pin this thread; threads started from now on inherit it.

        Does nothing where the system cannot pin, has one processor only, or all are claimed.
        """
        if not hasattr(os, "sched_setaffinity"):
            return
        self._allowed = tuple(sorted(os.sched_getaffinity(0)))
        self._seen = _look(now_ms)
        if len(self._allowed) > 1:
            # Who is busy shows only later; spreading over the machine is what counts now. The
            # first processor comes last: interrupts often go there.
            self._is_calm = self._claim_one_of(reversed(self._allowed))

    def check(self, now_ms: float) -> None:
        """Every few seconds, leave a crowded processor, or settle on an idle one."""
        if len(self._allowed) < 2 or now_ms < self._seen.at_ms + _CHECK_MS:
            return
        before, self._seen = self._seen, _look(now_ms)
        idle = self._seen.idle_shares_since(before)
        if self._cpu is None:
            self._is_calm = self._settle(idle)
            return
        others = self._seen.others_share_since(before, self._cpu)
        self._is_calm = others < _CALM_SHARE
        if others > _CROWDED_SHARE:
            self._is_calm = self._settle(idle)
            if not self._is_calm:
                self._let_go()

    def _settle(self, idle: dict[int, float]) -> bool:
        """Claim the idlest processor that is idle enough; whether there was one."""
        idler = [cpu for cpu in self._allowed if idle.get(cpu, 0.0) >= _IDLE_SHARE]
        return self._claim_one_of(sorted(idler, key=lambda cpu: -idle[cpu]))

    def _claim_one_of(self, cpus: Iterable[int]) -> bool:
        for cpu in cpus:
            claim = _claim(cpu)
            if claim is not None:
                self._drop_claim()
                self._claim, self._cpu = claim, cpu
                _pin_all({cpu})
                return True
        return False

    def _let_go(self) -> None:
        self._drop_claim()
        _pin_all(set(self._allowed))

    def _drop_claim(self) -> None:
        if self._claim is not None:
            self._claim.close()
        self._claim, self._cpu = None, None


@attrs.frozen
class _Usage:
    """Who had the processors, up to one moment."""

    at_ms: float
    own_ms: float
    """Processor time of this process."""
    idle_ms: dict[int, float]
    """Idle time of each processor."""

    def idle_shares_since(self, before: "_Usage") -> dict[int, float]:
        """Return which share of the time since `before` each processor was idle."""
        elapsed_ms = max(self.at_ms - before.at_ms, 1.0)
        return {
            cpu: (idle - before.idle_ms.get(cpu, 0.0)) / elapsed_ms
            for cpu, idle in self.idle_ms.items()
        }

    def others_share_since(self, before: "_Usage", cpu: int) -> float:
        """Return which share of `cpu`, to which this process was pinned, others had."""
        elapsed_ms = max(self.at_ms - before.at_ms, 1.0)
        own = (self.own_ms - before.own_ms) / elapsed_ms
        return 1.0 - self.idle_shares_since(before).get(cpu, 1.0) - own


def _look(now_ms: float) -> _Usage:
    return _Usage(now_ms, time.process_time_ns() / 1e6, _idle_ms())


def _claim(cpu: int) -> socket.socket | None:
    """Take the name of a processor; None if another process has it."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0coord-cpu-{cpu}")  # abstract: no file, gone with the process
    except OSError:
        claim.close()
        return None
    return claim


def _pin_all(cpus: set[int]) -> None:
    """Let every thread of this process run on `cpus` only."""
    for thread in sorted(int(name) for name in os.listdir("/proc/self/task")):
        # A thread may end while this looks.
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(thread, cpus)


def _idle_ms() -> dict[int, float]:
    """Return how long each processor has been idle since the machine's start; empty if unknown."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return {}
    tick_ms = 1000 / os.sysconf("SC_CLK_TCK")
    return {
        int(name[3:]): sum(int(fields[field]) for field in _IDLE_FIELDS) * tick_ms
        for name, *fields in map(str.split, lines)
        if name.startswith("cpu") and name != "cpu"
    }
