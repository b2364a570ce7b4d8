"""Reading on a thread while a job runs; whoever waits for a job reads for itself.

A job that runs must hear that it shall end, and what waits behind it can be taken back, so somebody
else has to read meanwhile. A child with nothing to do reads on the thread that runs the jobs: from
one thread to another a short job's way would take longer than the job. For the same reason the
listener is not woken for each job: while jobs come it looks again and again whether one has been
running for a while, and reads only then.
"""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

from workers.running.channel import Channel
from workers.running.wire import ToChild

LOOK_S = 0.01
"""Between two looks; after one to two of these somebody reads beside a job."""
IDLE_LOOKS = 100  # without any job; then the listener sleeps until the next one

Take = Callable[[list[ToChild] | None], None]


class Listener:
    """Reads between `begin` and `end`, which one thread calls."""

    def __init__(
        self, channel: Channel, take: Take, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Start the thread.

        Args:
            channel: what it reads.
            take: called on the thread, with None once the worker closed the pipe.
            pause: waits for so many seconds, between two looks whether it is needed.
        """
        self._channel = channel
        self._take = take
        self._pause = pause
        self._wanted = False
        self._ends = 0
        self._awake = threading.Event()
        self._reading = threading.Lock()
        self._wake_fd, self._waker_fd = os.pipe()
        os.set_blocking(self._wake_fd, False)
        threading.Thread(target=self._serve, name="channel", daemon=True).start()

    def begin(self) -> None:
        """Read from soon on, unless `end` comes first."""
        self._wanted = True
        if not self._awake.is_set():
            self._awake.set()

    def end(self) -> None:
        """Read no more; when this returns, what was read has been taken."""
        self._wanted = False
        self._ends += 1
        if not self._reading.acquire(blocking=False):
            os.write(self._waker_fd, b"!")
            self._reading.acquire()
            self._forget_wake()
        self._reading.release()

    def _serve(self) -> None:
        is_open, idle_looks = True, 0
        while is_open:
            if idle_looks == IDLE_LOOKS:
                self._doze()
                idle_looks = 0
            ends = self._ends
            self._pause(LOOK_S)
            if self._ends != ends:
                idle_looks = 0
            elif not self._wanted:
                idle_looks += 1
            else:
                with self._reading:
                    is_open = self._read()

    def _doze(self) -> None:
        self._awake.clear()
        if not self._wanted:  # one that came before the line above woke nobody
            self._awake.wait()

    def _read(self) -> bool:
        """Read for as long as that is wanted; whether the pipe is still open."""
        ready = select.poll()
        ready.register(self._channel.fileno(), select.POLLIN)
        ready.register(self._wake_fd, select.POLLIN)
        while self._wanted:
            if any(fd == self._wake_fd for fd, _ in ready.poll()):
                self._forget_wake()
                continue
            messages = self._channel.read()
            self._take(messages)
            if messages is None:
                return False
        return True

    def _forget_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_fd, 1)
