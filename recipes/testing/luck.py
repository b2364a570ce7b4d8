"""Luck and wall-clock time of the standard library, while a simulated world lives on a seed."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from coord.testing.schedule import Schedule

EPOCH_MS = 1_700_000_000_000.0


@contextmanager
def seeded(schedule: Schedule) -> Iterator[None]:
    """Let `secrets` draw from the world's seed, and the wall clock show the world's time."""
    stream = schedule.stream("secrets")

    def token_hex(size_bytes: int | None = None) -> str:
        return stream.randbytes(size_bytes or 32).hex()

    def now_s() -> float:
        return (EPOCH_MS + schedule.now_ms) / 1_000.0

    def now_ns() -> int:
        return int(now_s() * 1e9)

    with (
        mock.patch.object(secrets, "token_hex", token_hex),
        mock.patch.object(time, "time_ns", now_ns),
        mock.patch.object(time, "time", now_s),
    ):
        yield
