"""A disk in memory that forgets what was not synced, fails on request, and is deterministic.

A crash keeps any part of what was written since the last sync, in sectors of 512 bytes, torn and
out of order, and any part of the names changed since the last sync_directory(). A failed sync
does what real kernels do (ATC'20): the bytes stay readable, count as clean, and never reach the
disk unless they are written again.

Every call that touches the disk has a number, from 1 on; a fault or a crash can be set for any.
"""

import errno
import os
from collections import deque
from collections.abc import Callable, Sequence

import attrs

from coord.errors import Unavailable
from coord.wal.disk import Buffer

SECTOR_BYTES = 512
CAPACITY_BYTES = 1 << 40

Draw = Callable[[int, int], int]
"""A random number between two bounds, both included."""


class SimulatedCrash(Exception):
    """The process died here; everything it held open is gone."""


@attrs.define
class _Content:
    """One file, whatever names it has: as read now, and as it would be after a crash."""

    now: bytearray = attrs.Factory(bytearray)
    durable: bytearray = attrs.Factory(bytearray)
    dirty: set[int] = attrs.Factory(set)
    """Sectors changed since they were last synced, or tried to be."""
    resized: bool = False

    def sync(self) -> None:
        """Make everything changed since the last try durable."""
        if self.resized:
            _resize(self.durable, len(self.now))
        for sector in sorted(self.dirty):
            self._persist(sector)
        self.forget_changes()

    def forget_changes(self) -> None:
        """Count everything as clean."""
        self.dirty.clear()
        self.resized = False

    def crash(self, draw: Draw) -> tuple[int, int]:
        """Keep a drawn part of the changes; returns sectors kept and lost."""
        if self.resized and draw(0, 1):
            _resize(self.durable, len(self.now))
        kept = 0
        for sector in sorted(self.dirty):
            if sector * SECTOR_BYTES < len(self.now) and draw(0, 1):
                self._persist(sector)
                kept += 1
        lost = len(self.dirty) - kept
        self.now = bytearray(self.durable)
        self.forget_changes()
        return kept, lost

    def _persist(self, sector: int) -> None:
        start = sector * SECTOR_BYTES
        stop = min(start + SECTOR_BYTES, len(self.now))
        if stop > len(self.durable):
            _resize(self.durable, stop)
        self.durable[start:stop] = self.now[start:stop]


def _resize(data: bytearray, size_bytes: int) -> None:
    if size_bytes <= len(data):
        del data[size_bytes:]
    else:
        data.extend(bytes(size_bytes - len(data)))


