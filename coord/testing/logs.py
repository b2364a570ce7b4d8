"""Short ways to say log things in tests: entries, writes, snapshots, and what a log must hold."""

import attrs

from coord.ids import ClusterId, NodeId
from coord.raft.messages import Entry, EntryKind, HardState, Membership, SnapshotMeta, Write
from coord.testing.disk import SimulatedDisk
from coord.wal.identity import Identity
from coord.wal.jobs import PutMark, SaveChunk, do_file_job, put_mark
from coord.wal.log import LogSettings
from coord.wal.port import Recovered
from coord.wal.wal import Wal

OWNER = Identity(ClusterId(11), NodeId(22))
TINY_FILES = LogSettings(segment_bytes=2048, fill_bytes=512, reserve_bytes=1024)


def entry(index: int, term: int = 1, size_bytes: int = 20) -> Entry:
    """An entry whose payload tells index and term, so that no two are alike."""
    text = b"%d/%d." % (index, term)
    return Entry(index, term, EntryKind.NORMAL, (text * (size_bytes // len(text) + 1))[:size_bytes])


def write(ticket: int, *entries: Entry, term: int = 0, vote: int = 0, commit: int = 0) -> Write:
    """A write; with a hard state if `term` is given."""
    return Write(ticket, HardState(term, vote, commit) if term else None, entries)


def meta(index: int, term: int = 1) -> SnapshotMeta:
    """What a snapshot up to `index` says of itself."""
    return SnapshotMeta(index, term, Membership((22, 33)))


def save_snapshot(wal: Wal, at: SnapshotMeta, *chunks: bytes) -> None:
    """Save a snapshot, mark it and release what it replaces, as one node would."""
    for position, chunk in enumerate(chunks):
        result = do_file_job(wal, SaveChunk(at, chunk, position == len(chunks) - 1))
    assert isinstance(result, PutMark)
    do_file_job(wal, put_mark(wal, result))


def reopen(disk: SimulatedDisk, settings: LogSettings = TINY_FILES) -> Recovered:
    """Open, see what is there, close."""
    wal = Wal.open(disk, OWNER, settings)
    wal.close()
    return wal.recovered


@attrs.define
class DumbLog:
    """What a log means, as plainly as it can be said: a dict of entries and two values."""

    entries: dict[int, Entry] = attrs.Factory(dict)
    hard_state: HardState = attrs.Factory(HardState)
    snapshot: SnapshotMeta | None = None

    def write(self, write: Write) -> None:
        """Take in a write."""
        if write.hard_state is not None:
            self.hard_state = write.hard_state
        for entry in write.entries:
            self.entries = {i: e for i, e in self.entries.items() if i < entry.index}
            self.entries[entry.index] = entry

    def mark(self, meta: SnapshotMeta, keep_suffix: bool) -> None:
        """Take in a snapshot."""
        self.snapshot = meta
        reaches = max(self.entries, default=0) >= meta.index
        kept = {i: e for i, e in self.entries.items() if i > meta.index}
        self.entries = kept if keep_suffix and reaches else {}

    def state(self) -> tuple[tuple[int, int], SnapshotMeta | None, tuple[Entry, ...]]:
        """Everything but the commit hint, comparable."""
        entries = tuple(self.entries[index] for index in sorted(self.entries))
        return (self.hard_state.term, self.hard_state.vote), self.snapshot, entries

    def copy(self) -> "DumbLog":
        """The same, apart."""
        return DumbLog(dict(self.entries), self.hard_state, self.snapshot)


def state_of(
    recovered: Recovered,
) -> tuple[tuple[int, int], SnapshotMeta | None, tuple[Entry, ...]]:
    """A recovered log in the form of DumbLog.state()."""
    state = recovered.hard_state
    return (state.term, state.vote), recovered.snapshot, recovered.entries
