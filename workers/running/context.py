"""What a running job may use beside its arguments, as children make it."""

import threading
import time
from collections.abc import Callable

from coord.client import ops
from coord.errors import ErrorCode, error_from
from workers.model.job import Job, encode_job
from workers.pipelines.spawning import joined
from workers.running.capture import sendable
from workers.running.wire import Report, Run, Spawned

REPORTS_APART_S = 0.02  # a job that reports more often is passed over, but for the last report
MESSAGE_CHARS_MAX = 2_000
SPAWNED_MAX = 900  # one transaction takes TXN_OPS_MAX, and the job's own end is part of it
SPAWNED_BYTES_MAX = 600 * 1024  # likewise; each goes with what is done where its queue is limited

Send = Callable[[Report], None]


class CancelFlag(threading.Event):
    """Whether the job is asked to end; true where it is, so that `if ctx.cancelled:` means it."""

    def __bool__(self) -> bool:
        return self.is_set()


class JobContext:
    """The context of one attempt.

    Attributes:
        id: the job's, the same at every attempt.
        name: of the job function.
        queue: it was enqueued in.
        attempt: which this is, from 1.
        tags: the job's.
        deadline_unix_ms: when it will be killed; 0 for never.
        cancelled: true once the job is asked to end; look at it now and then in long loops.
        cancel_reason: why.
    """

    def __init__(self, run: Run, job: Job, send: Send) -> None:
        self.id = run.id
        self.name = job.name
        self.queue = run.id.partition(":")[0]
        self.attempt = run.attempt
        self.tags = job.tags
        self.deadline_unix_ms = 0
        if job.hard_limit_ms:
            self.deadline_unix_ms = time.time_ns() // 1_000_000 + job.hard_limit_ms
        self.cancelled = CancelFlag()
        self.cancel_reason = ""
        self.spawned: list[Spawned] = []
        self._spawned_bytes = 0
        self._job = job
        self._reports = Reports(run.run, send)

    def progress(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far the job is; cheap, and lost with the worker.

        Args:
            done: so much is done.
            total: out of so much; 0 where nobody knows.
            message: what it is at; the first MESSAGE_CHARS_MAX characters count.

        Raises:
            Misuse: a number below 0 or beyond 63 bits.
        """
        done, total = int(done), int(total)
        ops.natural(done=done, total=total)
        self._reports.report(done, total, sendable(str(message)[:MESSAGE_CHARS_MAX]))

    def enqueue_when_done(self, queue: str, priority: int, job: Job, stage: str = "") -> None:
        """Enqueue a job in the transaction that completes this one; not at all if it fails.

        Raises:
            Misuse: with it there are more than SPAWNED_MAX, or they take more than
                SPAWNED_BYTES_MAX; or it cannot join that stage.
        """
        value = encode_job(joined(self._job, job, stage))
        if len(self.spawned) == SPAWNED_MAX:
            raise _too_much(f"more than {SPAWNED_MAX} jobs", ErrorCode.INVALID_OPTION)
        self._spawned_bytes += len(value)
        if self._spawned_bytes > SPAWNED_BYTES_MAX:
            detail = f"jobs of more than {SPAWNED_BYTES_MAX} bytes"
            raise _too_much(detail, ErrorCode.REQUEST_TOO_LARGE)
        self.spawned.append(Spawned(queue, priority, value))

    def close(self) -> None:
        """Send no more: the attempt has ended."""
        self._reports.close()


def _too_much(detail: str, code: ErrorCode) -> Exception:
    way_out = "enqueue them, have spawned jobs spawn in turn, or return a list for a for_each stage"
    return error_from(code, f"{detail} spawned by one job: {way_out}")


class Reports:
    """Reports of one attempt, thinned out; the last one is always sent while the job runs."""

    def __init__(self, run: int, send: Send) -> None:
        self._run = run
        self._send = send
        self._lock = threading.Lock()
        self._next_s = 0.0
        self._unsent: Report | None = None
        self._timer: threading.Timer | None = None

    def report(self, done: int, total: int, message: str) -> None:
        """Send this report now, or the newest one a little later."""
        report = Report(self._run, done, total, message)
        now_s = time.monotonic()
        with self._lock:
            if now_s < self._next_s:
                self._unsent = report
                if self._timer is None:
                    self._timer = threading.Timer(self._next_s - now_s, self._send_unsent)
                    self._timer.daemon = True
                    self._timer.start()
                return
            self._next_s = now_s + REPORTS_APART_S
            self._unsent = None
        self._send(report)

    def close(self) -> None:
        """Send no more."""
        with self._lock:
            self._unsent = None
            self._next_s = float("inf")
            if self._timer is not None:
                self._timer.cancel()

    def _send_unsent(self) -> None:
        with self._lock:
            self._timer = None
            report, self._unsent = self._unsent, None
            self._next_s = max(self._next_s, time.monotonic() + REPORTS_APART_S)
            if report is not None:
                self._send(report)
