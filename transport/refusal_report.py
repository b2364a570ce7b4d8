"""Telling of those who were turned away, at a rate a log can bear."""

import time

from transport.base import OnRefused, Refusal

_REPORTS_PER_SECOND = 1


class RefusalReport:
    """Hands on at most one refusal a second, with the count of those in between."""

    def __init__(self, port: str, on_refused: OnRefused) -> None:
        self._port = port
        self._on_refused = on_refused
        self._next_report_s = 0.0
        self._unreported = 0

    def tell(self, reason: str, remote: str) -> None:
        """Report, or only count if one was reported within the last second."""
        now_s = time.monotonic()
        if now_s < self._next_report_s:
            self._unreported += 1
            return
        self._next_report_s = now_s + 1 / _REPORTS_PER_SECOND
        unreported, self._unreported = self._unreported, 0
        self._on_refused(
            Refusal(port=self._port, reason=reason, remote=remote, unreported=unreported)
        )
