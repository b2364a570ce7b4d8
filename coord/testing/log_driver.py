"""Drives a data directory and keeps, plainly, every state that a crash now may leave.

Where a call to the disk fails or crashes, what was acknowledged before must be found again, and
what is found must have been written: `settled` lists those states, `check` opens and compares.
"""

import attrs

from coord.raft.messages import ChunkReceived, Entry, SnapshotMeta, Write
from coord.testing.disk import SimulatedDisk
from coord.testing.logs import OWNER, TINY_FILES, DumbLog, entry, reopen, state_of, write
from coord.wal.jobs import PutMark, SaveChunk, do_file_job, put_mark
from coord.wal.port import SnapshotSaved
from coord.wal.shelf import open_chunks
from coord.wal.snapshot import SnapshotWriter, read_chunks
from coord.wal.wal import Wal

State = tuple[tuple[int, int], SnapshotMeta | None, tuple[Entry, ...]]


@attrs.define
class LogDriver:
    """Does things to a directory and keeps, plainly, what may be found after a crash."""

    disk: SimulatedDisk
    settled: list[State] = attrs.Factory(lambda: [DumbLog().state()])
    """What is durable, first; then each state that what is under way may lead to."""
    wal: Wal | None = None
    model: DumbLog = attrs.Factory(DumbLog)
    contents: dict[SnapshotMeta, bytes] = attrs.Factory(dict)
    """What each snapshot holds."""

    def open(self) -> None:
        """Open what is there; it must be one of the settled states, and is the only one now."""
        self.wal = Wal.open(self.disk, OWNER, TINY_FILES)
        recovered = self.wal.recovered
        found = state_of(recovered)
        assert found in self.settled, (found, self.settled)
        self.settled = [found]
        entries = {entry.index: entry for entry in recovered.entries}
        self.model = DumbLog(entries, recovered.hard_state, recovered.snapshot)
        mark = self.wal.shelf.current
        assert (mark.meta if mark is not None else None) == recovered.snapshot
        if mark is not None:
            content = b"".join(open_chunks(self.disk, mark))
            assert content == self.contents[mark.meta]

    def write(self, write: Write) -> None:
        """Append one write."""
        assert self.wal is not None
        self.model.write(write)
        self.settled.append(self.model.state())
        self.wal.log.append([write])
        self.acknowledge()

    def save(self, at: SnapshotMeta, *chunks: bytes) -> bool:
        """Save a snapshot; False if the disk had no room for it."""
        assert self.wal is not None
        self.contents[at] = b"".join(chunks)
        for position, chunk in enumerate(chunks):
            result = do_file_job(self.wal, SaveChunk(at, chunk, position == len(chunks) - 1))
        if result == SnapshotSaved(at, 0):
            return False
        assert isinstance(result, PutMark)
        self.mark(result)
        return True

    def install(self, at: SnapshotMeta, raw: bytes, keep_suffix: bool) -> bool:
        """Receive a snapshot file in small chunks; False if it was refused."""
        self.contents[at] = content_of(raw)
        return self.install_unchecked(at, raw, keep_suffix)

    def install_unchecked(self, at: SnapshotMeta, raw: bytes, keep_suffix: bool) -> bool:
        """Receive bytes that may be no snapshot file at all; False if they were refused."""
        assert self.wal is not None
        step = 64
        for offset in range(0, len(raw), step):
            chunk = raw[offset : offset + step]
            last = offset + step >= len(raw)
            received = ChunkReceived(at, len(raw), offset, chunk, last, keep_suffix)
            result = do_file_job(self.wal, received)
        if not isinstance(result, PutMark):
            return False
        self.mark(result)
        return True

    def mark(self, job: PutMark) -> None:
        """Put a mark into the log, then release what it replaces."""
        assert self.wal is not None
        self.model.mark(job.mark.meta, job.keep_suffix)
        self.settled.append(self.model.state())
        release = put_mark(self.wal, job)
        self.acknowledge()
        do_file_job(self.wal, release)

    def acknowledge(self) -> None:
        """The newest state is durable."""
        del self.settled[:-1]

    def check(self) -> None:
        """Open what a crash left, see that the log goes on from there, and survives the worst."""
        self.open()
        assert self.wal is not None
        assert not [name for name in self.disk.list() if name.endswith(".tmp")]
        term = self.model.hard_state.term + 1
        more = entry(self.wal.log.last_index + 1, term)
        self.write(write(1, more, term=term))
        self.disk.crash(lambda low, _high: low)
        assert reopen(self.disk).entries[-1] == more


def raw_snapshot(at: SnapshotMeta, *chunks: bytes) -> bytes:
    """The bytes of a snapshot file as another member of the cluster would send them."""
    disk = SimulatedDisk()
    writer = SnapshotWriter(disk.create("raw"), OWNER.cluster, at)
    for chunk in chunks:
        writer.add(chunk)
    writer.finish()
    return disk.peek("raw")


def content_of(raw: bytes) -> bytes:
    """What a snapshot file holds."""
    disk = SimulatedDisk()
    disk.poke("raw", raw)
    return b"".join(read_chunks(disk.open("raw")))
