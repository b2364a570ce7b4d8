"""What is asked of a data directory, as values, and how each is carried out on a Wal.

Log jobs and file jobs each have a queue of their own; carrying one out may lead to a job in the
other queue. Threads and simulators differ only in when they do it.
"""

import attrs

from coord.raft.messages import ChunkReceived, ChunkWanted, SnapshotInstalled, SnapshotMeta, Write
from coord.wal.items import SnapshotMark
from coord.wal.port import Completion, SnapshotSaved
from coord.wal.wal import Wal


@attrs.frozen
class PutMark:
    """For the log: name this durable snapshot file, then give the answer."""

    mark: SnapshotMark
    keep_suffix: bool
    answer: SnapshotSaved | SnapshotInstalled


@attrs.frozen
class SaveChunk:
    """Append to the node's own new snapshot."""

    meta: SnapshotMeta
    chunk: bytes
    last: bool


@attrs.frozen
class AbandonSave:
    """Throw away the snapshot being saved."""


@attrs.frozen
class Release:
    """The log names `mark`, durably: what it replaced may go."""

    mark: SnapshotMark
    obsolete: tuple[str, ...]


LogJob = Write | PutMark
FileJob = SaveChunk | AbandonSave | ChunkWanted | ChunkReceived | Release


def put_mark(wal: Wal, job: PutMark) -> Release:
    """Put a mark into the log; returns the file job that must follow before the answer is given.

    Raises:
        OSError: the disk failed.
    """
    wal.log.put_mark(job.mark, job.keep_suffix)
    return Release(job.mark, tuple(wal.log.take_obsolete()))


def do_file_job(wal: Wal, job: FileJob) -> PutMark | Completion | None:
    """Carry out a job on snapshot files.

    Returns:
        The log job that must follow, or the answer, or None if there is nothing to say.

    Raises:
        OSError: the disk failed.
    """
    if isinstance(job, SaveChunk):
        saved = wal.shelf.save_chunk(job.meta, job.chunk, job.last)
        if isinstance(saved, SnapshotMark):
            return PutMark(saved, True, SnapshotSaved(saved.meta, saved.size_bytes))
        return saved
    if isinstance(job, ChunkReceived):
        stored = wal.shelf.store_chunk(job)
        if isinstance(stored, SnapshotMark):
            return PutMark(stored, job.keep_suffix, SnapshotInstalled(stored.meta))
        return stored
    if isinstance(job, ChunkWanted):
        return wal.shelf.read_chunk(job)
    if isinstance(job, Release):
        wal.release(job.mark, job.obsolete)
    else:
        wal.shelf.abandon_save()
    return None
