"""A descriptor that one thread makes readable to call another."""

import os
import socket as network
from typing import Protocol


class Waker(Protocol):
    """A bell between threads."""

    descriptor: int

    def ring(self) -> None:
        """Make the descriptor readable; from any thread."""
        ...

    def hush(self) -> None:
        """Make it unreadable again; only when it is readable."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


class _EventWaker:
    """Linux: one counter in the kernel."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self) -> None:
        os.eventfd_write(self.descriptor, 1)

    def hush(self) -> None:
        os.eventfd_read(self.descriptor)

    def close(self) -> None:
        os.close(self.descriptor)


class _PairWaker:
    """Elsewhere: two ends of a local connection."""

    def __init__(self) -> None:
        self._ear, self._bell = network.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self.descriptor = self._ear.fileno()

    def ring(self) -> None:
        self._bell.send(b"!")

    def hush(self) -> None:
        self._ear.recv(64)

    def close(self) -> None:
        self._ear.close()
        self._bell.close()


def new_waker() -> Waker:
    """Return the best bell this system has."""
    return _EventWaker() if hasattr(os, "eventfd") else _PairWaker()
