"""What children write, passed on to the worker's own standard error by a thread.

Whoever reads that may be slow or stand still; the loop that renews the lease must not wait for it.
What does not fit into the bounded line is dropped, and said so.
"""

import queue
import sys
import threading

PIECES_MAX = 1_000  # of at most 256 KiB each, as pipes are read
_DROPPED = b"\n[some output was dropped: nobody reads it]\n"


class Echo:
    """Passes bytes on to standard error without ever waiting."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[bytes] = queue.Queue(PIECES_MAX)
        self._dropped = False
        self._thread: threading.Thread | None = None

    def say(self, data: bytes) -> None:
        """Have `data` written, soon."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="echo", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(data)
        except queue.Full:
            self._dropped = True

    def _write(self) -> None:
        while True:
            data = self._waiting.get()
            try:
                if self._dropped:
                    self._dropped = False
                    sys.stderr.buffer.write(_DROPPED)
                sys.stderr.buffer.write(data)
                sys.stderr.buffer.flush()
            except (OSError, ValueError):
                return  # nobody reads it, or it is closed: from here on all of it is dropped