class SimulatedFile:
    """An open file of a SimulatedDisk."""

    def __init__(self, disk: "SimulatedDisk", content: _Content, name: str) -> None:
        self._disk = disk
        self._content = content
        self._name = name
        self._life = disk.life

    @property
    def size_bytes(self) -> int:
        """Length of the file now."""
        return len(self._content.now)

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Return up to `size_bytes` from `offset`."""
        self._disk.enter("read", self._name, self._life)
        return bytes(self._content.now[offset : offset + size_bytes])

    def write(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Write all buffers; a set fault lets half of them through."""
        data = b"".join(buffers)
        try:
            self._disk.enter("write", self._name, self._life)
            self._disk.take_space(offset + len(data) - self.size_bytes)
        except OSError:
            # A write cut short ends between sectors, as page-wise kernels do it.
            stop = (offset + len(data) // 2) // SECTOR_BYTES * SECTOR_BYTES
            self._change(offset, data[: max(0, stop - offset)])
            raise
        self._change(offset, data)

    def write_durable(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Write, then sync: two calls, and a crash may come between them."""
        self.write(offset, buffers)
        self.sync()

    def sync(self) -> None:
        """Make the file durable; a set fault loses the changes for good."""
        try:
            self._disk.enter("sync", self._name, self._life)
        except OSError:
            self._content.forget_changes()
            raise
        self._content.sync()

    def truncate(self, size_bytes: int) -> None:
        """Cut or extend the file."""
        self._disk.enter("truncate", self._name, self._life)
        self._disk.take_space(size_bytes - self.size_bytes)
        _resize(self._content.now, size_bytes)
        self._content.resized = True

    def close(self) -> None:
        """Let go of the file."""

    def _change(self, offset: int, data: bytes) -> None:
        content = self._content
        if not data:
            return
        if offset + len(data) > len(content.now):
            _resize(content.now, offset + len(data))
            content.resized = True
        content.now[offset : offset + len(data)] = data
        first, last = offset // SECTOR_BYTES, (offset + len(data) - 1) // SECTOR_BYTES
        content.dirty.update(range(first, last + 1))


@attrs.frozen
class _NameChange:
    """A name given to a file, or (None) taken away, not yet durable."""

    names: tuple[tuple[str, _Content | None], ...]


class SimulatedDisk:
    """Implements coord.wal.disk.Disk."""

    def __init__(self, seed: int = 1, capacity_bytes: int = CAPACITY_BYTES) -> None:
        """Make an empty disk.

        Args:
            seed: makes the tokens of this disk differ from those of another.
            capacity_bytes: what fits on it; may be changed at any time.
        """
        self.capacity_bytes = capacity_bytes
        self.calls = 0
        self.trace: deque[str] = deque(maxlen=10_000)
        self.life = 0
        self.torn_writes = 0
        self.lost_bytes = 0
        self.lost_names = 0
        self._seed = seed
        self._tokens = 0
        self._names: dict[str, _Content] = {}
        self._durable_names: dict[str, _Content] = {}
        self._changes: list[_NameChange] = []
        self._locked = False
        self._faults: dict[int, int] = {}
        self._fault_from: tuple[int, int] | None = None
        self._crash_at = 0

    # --- what the system under test calls -----------------------------------------------------

    def create(self, name: str) -> SimulatedFile:
        """Make an empty file."""
        self.enter("create", name, self.life)
        if name in self._names:
            raise FileExistsError(errno.EEXIST, "file exists", name)
        content = _Content()
        self._change_names((name, content))
        return SimulatedFile(self, content, name)

    def open(self, name: str) -> SimulatedFile:
        """Open an existing file."""
        self.enter("open", name, self.life)
        return SimulatedFile(self, self._content(name), name)

    def reserve(self, name: str, size_bytes: int) -> None:
        """Make a file that occupies space."""
        self.enter("reserve", name, self.life)
        self.take_space(size_bytes)
        self._change_names((name, _Content(now=bytearray(size_bytes), resized=True)))

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name, as one change."""
        self.enter("rename", new_name, self.life)
        self._change_names((name, None), (new_name, self._content(name)))

    def remove(self, name: str) -> None:
        """Remove a name."""
        self.enter("remove", name, self.life)
        self._content(name)
        self._change_names((name, None))

    def list(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._names)

    def sync_directory(self) -> None:
        """Make the names durable."""
        self.enter("sync_directory", "", self.life)
        self._durable_names = dict(self._names)
        self._changes.clear()

    def free_bytes(self) -> int:
        """What is left of the capacity."""
        used = sum(len(content.now) for content in self._names.values())
        return max(0, self.capacity_bytes - used)

    def lock(self) -> None:
        """Keep others out until close() or crash().

        Raises:
            Unavailable: it is locked.
        """
        if self._locked:
            raise Unavailable("data directory is in use by process 1")
        self._locked = True

    def token(self) -> int:
        """A number not seen before on this disk, the same in every run."""
        self._tokens += 1
        mixed = (self._seed * 1_000_003 + self._tokens) * 0x9E3779B97F4A7C15
        return mixed % (2**63 - 1) + 1

    def close(self) -> None:
        """Release the lock."""
        self._locked = False

    # --- what a test or a simulator calls -----------------------------------------------------

    def fail(self, call: int, error: int, forever: bool = False) -> None:
        """Let the call of this number, counted from now on, raise OSError(error).

        Args:
            call: 1 is the next call.
            error: errno.ENOSPC, errno.EIO, ...
            forever: every later call as well.
        """
        if forever:
            self._fault_from = (self.calls + call, error)
        else:
            self._faults[self.calls + call] = error

    def heal(self) -> None:
        """Take back all faults and crashes set and not yet hit."""
        self._faults.clear()
        self._fault_from = None
        self._crash_at = 0

    def crash_at(self, call: int) -> None:
        """Let the call of this number, counted from now on, raise SimulatedCrash instead."""
        self._crash_at = self.calls + call

    def crash(self, draw: Draw) -> None:
        """Lose power: keep a drawn part of what was not synced; open files are dead.

        Args:
            draw: decides each name change, length and sector on its own.
        """
        self.life += 1
        self.heal()
        for change in self._changes:
            if draw(0, 1):
                self._apply(self._durable_names, change)
            else:
                self.lost_names += 1
        self._changes.clear()
        self._names = dict(self._durable_names)
        self._locked = False
        for name in sorted(self._names):
            kept, lost = self._names[name].crash(draw)
            self.torn_writes += bool(kept and lost)
            self.lost_bytes += lost * SECTOR_BYTES

    def kill(self) -> None:
        """End the process but not the machine: what was written stays readable."""
        self.life += 1
        self.heal()
        self._locked = False

    def peek(self, name: str) -> bytes:
        """Return a file's bytes as they read now, without counting a call."""
        return bytes(self._names[name].now)

    def poke(self, name: str, data: bytes) -> None:
        """Replace a file's bytes, durably; makes the file if it is missing."""
        content = self._names.setdefault(name, _Content())
        self._durable_names[name] = content
        content.now, content.durable = bytearray(data), bytearray(data)
        content.forget_changes()

    def erase(self, name: str) -> None:
        """Take a file away, durably."""
        self._names.pop(name, None)
        self._durable_names.pop(name, None)

    def flip(self, name: str, bit: int) -> None:
        """Flip one bit of a file, durably; bit 0 is the lowest of its first byte."""
        data = bytearray(self.peek(name))
        data[bit // 8] ^= 1 << bit % 8
        self.poke(name, bytes(data))

    # --- shared with SimulatedFile ------------------------------------------------------------

    def enter(self, what: str, name: str, life: int) -> None:
        """Count a call, and let happen what was set for it."""
        if life != self.life:
            raise SimulatedCrash(f"{what} {name} by a process that died")
        self.calls += 1
        self.trace.append(f"{what} {name}".rstrip())
        if self.calls == self._crash_at:
            self.life += 1
            raise SimulatedCrash(f"{what} {name}")
        error = self._faults.pop(self.calls, 0)
        if self._fault_from is not None and self.calls >= self._fault_from[0]:
            error = self._fault_from[1]
        if error:
            raise OSError(error, os.strerror(error), name)

    def take_space(self, size_bytes: int) -> None:
        """Refuse what does not fit."""
        if size_bytes > 0 and size_bytes > self.free_bytes():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _content(self, name: str) -> _Content:
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return self._names[name]

    def _change_names(self, *names: tuple[str, _Content | None]) -> None:
        change = _NameChange(names)
        self._apply(self._names, change)
        self._changes.append(change)

    @staticmethod
    def _apply(names: dict[str, _Content], change: _NameChange) -> None:
        for name, content in change.names:
            if content is None:
                names.pop(name, None)
            else:
                names[name] = content
