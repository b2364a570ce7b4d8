"""The storage of a running node: one thread for the log, one for snapshot files.

The log thread takes all writes that wait, makes them durable with one sync, and reports them:
group commit. The snapshot thread does whatever may take long, so that the log never waits for it;
when a snapshot file is durable it hands the log thread a mark. Answers go into one queue, with
one wake() per batch. Any failure of either thread ends the process through on_fatal; nothing is
acknowledged after it.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import attrs

from coord import limits
from coord.raft.messages import ChunkReceived, ChunkWanted, SnapshotMeta, Write, Written
from coord.wal.disk import Disk, RealDisk
from coord.wal.identity import Identity
from coord.wal.jobs import AbandonSave, FileJob, LogJob, PutMark, SaveChunk, do_file_job, put_mark
from coord.wal.log import LogSettings
from coord.wal.port import Completion, Recovered
from coord.wal.shelf import open_chunks
from coord.wal.wal import Wal

QUEUED_BYTES_MAX = 4 * limits.PROPOSALS_BYTES_MAX
EXIT_STORAGE_FAILED = 70

Wake = Callable[[], None]
OnFatal = Callable[[BaseException], None]


@attrs.frozen
class _Stop:
    """The last job of a queue."""


def exit_at_once(error: BaseException) -> None:
    """End the process without any clean-up: what the disk holds is unknown from here on."""
    os.write(2, f"coord: storage failed, ending the process: {error!r}\n".encode())
    os._exit(EXIT_STORAGE_FAILED)


def open_storage(
    directory: str,
    identity: Identity,
    wake: Wake,
    on_fatal: OnFatal = exit_at_once,
    settings: LogSettings | None = None,
) -> "ThreadedStorage":
    """Open a data directory and start its threads.

    Args:
        directory: made if missing; one node's own.
        identity: whose it is.
        wake: called from a storage thread after answers became ready; must not block.
        on_fatal: called from a storage thread when the disk failed; must end the process.
        settings: file sizes; the defaults are for a real node.

    Raises:
        Unavailable: another process has the directory.
        Misuse: it belongs to another node or cluster.
        Corruption: it is damaged; names file and offset.
        OSError: the disk failed.
    """
    return ThreadedStorage(RealDisk(directory), identity, wake, on_fatal, settings)


class ThreadedStorage:
    """Implements coord.wal.port.Storage. Its methods belong to one thread, the node's."""

    def __init__(
        self,
        disk: Disk,
        identity: Identity,
        wake: Wake,
        on_fatal: OnFatal = exit_at_once,
        settings: LogSettings | None = None,
    ) -> None:
        """Open `disk` (see open_storage) and start the threads."""
        self._wal = Wal.open(disk, identity, settings)
        self._recovered = self._wal.recovered
        self._wake = wake
        self._on_fatal = on_fatal
        self._failed = threading.Event()
        self._answers: deque[Completion] = deque()
        self._log_jobs: SimpleQueue[LogJob | _Stop] = SimpleQueue()
        self._file_jobs: SimpleQueue[FileJob | _Stop] = SimpleQueue()
        # Each counter has one writing thread; their differences are what is on its way.
        self._written_in_bytes = self._written_out_bytes = 0
        self._saved_in_bytes = self._saved_out_bytes = 0
        self._log_thread = self._thread("coord-log", self._serve_log)
        self._file_thread = self._thread("coord-snapshot", self._serve_files)
        self._log_thread.start()
        self._file_thread.start()

    @property
    def recovered(self) -> Recovered:
        """What open found. Its entries are handed over once: none after the first write."""
        return self._recovered

    @property
    def log_bytes(self) -> int:
        """Bytes of log written since the newest snapshot."""
        return self._wal.log.uncovered_bytes

    @property
    def saving_backlog_bytes(self) -> int:
        """Snapshot bytes handed over and not yet written."""
        return self._saved_in_bytes - self._saved_out_bytes

    def write(self, write: Write) -> None:
        """Append and make durable; answers Written."""
        if self._recovered.entries:
            # The node has them; keeping a second hold would keep a whole log in memory.
            self._recovered = attrs.evolve(self._recovered, entries=())
        self._written_in_bytes += _payload_bytes(write)
        assert self._written_in_bytes - self._written_out_bytes <= QUEUED_BYTES_MAX
        self._log_jobs.put(write)

    def save_chunk(self, meta: SnapshotMeta, chunk: bytes, last: bool) -> None:
        """Append to the node's own new snapshot; with `last`, answers SnapshotSaved."""
        self._saved_in_bytes += len(chunk)
        assert self.saving_backlog_bytes <= QUEUED_BYTES_MAX
        self._file_jobs.put(SaveChunk(meta, chunk, last))

    def abandon_save(self) -> None:
        """Throw away the snapshot being saved, if any."""
        self._file_jobs.put(AbandonSave())

    def read_chunk(self, wanted: ChunkWanted) -> None:
        """Read from the newest snapshot for a peer; answers ChunkRead."""
        self._file_jobs.put(wanted)

    def store_chunk(self, received: ChunkReceived) -> None:
        """Keep a chunk from the leader; answers ChunkStored, or SnapshotInstalled at the last."""
        self._file_jobs.put(received)

    def poll(self) -> list[Completion]:
        """Take the answers that are ready; never waits."""
        answers = self._answers
        return [answers.popleft() for _ in range(len(answers))]

    def open_snapshot(self) -> Iterator[bytes]:
        """Read the newest durable snapshot in chunks; nothing if there is none.

        Raises:
            Corruption: the file is damaged; names it and the offset. What was read before is
                to be thrown away.
        """
        while (mark := self._wal.log.mark) is not None:
            try:
                return open_chunks(self._wal.disk, mark)
            except FileNotFoundError:
                if self._wal.log.mark is mark:
                    raise
        return iter(())

    def free_bytes(self) -> int:
        """Free space where the log lives, not counting the log's own reserve."""
        return self._wal.disk.free_bytes()

    def close(self) -> None:
        """Finish what was handed over, then close the files."""
        self._file_jobs.put(_Stop())  # first: it may still hand marks to the log
        self._file_thread.join()
        self._log_jobs.put(_Stop())
        self._log_thread.join()
        self._wal.close()

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=self._run, args=(work,), name=name, daemon=True)

    def _run(self, work: Callable[[], None]) -> None:
        """Run a thread's work; whatever goes wrong there ends the process."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001  a dead thread must not go unnoticed
            self._failed.set()
            self._on_fatal(error)

    def _serve_log(self) -> None:
        jobs = self._log_jobs
        while True:
            batch = [jobs.get()]
            batch.extend(jobs.get_nowait() for _ in range(jobs.qsize()))
            writes: list[Write] = []
            for job in batch:
                if isinstance(job, Write):
                    writes.append(job)
                    continue
                self._commit(writes)
                writes = []
                if isinstance(job, _Stop):
                    return
                self._put_mark(job)
            self._commit(writes)

    def _commit(self, writes: list[Write]) -> None:
        """Make the writes durable together, then report each."""
        if not writes:
            return
        self._wal.log.append(writes)
        self._written_out_bytes += sum(map(_payload_bytes, writes))
        self._answer(*(Written(write.ticket) for write in writes))

    def _put_mark(self, job: PutMark) -> None:
        # First the release: whoever hears the answer may ask for chunks of the new file.
        self._file_jobs.put(put_mark(self._wal, job))
        self._answer(job.answer)

    def _serve_files(self) -> None:
        while not isinstance(job := self._file_jobs.get(), _Stop):
            result = do_file_job(self._wal, job)
            if isinstance(job, SaveChunk):
                self._saved_out_bytes += len(job.chunk)
            if isinstance(result, PutMark):
                self._log_jobs.put(result)
            elif result is not None:
                self._answer(result)

    def _answer(self, *answers: Completion) -> None:
        """Report to the node; never after a failure, whichever thread it hit."""
        if self._failed.is_set():
            return
        self._answers.extend(answers)
        self._wake()


def _payload_bytes(write: Write) -> int:
    return sum(len(entry.payload) for entry in write.entries)
