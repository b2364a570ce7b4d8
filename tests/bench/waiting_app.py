"""The application of the bench of waiting: a job that tells how late it was started."""

import time

from workers import App

app = App()


@app.job(result_ttl_ms=3_600_000)
def lateness(due_unix_ms: int) -> int:
    """Return by how many milliseconds this runs too late."""
    return time.time_ns() // 1_000_000 - due_unix_ms


@app.job(result_ttl_ms=0)
def nothing() -> None:
    """Do nothing."""
