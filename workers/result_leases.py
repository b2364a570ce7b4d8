"""The leases that endings are kept under: when one ends, the store forgets what hung on it.

One lease serves many endings. It is made a tenth longer than asked for and used for a tenth of
that time or for `ENDINGS_MAX` endings, whichever is first, and never renewed; so every ending is
kept for at least the time it asked for, and for at most a third longer.
"""

from attrs import define

from coord.limits import LEASE_TTL_MS_MAX
from workers.port import JobClient
from workers.timer import Timer

ENDINGS_MAX = 4096
_KEPT_MS_MAX = LEASE_TTL_MS_MAX * 3 // 4  # a third more is still a lease's time to live
_STEPS = 8  # times to live between one power of two and the next


@define
class _Used:
    lease: int
    until_unix_ms: int
    endings: int = 0


class ResultLeases:
    """Leases of one process, by time to live."""

    def __init__(self, client: JobClient, timer: Timer) -> None:
        self._client = client
        self._timer = timer
        self._used: dict[int, _Used] = {}

    async def lease_for(self, ttl_ms: int, endings: int = 1) -> int:
        """Return a lease to keep endings under.

        Args:
            ttl_ms: how long they are kept at least; what no lease can live for counts as the
                nearest that one can.
            endings: how many.

        Raises:
            CoordError: none could be made.
        """
        kept_ms = ttl_class(min(max(ttl_ms, 1), _KEPT_MS_MAX))
        used = self._used.get(kept_ms)
        now_unix_ms = self._timer.now_unix_ms()
        if used is None or now_unix_ms >= used.until_unix_ms or used.endings >= ENDINGS_MAX:
            use_ms = kept_ms // 10
            granted = await self._client.grant(kept_ms + use_ms)
            used = self._used[kept_ms] = _Used(granted.lease, now_unix_ms + use_ms)
        used.endings += endings
        return used.lease

    def forget(self) -> None:
        """Take new leases from now on: the store does not know an old one any more."""
        self._used.clear()


def ttl_class(ttl_ms: int) -> int:
    """Return `ttl_ms` or a little more, one of few values: at most an eighth longer."""
    step = max(1, 1 << max(0, ttl_ms.bit_length() - _STEPS.bit_length()))
    return -(-ttl_ms // step) * step
