"""The snapshot files of a node: the one the log names, one being saved, one being received.

Not thread safe; one thread owns it. A new file gets its name only when it is complete and
durable, and stands for nothing until the log names it: the caller puts the mark, then calls
adopt(), and only then the file before it goes. What a peer is still reading stays open.
"""

import errno
from collections.abc import Iterator

import attrs

from coord import limits
from coord.errors import Corruption
from coord.raft.messages import (
    ChunkRead,
    ChunkReceived,
    ChunkStored,
    ChunkWanted,
    SnapshotInstalled,
    SnapshotMeta,
)
from coord.wal.disk import Disk, File
from coord.wal.identity import Identity
from coord.wal.items import SnapshotMark
from coord.wal.port import SnapshotSaved
from coord.wal.snapshot import (
    SYNC_STEP_BYTES,
    SnapshotWriter,
    read_chunks,
    read_digest,
    read_head,
)

SNAPSHOT_SUFFIX = ".snap"
_PREFIX = "snapshot-"


def is_snapshot_name(name: str) -> bool:
    """Say whether a file of that name is a complete snapshot."""
    return name.startswith(_PREFIX) and name.endswith(SNAPSHOT_SUFFIX)


@attrs.define
class _Saving:
    meta: SnapshotMeta
    name: str
    file: File
    writer: SnapshotWriter


@attrs.define
class _Receiving:
    meta: SnapshotMeta
    name: str
    file: File
    size_bytes: int = 0
    synced_bytes: int = 0


