"""The log being written: append, rotate, mark, and which old segments may go.

Not thread safe; one thread owns it. Each record is durable when the call returns. Any OSError
other than "no space" leaves the log unusable: the process must end without another try, since a
failed sync may have thrown the bytes away (ATC'20). On "no space" what was half written is cut
off, the reserve is given up, and the write is tried once more.
"""

import errno
from collections import deque
from collections.abc import Iterable, Sequence

import attrs

from coord import limits
from coord.raft.messages import HardState, Write
from coord.wal import items, record
from coord.wal.disk import Buffer, Disk, File
from coord.wal.growth import Growth
from coord.wal.identity import Identity
from coord.wal.items import SnapshotMark
from coord.wal.record import Link
from coord.wal.segment import HEAD_BYTES, SegmentHead, encode_head, segment_name

RESERVE_NAME = "reserve"
_ROOM_BYTES = 1 * limits.KIB  # kept free in a record of entries, for a hard state


@attrs.frozen
class LogSettings:
    """Sizes of the log's files, in bytes."""

    segment_bytes: int = limits.SEGMENT_BYTES
    fill_bytes: int = 1 * limits.MIB  # zero bytes kept ahead: syncs need not change the length
    reserve_bytes: int = limits.DISK_RESERVE_BYTES


@attrs.define
class OpenSegment:
    """The segment being written."""

    file: File
    number: int
    end: int
    filled: int
    """Length of the file; from `end` to here it holds zero bytes."""


@attrs.frozen
class LogState:
    """What the head of the next segment must repeat."""

    link: Link
    hard_state: HardState
    mark: SnapshotMark | None
    last_index: int


