"""A child's two ends: what is asked is read by one thread at a time, answers leave from any."""

import os
import threading
from collections.abc import Callable

from workers.running.wire import Frames, FromChild, ToChild, pack, to_child

READ_BYTES = 64 * 1024  # what a pipe holds


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
            messages = self.read()
            if messages is None:
                return None
            self._early = messages
        return self._early.pop(0)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when something was asked."""
        return self._asked_fd

    def listen(self, take: Callable[[list[ToChild] | None], None]) -> None:
        """Hand all further messages to `take`, on a thread of their own; None at the end."""

        def read_for_ever() -> None:
            messages: list[ToChild] | None = []
            while messages is not None:
                if messages:
                    take(messages)
                messages = self.read()
            take(None)

        threading.Thread(target=read_for_ever, name="channel", daemon=True).start()

    def read(self) -> list[ToChild] | None:
        """Wait for messages; None when the worker has closed the pipe. May be none yet: []."""
        if self._early:
            early, self._early = self._early, []
            return early
        data = os.read(self._asked_fd, READ_BYTES)
        if not data:
            return None
        return [to_child.decode(body) for body in self._frames.feed(data)]