class SnapshotShelf:
    """The snapshot files of one directory."""

    def __init__(self, disk: Disk, identity: Identity, current: SnapshotMark | None) -> None:
        """Take over the directory; `current` is what the log names.

        Raises:
            Corruption: the named file is missing or is not what the log says.
        """
        self._disk = disk
        self._identity = identity
        self._current = current
        self._newest_index = current.meta.index if current is not None else 0
        self._readable: list[tuple[SnapshotMark, File]] = []
        self._saving: _Saving | None = None
        self._spoilt_save: SnapshotMeta | None = None
        self._receiving: _Receiving | None = None
        if current is not None:
            self._readable.append((current, self._open_checked(current)))

    @property
    def current(self) -> SnapshotMark | None:
        """The snapshot the log names."""
        return self._current

    def save_chunk(
        self, meta: SnapshotMeta, chunk: bytes, last: bool
    ) -> SnapshotMark | SnapshotSaved | None:
        """Append to the snapshot being saved, beginning it if there is none.

        Returns:
            With `last`, the mark to put into the log: the file is durable. Or the answer that
            nothing was saved: no space, or a newer snapshot was installed meanwhile. None
            before the last chunk.

        Raises:
            OSError: the disk failed otherwise than by being full.
        """
        if self._spoilt_save == meta:
            return self._end_spoilt_save(meta) if last else None
        try:
            return self._save_chunk(meta, chunk, last)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        self.abandon_save()
        self._spoilt_save = meta
        return self._end_spoilt_save(meta) if last else None

    def _save_chunk(
        self, meta: SnapshotMeta, chunk: bytes, last: bool
    ) -> SnapshotMark | SnapshotSaved | None:
        if self._saving is not None and self._saving.meta != meta:
            self.abandon_save()
        saving = self._saving
        if saving is None:
            saving = self._saving = self._begin_save(meta)
        saving.writer.add(chunk)
        if not last:
            return None
        if meta.index < self._newest_index:
            self.abandon_save()
            return SnapshotSaved(meta, 0)
        size_bytes, digest = saving.writer.finish()
        mark = self._complete(saving.file, meta, size_bytes, digest, saving.name)
        self._saving = None
        return mark

    def _end_spoilt_save(self, meta: SnapshotMeta) -> SnapshotSaved:
        self._spoilt_save = None
        return SnapshotSaved(meta, 0)

    def abandon_save(self) -> None:
        """Throw away the snapshot being saved, if any."""
        self._spoilt_save = None
        if self._saving is not None:
            self._saving.file.close()
            self._disk.remove(f"{self._saving.name}.tmp")
            self._saving = None

    def store_chunk(
        self, received: ChunkReceived
    ) -> ChunkStored | SnapshotInstalled | SnapshotMark:
        """Keep a chunk of a snapshot file from the leader.

        Returns:
            ChunkStored: how much is there now, which may be less or more than this chunk's end
            if it came out of order. SnapshotInstalled with accepted False: refused, nothing of
            it is left. SnapshotMark: complete, checked and durable; put it into the log.

        Raises:
            OSError: the disk failed otherwise than by being full.
        """
        try:
            return self._store_chunk(received)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        self._abandon_receive()
        return SnapshotInstalled(received.meta, accepted=False)

    def _store_chunk(
        self, received: ChunkReceived
    ) -> ChunkStored | SnapshotInstalled | SnapshotMark:
        meta = received.meta
        if received.offset == 0:
            self._abandon_receive()
            self._receiving = self._begin_receive(meta)
        receiving = self._receiving
        if receiving is None or receiving.meta != meta:
            return ChunkStored(meta, 0)
        if received.offset != receiving.size_bytes:
            return ChunkStored(meta, receiving.size_bytes)
        if received.offset + len(received.chunk) > received.total_bytes:
            self._abandon_receive()
            return SnapshotInstalled(meta, accepted=False)
        self._append_received(receiving, received.chunk)
        if not received.last:
            return ChunkStored(meta, receiving.size_bytes)
        return self._finish_receive(receiving, received.total_bytes)

    def read_chunk(self, wanted: ChunkWanted) -> ChunkRead:
        """Read raw bytes of a snapshot file for a peer; total_bytes 0: it is gone."""
        for mark, file in self._readable:
            if mark.meta == wanted.meta and 0 <= wanted.offset <= mark.size_bytes:
                chunk = file.read(wanted.offset, limits.SNAPSHOT_CHUNK_BYTES)
                return ChunkRead(wanted.to, mark.meta, mark.size_bytes, wanted.offset, chunk)
        return ChunkRead(wanted.to, wanted.meta, 0, wanted.offset, b"")

    def adopt(self, mark: SnapshotMark) -> None:
        """The log names `mark` now, durably: remove the file before it."""
        old, self._current = self._current, mark
        for _, file in self._readable[:-1]:
            file.close()
        self._readable = [*self._readable[-1:], (mark, self._disk.open(mark.name))]
        if old is not None:
            self._disk.remove(old.name)

    def close(self) -> None:
        """Throw away what is unfinished and close all files."""
        self.abandon_save()
        self._abandon_receive()
        for _, file in self._readable:
            file.close()
        self._readable.clear()

    def _begin_save(self, meta: SnapshotMeta) -> _Saving:
        name = self._new_name(meta)
        file = self._disk.create(f"{name}.tmp")
        try:
            writer = SnapshotWriter(file, self._identity.cluster, meta)
        except OSError:
            file.close()
            self._disk.remove(f"{name}.tmp")
            raise
        return _Saving(meta, name, file, writer)

    def _begin_receive(self, meta: SnapshotMeta) -> _Receiving:
        name = self._new_name(meta)
        return _Receiving(meta, name, self._disk.create(f"{name}.tmp"))

    def _new_name(self, meta: SnapshotMeta) -> str:
        return f"{_PREFIX}{meta.index:016x}-{self._disk.token():016x}{SNAPSHOT_SUFFIX}"

    def _abandon_receive(self) -> None:
        if self._receiving is not None:
            self._receiving.file.close()
            self._disk.remove(f"{self._receiving.name}.tmp")
            self._receiving = None

    @staticmethod
    def _append_received(receiving: _Receiving, chunk: bytes) -> None:
        receiving.file.write(receiving.size_bytes, [chunk])
        receiving.size_bytes += len(chunk)
        if receiving.size_bytes - receiving.synced_bytes >= SYNC_STEP_BYTES:
            receiving.file.sync()
            receiving.synced_bytes = receiving.size_bytes

    def _finish_receive(
        self, receiving: _Receiving, total_bytes: int
    ) -> SnapshotInstalled | SnapshotMark:
        meta = receiving.meta
        wanted = meta.index >= self._newest_index and receiving.size_bytes == total_bytes
        if not wanted or not self._is_whole(receiving.file, meta):
            self._abandon_receive()
            return SnapshotInstalled(meta, accepted=False)
        receiving.file.sync()
        digest = read_digest(receiving.file)
        mark = self._complete(receiving.file, meta, total_bytes, digest, receiving.name)
        self._receiving = None
        return mark

    def _is_whole(self, file: File, meta: SnapshotMeta) -> bool:
        """Check every byte of a received file, before anything is replaced by it."""
        try:
            head = read_head(file)
            if (head.cluster, head.meta) != (self._identity.cluster, meta):
                return False
            for _ in read_chunks(file):
                pass
        except Corruption:
            return False
        return True

    def _complete(
        self, file: File, meta: SnapshotMeta, size_bytes: int, digest: bytes, name: str
    ) -> SnapshotMark:
        """Give a finished, durable file its name."""
        self._disk.rename(f"{name}.tmp", name)
        self._disk.sync_directory()
        file.close()
        self._newest_index = meta.index
        return SnapshotMark(meta, size_bytes, digest, name)

    def _open_checked(self, mark: SnapshotMark) -> File:
        if mark.name not in self._disk.list():
            raise Corruption(f"{mark.name}: the snapshot the log names is missing")
        file = self._disk.open(mark.name)
        try:
            head = read_head(file)
            found = (head.cluster, head.meta, file.size_bytes, read_digest(file))
        except Corruption as error:
            file.close()
            raise Corruption(f"{mark.name} at 0: {error}") from error
        if found != (self._identity.cluster, mark.meta, mark.size_bytes, mark.digest):
            file.close()
            raise Corruption(f"{mark.name}: not the snapshot the log names")
        return file


def open_chunks(disk: Disk, mark: SnapshotMark) -> Iterator[bytes]:
    """Read the snapshot a mark names, chunk by chunk, with its own file handle.

    Raises:
        FileNotFoundError: at once; a newer one took its place.
        Corruption: while reading; it is damaged; names file and offset.
    """
    return _read_and_close(disk.open(mark.name), mark.name)


def _read_and_close(file: File, name: str) -> Iterator[bytes]:
    try:
        yield from read_chunks(file)
    except Corruption as error:
        raise Corruption(f"{name} {error}") from error
    finally:
        file.close()
