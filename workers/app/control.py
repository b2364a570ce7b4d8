"""What a job raises to say what becomes of it; anything else it raises is a failed attempt."""

from workers.model.checks import TIME_MS_MAX, check_whole


class Retry(Exception):
    """This attempt has failed; try again, after `after_ms` or else by the job's backoff.

    It counts as an attempt: after the last one the job is dead, like after any other error.
    """

    def __init__(self, cause: str = "", *, after_ms: int | None = None) -> None:
        if after_ms is not None:
            check_whole("after_ms", after_ms, 0, TIME_MS_MAX)
        super().__init__(cause or "the job asks for another attempt")
        self.cause = cause
        self.after_ms = after_ms


class Snooze(Exception):
    """Not now: run the job anew after `after_ms`. No failure, and no attempt is counted."""

    def __init__(self, after_ms: int) -> None:
        check_whole("after_ms", after_ms, 0, TIME_MS_MAX)
        super().__init__(f"the job puts itself off for {after_ms} ms")
        self.after_ms = after_ms