class Log:
    """The write side of the log."""

    def __init__(
        self,
        disk: Disk,
        identity: Identity,
        settings: LogSettings,
        state: LogState,
        segment: OpenSegment,
        finished: Sequence[tuple[int, int]] = (),
        sizes: Iterable[tuple[int, int]] = (),
    ) -> None:
        """Go on with a log that recovery has read and made durable.

        Args:
            disk: where it lives.
            identity: whose it is.
            settings: sizes.
            state: where the chain and the log stand.
            segment: the last segment, open.
            finished: (number, last index of the log when it ended) of each older segment,
                oldest first.
            sizes: (index, payload bytes) of the entries that no snapshot covers.
        """
        self._disk = disk
        self._identity = identity
        self._settings = settings
        self._state = state
        self._segment = segment
        self._finished = deque(finished)
        self._zeros = memoryview(bytes(settings.fill_bytes))
        self._reserved = RESERVE_NAME in disk.list()
        self._growth = Growth()
        for last_index, size_bytes in sizes:
            self._growth.add(last_index, size_bytes)

    @property
    def mark(self) -> SnapshotMark | None:
        """The snapshot the log names now."""
        return self._state.mark

    @property
    def last_index(self) -> int:
        """Index of the log's last entry, or of the snapshot that stands for it."""
        return self._state.last_index

    @property
    def uncovered_bytes(self) -> int:
        """Bytes written for entries that no snapshot covers."""
        return self._growth.uncovered_bytes

    def append(self, writes: Sequence[Write]) -> None:
        """Make all writes durable, in order, with one sync if they fit in one record.

        Raises:
            OSError: the log is unusable; end the process.
        """
        body: list[Buffer] = []
        size = 0
        hard_state, last_index = self._state.hard_state, self._state.last_index
        floor = self._state.mark.meta.index if self._state.mark is not None else 0
        for write in writes:
            if size > record.RECORD_BYTES_MAX - _ROOM_BYTES:
                self._put(body, hard_state, last_index)
                body, size = [], 0
            if write.hard_state is not None:
                assert write.hard_state.term >= hard_state.term, "a term never falls"
                hard_state = write.hard_state
                body.append(items.encode_hard_state(hard_state))
                size += len(body[-1])
            for entry in write.entries:
                # A gap, or a change below a snapshot, must never reach the disk.
                assert floor < entry.index <= last_index + 1, (entry.index, floor, last_index)
                need = items.ENTRY_OVERHEAD_BYTES + len(entry.payload)
                if size + need > record.RECORD_BYTES_MAX - _ROOM_BYTES:
                    self._put(body, hard_state, last_index)
                    body, size = [], 0
                body += items.encode_entry_head(entry), entry.payload
                size += need
                last_index = entry.index
        if body:
            self._put(body, hard_state, last_index)

    def put_mark(self, mark: SnapshotMark, keep_suffix: bool) -> None:
        """Make durable that `mark` stands for the log up to its index.

        The snapshot file must be durable under its name already.

        Raises:
            OSError: the log is unusable; end the process.
        """
        old = self._state.mark
        assert old is None or old.meta.index <= mark.meta.index, "a snapshot never falls back"
        last_index = self._state.last_index
        if not keep_suffix or mark.meta.index > last_index:
            last_index = mark.meta.index
        self._put([items.encode_mark(mark, keep_suffix)], self._state.hard_state, last_index)
        self._state = attrs.evolve(self._state, mark=mark)
        self._growth.cover(mark.meta.index)

    def take_obsolete(self) -> list[str]:
        """Forget the segments the durable mark makes superfluous; returns their names to remove.

        They must be removed in this order, so that a crash leaves no gap.
        """
        names: list[str] = []
        mark = self._state.mark
        while mark is not None and self._finished and self._finished[0][1] <= mark.meta.index:
            names.append(segment_name(self._finished.popleft()[0]))
        return names

    def close(self) -> None:
        """Close the files; everything is durable already."""
        self._segment.file.close()

    def _put(self, body: list[Buffer], hard_state: HardState, last_index: int) -> None:
        """Write one record, durably; hard state and last index become the log's."""
        size = record.HEADER_BYTES + record.padded(sum(map(len, body)))
        segment = self._segment
        if segment.end + size > self._settings.segment_bytes and segment.end > HEAD_BYTES:
            self._rotate()
        buffers, link = record.encode(body, self._state.link)
        self._write_record(buffers, size)
        self._state = LogState(link, hard_state, self._state.mark, last_index)
        self._growth.add(last_index, size)

    def _write_record(self, buffers: list[Buffer], size: int) -> None:
        try:
            self._write_at_end(buffers, size)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._cut_to_end()
            if not self._release_reserve():
                raise
            self._write_at_end(buffers, size)

    def _write_at_end(self, buffers: list[Buffer], size: int) -> None:
        segment = self._segment
        end = segment.end + size
        filled = segment.filled
        if end > filled:
            step = self._settings.fill_bytes
            filled = -(-end // step) * step
            buffers = [*buffers, self._zeros[: filled - end]]
        segment.file.write_durable(segment.end, buffers)
        segment.end, segment.filled = end, filled

    def _cut_to_end(self) -> None:
        """Take back a half-written record, so that no later one stands after it."""
        self._segment.file.truncate(self._segment.end)
        self._segment.file.sync()
        self._segment.filled = self._segment.end

    def _rotate(self) -> None:
        """Start the next segment, then seal the old one."""
        old, old_link = self._segment, self._state.link
        try:
            self._start_segment()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            if not self._release_reserve():
                raise
            self._start_segment()
        self._finished.append((old.number, self._state.last_index))
        # A seal lost in a crash is no loss: it only proves that a successor once stood here.
        seal, _ = record.encode(items.SEAL_BODY, old_link)
        old.file.write_durable(old.end, seal)
        old.file.close()

    def _start_segment(self) -> None:
        old = self._segment
        self._segment, link = start_segment(
            self._disk,
            self._identity,
            self._settings,
            self._state,
            old.number + 1,
            old.end,
        )
        self._state = attrs.evolve(self._state, link=link)

    def _release_reserve(self) -> bool:
        """Give up the reserved space; False if there is none left."""
        if not self._reserved:
            return False
        self._reserved = False
        self._disk.remove(RESERVE_NAME)
        self._disk.sync_directory()
        return True


def start_segment(
    disk: Disk,
    identity: Identity,
    settings: LogSettings,
    state: LogState,
    number: int,
    previous_end: int,
) -> tuple[OpenSegment, Link]:
    """Make a segment durable with its head and first record, under its name.

    Returns:
        The segment, open at its end, and where the chain stands.

    Raises:
        OSError: nothing stands under its name.
    """
    link = state.link
    head = SegmentHead(
        identity.cluster,
        identity.node,
        link.log,
        number,
        link.sequence,
        link.previous,
        previous_end,
        state.last_index,
    )
    body: list[Buffer] = [items.encode_hard_state(state.hard_state)]
    if state.mark is not None:
        body.append(items.encode_mark(state.mark, keep_suffix=True))
    buffers, next_link = record.encode(body, link)
    end = HEAD_BYTES + sum(map(len, buffers))
    filled = max(settings.fill_bytes, end)
    name = segment_name(number)
    temporary = f"{name}.tmp"
    file = disk.create(temporary)
    try:
        file.write_durable(0, [encode_head(head), *buffers, bytes(filled - end)])
        disk.rename(temporary, name)
        disk.sync_directory()
    except OSError:
        file.close()
        if temporary in disk.list():
            disk.remove(temporary)
        raise
    return OpenSegment(file, number, end, filled), next_link
