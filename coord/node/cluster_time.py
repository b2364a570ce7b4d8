"""Cluster time: the replicated clock that leases live by.

The leader stamps every entry. It continues from the last stamp it has applied, at the pace of
its own monotonic clock; with no leader, time stands still. Wall clocks never matter.
"""


class ClusterTime:
    """Turns a node's monotonic clock into stamps that only move forward.

    Between two restarts the reckoning never goes back, as the clock under it does not.
    """

    def __init__(self) -> None:
        self._base_ms = 0
        self._since_ms = 0.0

    def restart(self, stamp_ms: int, now_ms: float) -> None:
        """Count on from exactly `stamp_ms` at local time `now_ms`.

        A follower does so at every entry it applies; a new leader once, when it has applied the
        first entry of its term, and from then on it is the one who stamps.
        """
        self._base_ms = stamp_ms
        self._since_ms = now_ms

    def reckon_ms(self, now_ms: float) -> int:
        """Return the cluster time now, as this node reckons it."""
        return self._base_ms + max(0, int(now_ms - self._since_ms))
