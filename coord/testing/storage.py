"""A node's storage on a simulated disk, without threads: answers come when the simulator says.

What is handed over waits in two queues, as in ThreadedStorage: one for the log, one for snapshot
files. A step takes the front of a queue (for the log: all writes that wait), carries it out on
the disk at once, and makes the answers visible. Between hand-over and step a crash may come; a
crash may also come inside a step, after any of its calls to the disk.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator

from coord.raft.messages import ChunkReceived, ChunkWanted, SnapshotMeta, Write, Written
from coord.testing.disk import Draw, SimulatedCrash, SimulatedDisk
from coord.wal.identity import Identity
from coord.wal.jobs import AbandonSave, FileJob, LogJob, PutMark, SaveChunk, do_file_job, put_mark
from coord.wal.log import LogSettings
from coord.wal.port import Completion, Recovered
from coord.wal.shelf import open_chunks
from coord.wal.wal import Wal

Later = Callable[[Callable[[], None]], None]
"""Asks the simulator to call the given step after a delay of its choice."""

SMALL_FILES = LogSettings(segment_bytes=64 * 1024, fill_bytes=4096, reserve_bytes=16 * 1024)
"""Sizes that make rotation and removal of segments common in short runs."""


class SimulatedStorage:
    """Implements coord.wal.port.Storage over Wal and SimulatedDisk."""

    def __init__(
        self,
        disk: SimulatedDisk,
        identity: Identity,
        wake: Callable[[], None],
        later: Later | None = None,
        settings: LogSettings = SMALL_FILES,
    ) -> None:
        """Recover what the disk holds.

        Args:
            disk: outlives this object.
            identity: whose directory it is.
            wake: called when poll() has something new.
            later: how steps get their time; None: only complete() makes steps.
            settings: file sizes.
        """
        self._disk = disk
        self._wal = Wal.open(disk, identity, settings)
        self._wake = wake
        self._later = later
        self._alive = True
        self._answers: deque[Completion] = deque()
        self._log_jobs: deque[LogJob] = deque()
        self._file_jobs: deque[FileJob] = deque()
        self._backlog_bytes = 0

    # --- the port -----------------------------------------------------------------------------

    @property
    def recovered(self) -> Recovered:
        """What open found."""
        return self._wal.recovered

    @property
    def log_bytes(self) -> int:
        """Bytes of log written since the newest snapshot."""
        return self._wal.log.uncovered_bytes

    @property
    def saving_backlog_bytes(self) -> int:
        """Snapshot bytes handed over and not yet written."""
        return self._backlog_bytes

    def write(self, write: Write) -> None:
        """Append and make durable; answers Written."""
        self._add_log_job(write)

    def flush(self) -> bool:
        """Nothing is ready at once: the schedule decides when a write ends."""
        return False

    def save_chunk(self, meta: SnapshotMeta, chunk: bytes, last: bool) -> None:
        """Append to the node's own new snapshot; with `last`, answers SnapshotSaved."""
        self._backlog_bytes += len(chunk)
        self._add_file_job(SaveChunk(meta, chunk, last))

    def abandon_save(self) -> None:
        """Throw away the snapshot being saved, if any."""
        self._add_file_job(AbandonSave())

    def read_chunk(self, wanted: ChunkWanted) -> None:
        """Read from the newest snapshot for a peer; answers ChunkRead."""
        self._add_file_job(wanted)

    def store_chunk(self, received: ChunkReceived) -> None:
        """Keep a chunk from the leader; answers ChunkStored, or SnapshotInstalled at the last."""
        self._add_file_job(received)

    def poll(self) -> list[Completion]:
        """Take the answers that are ready."""
        answers = list(self._answers)
        self._answers.clear()
        return answers

    def open_snapshot(self) -> Iterator[bytes]:
        """Read the newest durable snapshot in chunks; nothing if there is none."""
        mark = self._wal.log.mark
        return open_chunks(self._disk, mark) if mark is not None else iter(())

    def free_bytes(self) -> int:
        """Free space where the log lives."""
        return self._disk.free_bytes()

    def close(self) -> None:
        """Finish what was handed over, then release the directory."""
        self.complete()
        self._alive = False
        self._wal.close()

    # --- what a simulator calls ---------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Jobs handed over and not carried out."""
        return len(self._log_jobs) + len(self._file_jobs)

    def complete(self, steps: int | None = None) -> None:
        """Make up to `steps` steps, the log's first; None: until nothing waits."""
        while steps is None or steps > 0:
            if self._log_jobs:
                self._step_log()
            elif self._file_jobs:
                self._step_files()
            else:
                return
            steps = None if steps is None else steps - 1

    def crash(self, draw: Draw, calls: int = 0) -> None:
        """End the process and lose what a crash may lose; no answer becomes visible any more.

        Args:
            draw: decides what of the unsynced bytes and names survives.
            calls: go on with what waits for up to this many calls to the disk before the crash,
                so that it comes in the middle of a write.
        """
        if calls > 0:
            self._disk.crash_at(calls)
            with contextlib.suppress(SimulatedCrash):
                self.complete()
        self._alive = False
        self._answers.clear()
        self._disk.crash(draw)

    # --- steps --------------------------------------------------------------------------------

    def _add_log_job(self, job: LogJob) -> None:
        self._log_jobs.append(job)
        if self._later is not None:
            self._later(self._step_log)

    def _add_file_job(self, job: FileJob) -> None:
        self._file_jobs.append(job)
        if self._later is not None:
            self._later(self._step_files)

    def _step_log(self) -> None:
        """Carry out the front of the log's queue; a step asked for too often does nothing."""
        if not self._alive or not self._log_jobs:
            return
        job = self._log_jobs[0]
        if isinstance(job, PutMark):
            self._log_jobs.popleft()
            self._add_file_job(put_mark(self._wal, job))
            self._answer(job.answer)
            return
        writes: list[Write] = []
        for write in self._log_jobs:
            if not isinstance(write, Write):
                break
            writes.append(write)
        self._wal.log.append(writes)
        for write in writes:
            self._log_jobs.popleft()
            self._answers.append(Written(write.ticket))
        self._wake()

    def _step_files(self) -> None:
        """Carry out the front of the queue for snapshot files."""
        if not self._alive or not self._file_jobs:
            return
        job = self._file_jobs.popleft()
        if isinstance(job, SaveChunk):
            self._backlog_bytes -= len(job.chunk)
        result = do_file_job(self._wal, job)
        if isinstance(result, PutMark):
            self._add_log_job(result)
        elif result is not None:
            self._answer(result)

    def _answer(self, answer: Completion) -> None:
        self._answers.append(answer)
        self._wake()
