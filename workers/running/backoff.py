"""When to try again: pure arithmetic on a job's backoff, luck passed in."""

from collections.abc import Callable

from workers.model.job import Backoff

Draw = Callable[[], float]
"""A number drawn from 0 to 1."""


def wait_ms(backoff: Backoff, attempt: int, draw: Draw) -> int:
    """Return how long to wait after attempt `attempt` (from 1) came to nothing.

    The share `jitter` of it is drawn by lot, so that what failed together does not come back
    together.
    """
    assert attempt >= 1
    try:
        full_ms = min(backoff.base_ms * backoff.factor ** (attempt - 1), backoff.max_ms)
    except OverflowError:
        full_ms = backoff.max_ms
    jitter = min(max(backoff.jitter, 0.0), 1.0)
    return max(0, round(full_ms * (1 - jitter * draw())))
