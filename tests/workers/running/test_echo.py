"""What children write is passed on, and a reader that stands still holds nobody up."""

import io
import threading

import pytest

from workers.running.echo import PIECES_MAX, Echo


class Slow(io.RawIOBase):
    """Takes nothing until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.taken: list[bytes] = []
        self.has_all = threading.Event()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.let_go.wait(20)
        taken = bytes(data)  # type: ignore[call-overload]
        self.taken.append(taken)
        if taken == b"last":
            self.has_all.set()
        return len(taken)


class Stderr:
    """A standard error over some stream."""

    def __init__(self, buffer: io.RawIOBase) -> None:
        self.buffer = buffer


def test_nobody_waits_for_a_reader_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr("sys.stderr", Stderr(slow))
    echo = Echo()
    for _ in range(2 * PIECES_MAX):
        echo.say(b"piece")
    slow.let_go.set()
    while not slow.has_all.wait(0.01):
        echo.say(b"last")
    dropped = [data for data in slow.taken if b"dropped" in data]
    assert dropped
    assert PIECES_MAX <= slow.taken.count(b"piece") <= PIECES_MAX + 2
