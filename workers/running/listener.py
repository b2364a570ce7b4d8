"""Reading on a thread while a job runs; whoever waits for a job reads for itself.

A job that runs must hear that it shall end, and what waits behind it can be taken back, so somebody
else has to read meanwhile. A child with nothing to do reads on the thread that runs the jobs: from
one thread to another a short job's way would take longer than the job.
"""

import contextlib
import os
import select
import threading
from collections.abc import Callable

from workers.running.channel import Channel
from workers.running.wire import ToChild

Take = Callable[[list[ToChild] | None], None]


class Listener:
    """Reads between `begin` and `end`, which one thread calls."""

    def __init__(self, channel: Channel, take: Take) -> None:
        """Start the thread; `take` is called on it, with None once the worker closed the pipe."""
        self._channel = channel
        self._take = take
        self._begun = threading.Event()
        self._reading = threading.Lock()
        self._wake_fd, self._waker_fd = os.pipe()
        os.set_blocking(self._wake_fd, False)
        threading.Thread(target=self._serve, name="channel", daemon=True).start()

    def begin(self) -> None:
        """Read from now on."""
        if not self._begun.is_set():
            self._begun.set()

    def end(self) -> None:
        """Read no more; when this returns, what was read has been taken."""
        self._begun.clear()
        if not self._reading.acquire(blocking=False):
            os.write(self._waker_fd, b"!")
            self._reading.acquire()
            self._forget_wake()
        self._reading.release()

    def _serve(self) -> None:
        ready = select.poll()
        ready.register(self._channel.fileno(), select.POLLIN)
        ready.register(self._wake_fd, select.POLLIN)
        while True:
            self._begun.wait()
            with self._reading:
                while self._begun.is_set():
                    if any(fd == self._wake_fd for fd, _ in ready.poll()):
                        self._forget_wake()
                        continue
                    messages = self._channel.read()
                    self._take(messages)
                    if messages is None:
                        return

    def _forget_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_fd, 1)
