"""The storage of a running node: one thread for the log, one for snapshot files.

The log thread takes all writes that wait, makes them durable with one sync, and reports them:
group commit. A lone small write is made durable by the node's own thread instead. The snapshot
thread does whatever may take long, so that the log never waits for it; when a snapshot file is
durable it hands the log thread a mark. Answers go into one queue, with one wake() per batch. Any
failure ends the process through on_fatal; nothing is acknowledged after it.
"""

import os
import threading
import time
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
INLINE_BYTES_MAX = 4 * limits.KIB  # a few small writes; more are worth a thread
SLOW_SYNC_S = 0.02  # a sync on the node's own thread that took longer...
SLOW_DISK_S = 10.0  # ...leaves everything to the log thread for so long

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
        self._handed: list[Write] = []
        self._log_free = threading.Lock()
        """Held by whoever writes to the log: its thread, or the node's for a lone small write."""
        self._inline_from_s = 0.0
        self._queued_writes = self._served_writes = 0
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
        """Take a write to be made durable; answers Written."""
        if self._recovered.entries:
            # The node has them; keeping a second hold would keep a whole log in memory.
            self._recovered = attrs.evolve(self._recovered, entries=())
        self._written_in_bytes += _payload_bytes(write)
        assert self._written_in_bytes - self._written_out_bytes <= QUEUED_BYTES_MAX
        self._handed.append(write)

    def flush(self) -> bool:
        """Make a lone small write durable here and now, or hand what was taken to the thread.

        A hand-over to the thread and back costs about as much as the sync of a fast disk, so it
        is worth it only for what takes long. Once the disk was slow, the thread has all of it for
        a while: the node's loop must not wait for such a disk twice.
        """
        handed = self._handed
        if not handed or self._failed.is_set():
            return False
        if not self._is_lone(handed) or not self._log_free.acquire(blocking=False):
            self._hand_over()
            return False
        self._handed = []
        try:
            self._run(lambda: self._commit_here(handed))
        finally:
            self._log_free.release()
        return True

    def _hand_over(self) -> None:
        """Leave what was taken to the log thread."""
        self._queued_writes += len(self._handed)
        for write in self._handed:
            self._log_jobs.put(write)
        self._handed = []

    def _is_lone(self, handed: list[Write]) -> bool:
        """Whether nothing is under way and `handed` is small enough to be written at once."""
        return (
            self._queued_writes == self._served_writes
            and sum(map(_payload_bytes, handed)) <= INLINE_BYTES_MAX
            and time.monotonic() >= self._inline_from_s
        )

    def _commit_here(self, writes: list[Write]) -> None:
        began_s = time.monotonic()
        answers = self._make_durable(writes)
        if not self._failed.is_set():
            self._answers.extend(answers)
        ended_s = time.monotonic()
        if ended_s - began_s > SLOW_SYNC_S:
            self._inline_from_s = ended_s + SLOW_DISK_S

    def save_chunk(self, meta: SnapshotMeta, chunk: bytes, last: bool) -> None:
        """Append to the node's own new snapshot; with `last`, answers SnapshotSaved."""
        self._hand_over()  # a mark must not overtake the writes before it
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
        self._hand_over()
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
        self._hand_over()
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
            with self._log_free:
                is_over = self._serve_log_batch(batch)
            if is_over:
                return

    def _serve_log_batch(self, batch: list[Write | PutMark | _Stop]) -> bool:
        """Carry out a batch in order, writes that follow each other together; True at the end."""
        writes: list[Write] = []
        for job in batch:
            if isinstance(job, Write):
                writes.append(job)
                continue
            self._commit(writes)
            writes = []
            if isinstance(job, _Stop) or self._failed.is_set():
                return True
            self._put_mark(job)
        self._commit(writes)
        return False

    def _commit(self, writes: list[Write]) -> None:
        """Make the writes durable together, then report each."""
        if writes and not self._failed.is_set():
            answers = self._make_durable(writes)
            self._served_writes += len(writes)
            self._answer(*answers)

    def _make_durable(self, writes: list[Write]) -> list[Written]:
        self._wal.log.append(writes)
        self._written_out_bytes += sum(map(_payload_bytes, writes))
        return [Written(write.ticket) for write in writes]

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
