"""What the comparison asks of a job system: the same few verbs, whatever is behind them."""

from pathlib import Path
from typing import Any, Protocol

import attrs

WORKERS = 4
"""Processes that run jobs, in every system."""


@attrs.frozen
class Pids:
    """Whose memory is counted: those who run jobs, and those who keep them."""

    workers: tuple[int, ...]
    brokers: tuple[int, ...]


class JobSystem(Protocol):
    """One system with its broker and four worker processes, seen from a program that enqueues."""

    name: str

    def start(self, folder: Path) -> None:
        """Start broker and workers, and return once a job has been run."""
        ...

    def enqueue(self, job: str, number: int) -> Any:
        """Enqueue one job ("noop" or "small_io") and return a handle for `result`."""
        ...

    def enqueue_bulk(self, job: str, count: int) -> None:
        """Enqueue `count` jobs as fast as the system's public API can."""
        ...

    def result(self, handle: Any) -> object:
        """Wait for a job's result the way the system's documentation says."""
        ...

    def results(self, wanted: int) -> int:
        """Return how many results are kept by now; exactly so once there are `wanted`."""
        ...

    def forget(self) -> None:
        """Drop all results, while nothing runs."""
        ...

    def pids(self) -> Pids:
        """Return the processes at work."""
        ...

    def stop(self) -> None:
        """End workers and broker."""
        ...
