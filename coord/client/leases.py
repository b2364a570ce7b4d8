"""Leases kept alive: renewed at a third of their time to live, all that are due in one frame.

A lease counts as held until its time to live has passed since the last renewal that succeeded was
*sent*: the cluster started its own count later than that, so the holder never believes longer
than the cluster does.
"""

from collections.abc import Callable

import attrs

from coord.client.packets import NEVER_MS
from coord.errors import CoordError, ErrorCode
from coord.requests import LeaseKeepAlive, LeaseKeepAliveReply

RENEW_FRACTION = 3.0  # etcd's clients: a renewal each third of the time to live
EARLY_FRACTION = 12.0  # a lease due this soon goes along with one that is due now
AGAIN_FRACTION = 10.0  # after a failed renewal
AGAIN_MS_MAX = 500.0


@attrs.define(eq=False)
class KeptLease:
    """One lease in the keeping."""

    lease: int
    ttl_ms: float
    ends_ms: float
    due_ms: float
    lose: Callable[[], None]
    under_way: "Renewal | None" = None


class Renewal:
    """Waits for the answer to one keep-alive, as a future would."""

    __slots__ = ("_keeper", "_kept", "sent_ms")

    def __init__(self, keeper: "LeaseKeeper", kept: KeptLease, sent_ms: float) -> None:
        self._keeper = keeper
        self._kept = kept
        self.sent_ms = sent_ms

    def done(self) -> bool:
        """Whether the lease is no longer kept, or a later renewal took over."""
        return self._kept.under_way is not self

    def set_result(self, reply: LeaseKeepAliveReply, /) -> None:
        """Take the cluster's answer."""
        self._keeper.renewed(self._kept, self.sent_ms, reply.ttl_ms)

    def set_exception(self, error: BaseException, /) -> None:
        """Take the news that there is no answer."""
        self._keeper.not_renewed(self._kept, error)


Submit = Callable[[LeaseKeepAlive, float, Renewal], None]
"""Sends a keep-alive that is worth waiting for until the given time."""


class LeaseKeeper:
    """All leases one client keeps."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._kept: dict[int, KeptLease] = {}
        self._now_ms = 0.0
        self.wake_ms = NEVER_MS
        """When something is due next."""

    def keep(self, lease: int, ttl_ms: float, sent_ms: float, lose: Callable[[], None]) -> None:
        """Start renewing a lease.

        Args:
            lease: its id.
            ttl_ms: its time to live.
            sent_ms: when the grant (or last renewal) was sent.
            lose: called once if it is lost; not after `release`.
        """
        due_ms = sent_ms + ttl_ms / RENEW_FRACTION
        self._kept[lease] = KeptLease(lease, ttl_ms, sent_ms + ttl_ms, due_ms, lose)
        self.wake_ms = min(self.wake_ms, due_ms)

    def release(self, lease: int) -> None:
        """Stop renewing."""
        kept = self._kept.pop(lease, None)
        if kept is not None:
            kept.under_way = None

    def tick(self, now_ms: float) -> None:
        """Renew what is due, and tell the loss of what is past its end."""
        self._now_ms = now_ms
        if now_ms < self.wake_ms:
            return
        for kept in list(self._kept.values()):
            if now_ms >= kept.ends_ms:
                self._lose(kept)
            elif kept.under_way is None and kept.due_ms <= now_ms + kept.ttl_ms / EARLY_FRACTION:
                self._renew(kept, now_ms)
        self._plan()

    def renewed(self, kept: KeptLease, sent_ms: float, ttl_ms: float) -> None:
        """Note the answer to a renewal sent at `sent_ms`; `ttl_ms` 0 says the lease is gone."""
        kept.under_way = None
        if ttl_ms <= 0:
            self._lose(kept)
            return
        kept.ttl_ms = ttl_ms
        kept.ends_ms = max(kept.ends_ms, sent_ms + ttl_ms)
        kept.due_ms = sent_ms + ttl_ms / RENEW_FRACTION
        self.wake_ms = min(self.wake_ms, kept.due_ms)

    def not_renewed(self, kept: KeptLease, error: BaseException) -> None:
        """Note that a renewal failed; try again soon, unless it says that the lease is gone."""
        kept.under_way = None
        if isinstance(error, CoordError) and error.code == ErrorCode.LEASE_NOT_FOUND:
            self._lose(kept)
            return
        kept.due_ms = self._now_ms + min(kept.ttl_ms / AGAIN_FRACTION, AGAIN_MS_MAX)
        self.wake_ms = min(self.wake_ms, kept.due_ms)

    def _renew(self, kept: KeptLease, now_ms: float) -> None:
        renewal = Renewal(self, kept, now_ms)
        kept.under_way = renewal
        until_ms = min(kept.ends_ms, now_ms + kept.ttl_ms / RENEW_FRACTION)
        try:
            self._submit(LeaseKeepAlive(kept.lease), until_ms, renewal)
        except CoordError as error:
            self.not_renewed(kept, error)

    def _lose(self, kept: KeptLease) -> None:
        kept.under_way = None
        if self._kept.pop(kept.lease, None) is not None:
            kept.lose()

    def _plan(self) -> None:
        self.wake_ms = min(
            (
                kept.ends_ms if kept.under_way is not None else min(kept.due_ms, kept.ends_ms)
                for kept in self._kept.values()
            ),
            default=NEVER_MS,
        )
