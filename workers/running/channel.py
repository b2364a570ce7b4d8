"""A child's two ends: what the worker asks arrives on a thread, answers leave from any.

The thread is there so that a job that runs can be told to end, and so that jobs not yet started
can be taken back while another one runs.
"""

import os
import threading
from collections.abc import Callable

from workers.running.wire import Frames, FromChild, ToChild, pack, to_child

READ_BYTES = 256 * 1024


class Channel:
    """The pipes of one child."""

    def __init__(self, asked_fd: int, answers_fd: int) -> None:
        self._asked_fd = asked_fd
        self._answers_fd = answers_fd
        self._frames = Frames()
        self._early: list[ToChild] = []
        self._sending = threading.Lock()

    def send(self, message: FromChild) -> None:
        """Send one message; blocks while the pipe is full. From any thread."""
        left = memoryview(pack(message))
        with self._sending:
            while left:
                left = left[os.write(self._answers_fd, left) :]

    def first(self) -> ToChild | None:
        """Wait for the first message; None when the worker has closed the pipe."""
        while not self._early:
            messages = self._read()
            if messages is None:
                return None
            self._early = messages
        return self._early.pop(0)

    def listen(self, take: Callable[[list[ToChild] | None], None]) -> None:
        """Hand all further messages to `take`, on a thread of their own; None at the end."""

        def read_for_ever() -> None:
            messages: list[ToChild] | None = self._early
            while messages is not None:
                if messages:
                    take(messages)
                messages = self._read()
            take(None)

        threading.Thread(target=read_for_ever, name="channel", daemon=True).start()

    def _read(self) -> list[ToChild] | None:
        data = os.read(self._asked_fd, READ_BYTES)
        if not data:
            return None
        return [to_child.decode(body) for body in self._frames.feed(data)]
