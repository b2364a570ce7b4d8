"""A node's data directory, opened: identity, log and snapshots tied together.

Synchronous and without threads, so that a simulator can drive it call by call. `log` and `shelf`
share nothing but the disk: one thread may own each. The order that keeps a crash harmless
(pitfalls 41, 42): snapshot file durable under its name, then the mark in the log, then old
snapshot and segments go.
"""

import errno
from collections.abc import Sequence

import attrs

from coord.errors import Corruption
from coord.raft.messages import HardState
from coord.wal.disk import Disk
from coord.wal.identity import (
    IDENTITY_NAME,
    Identity,
    check_identity,
    read_identity,
    write_identity,
)
from coord.wal.image import LogImage
from coord.wal.items import SnapshotMark
from coord.wal.log import RESERVE_NAME, Log, LogSettings, LogState, start_segment
from coord.wal.port import Recovered
from coord.wal.record import Link
from coord.wal.recovery import read_first_head, recover_log
from coord.wal.segment import segment_name, segment_number
from coord.wal.shelf import SnapshotShelf, is_snapshot_name

_TEMPORARY_SUFFIX = ".tmp"
_TORN_SUFFIX = ".torn"


@attrs.frozen
class Wal:
    """An open data directory."""

    disk: Disk
    log: Log
    shelf: SnapshotShelf
    recovered: Recovered

    @staticmethod
    def open(disk: Disk, identity: Identity, settings: LogSettings | None = None) -> "Wal":
        """Take over a data directory, making it if it is empty.

        Args:
            disk: the directory; closed by close(), and by a failed open.
            identity: whose it is or shall be.
            settings: file sizes; the defaults are for a real node.

        Raises:
            Unavailable: another process has it.
            Misuse: it belongs to another node or cluster.
            Corruption: it is damaged; names file and offset. Nothing was changed but the
                removal of temporary files.
            OSError: the disk failed.
        """
        try:
            disk.lock()
            return _open(disk, identity, settings or LogSettings())
        except BaseException:
            disk.close()
            raise

    def release(self, mark: SnapshotMark, obsolete: Sequence[str]) -> None:
        """Remove what a durable mark replaced: its older snapshot, then `obsolete` in order.

        Each removal is durable before the next: a gap between segments would look like damage.
        """
        self.shelf.adopt(mark)
        for name in obsolete:
            self.disk.remove(name)
            self.disk.sync_directory()

    def close(self) -> None:
        """Close all files and release the directory."""
        self.log.close()
        self.shelf.close()
        self.disk.close()


def _open(disk: Disk, identity: Identity, settings: LogSettings) -> Wal:
    # A process that died between a rename and its sync left a name that only looks durable.
    disk.sync_directory()
    for name in disk.list():
        if name.endswith(_TEMPORARY_SUFFIX):
            disk.remove(name)
    numbers = sorted(number for name in disk.list() if (number := segment_number(name)) is not None)
    log_id = _settle_identity(disk, identity, settings, numbers)
    if not numbers:
        numbers = [1]
    found = recover_log(disk, identity, log_id, numbers, settings.fill_bytes)
    image = found.image
    shelf = SnapshotShelf(disk, identity, image.mark)
    _remove_strays(disk, image, numbers)
    _keep_reserve(disk, settings)
    state = LogState(found.link, image.hard_state, image.mark, image.last_index)
    sizes = ((entry.index, len(entry.payload)) for entry in image.entries)
    log = Log(disk, identity, settings, state, found.segment, found.finished, sizes)
    return Wal(disk, log, shelf, _describe(image, found.note))


def _settle_identity(
    disk: Disk, identity: Identity, settings: LogSettings, numbers: list[int]
) -> int:
    """Check whose directory this is, or make it ours; returns the number of its log."""
    stored = read_identity(disk)
    if stored is not None:
        check_identity(stored[0], identity)
        if not numbers:
            raise Corruption(f"{segment_name(1)}: the log is missing, {IDENTITY_NAME} is there")
        return stored[1]
    if any(is_snapshot_name(name) for name in disk.list()) or numbers not in ([], [1]):
        raise Corruption(f"{IDENTITY_NAME}: missing beside a log or snapshot")
    if numbers:
        # A crash between the first segment and the identity: nothing was written in between.
        head = read_first_head(disk, 1)
        check_identity(Identity(head.cluster, head.node), identity)  # type: ignore[arg-type]
        log_id = head.log
        found = recover_log(disk, identity, log_id, numbers, settings.fill_bytes)
        found.segment.file.close()
        if found.link.sequence != 2:
            raise Corruption(f"{IDENTITY_NAME}: missing beside a log in use")
    else:
        log_id = disk.token()
        state = LogState(Link(log_id, 1, 0), HardState(), None, 0)
        segment, _ = start_segment(disk, identity, settings, state, 1, 0)
        segment.file.close()
    write_identity(disk, identity, log_id)
    return log_id


def _remove_strays(disk: Disk, image: LogImage, numbers: list[int]) -> None:
    """Remove what a crash left between a mark and the clean-up after it."""
    kept = {image.mark.name} if image.mark is not None else set()
    segments = {segment_name(number) for number in numbers}
    for name in disk.list():
        unnamed = is_snapshot_name(name) and name not in kept
        orphan = name.endswith(_TORN_SUFFIX) and name.removesuffix(_TORN_SUFFIX) not in segments
        if unnamed or orphan:
            disk.remove(name)


def _keep_reserve(disk: Disk, settings: LogSettings) -> None:
    """Set space aside for finishing a write on a full disk, while there is plenty."""
    if not settings.reserve_bytes or RESERVE_NAME in disk.list():
        return
    if disk.free_bytes() < 2 * settings.reserve_bytes:
        return
    try:
        disk.reserve(RESERVE_NAME, settings.reserve_bytes)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EOPNOTSUPP):
            raise
        if RESERVE_NAME in disk.list():
            disk.remove(RESERVE_NAME)


def _describe(image: LogImage, note: str) -> Recovered:
    """Say what was found, in the words of the port."""
    state = image.hard_state
    reached = image.mark.meta.index if image.mark is not None else 0
    # Hints only: never behind the snapshot, never ahead of the log (a large write is split).
    commit = min(max(state.commit, reached), image.last_index)
    meta = image.mark.meta if image.mark is not None else None
    return Recovered(HardState(state.term, state.vote, commit), meta, tuple(image.entries), note)
