"""What a job prints and logs, kept by attempt: the last of it, up to a bound.

In a child `sys.stdout` and `sys.stderr` are replaced before the application is imported, so that
what `print` and `logging` write goes to the tail of the job they are called from, and on to the
worker. Native code and subprocesses write past it: the worker keeps those words for the case that
the child dies.
"""

import contextvars
import io
from typing import TextIO

LOG_CHARS_MAX = 16 * 1024


def sendable(text: str) -> str:
    """Return a text with what UTF-8 cannot say, as in names of odd files, written out."""
    return text.encode(errors="backslashreplace").decode()


class Tail:
    """The end of a text that grows."""

    def __init__(self, chars_max: int = LOG_CHARS_MAX) -> None:
        self._chars_max = chars_max
        self._pieces: list[str] = []
        self._chars = 0
        self._cut = False

    def add(self, text: str) -> None:
        """Append."""
        if len(text) > self._chars_max:
            text = text[-self._chars_max :]
            self._cut = True
        self._pieces.append(text)
        self._chars += len(text)
        if self._chars > 2 * self._chars_max:
            self._shorten()

    def text(self) -> str:
        """Return the end of what was added; it opens with an ellipsis where there was more."""
        if self._chars > self._chars_max:
            self._shorten()
        return ("…" if self._cut else "") + sendable("".join(self._pieces))

    def clear(self) -> None:
        """Start anew."""
        self._pieces.clear()
        self._chars = 0
        self._cut = False

    def _shorten(self) -> None:
        self._pieces = ["".join(self._pieces)[-self._chars_max :]]
        self._chars = len(self._pieces[0])
        self._cut = True


current: contextvars.ContextVar[Tail | None] = contextvars.ContextVar("tail", default=None)
"""The tail of the job that runs in this context."""


class Tee(io.TextIOBase):
    """A text stream that writes to the running job's tail and to `beyond`."""

    def __init__(self, beyond: TextIO) -> None:
        self._beyond = beyond

    def write(self, text: str) -> int:
        """Write to both."""
        tail = current.get()
        if tail is not None:
            tail.add(text)
        return self._beyond.write(text)

    def writable(self) -> bool:
        """Return True."""
        return True

    def flush(self) -> None:
        """Flush what lies beyond."""
        self._beyond.flush()

    def fileno(self) -> int:
        """Return the descriptor beyond: what is written to it directly is in no job's tail."""
        return self._beyond.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of what lies beyond."""
        return self._beyond.encoding
