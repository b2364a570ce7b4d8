"""What a core is told once: its settings and the state it starts from."""

import attrs

from coord import limits
from coord.errors import ErrorCode, error_from
from coord.raft.messages import Entry, HardState, SnapshotMeta


@attrs.frozen(kw_only=True)
class RaftSettings:
    """Identity and bounds of one core.

    Raises:
        Misuse: ids are not positive, or a bound makes progress impossible.
    """

    cluster: int
    node: int
    election_ticks: int = limits.ELECTION_TICKS
    """Shortest election timeout; each one is drawn from here to twice this."""
    heartbeat_ticks: int = limits.HEARTBEAT_TICKS
    append_bytes_max: int = limits.APPEND_BYTES_MAX
    """Payload bytes in one Append; a single larger entry still travels alone."""
    append_inflight_max: int = limits.APPEND_INFLIGHT_MAX
    append_inflight_bytes_max: int = limits.APPEND_INFLIGHT_BYTES_MAX
    """Payload bytes towards one peer not yet acknowledged; then the peer is waited for."""
    uncommitted_bytes_max: int = limits.PROPOSALS_BYTES_MAX
    learners_max: int = limits.LEARNERS_MAX

    def __attrs_post_init__(self) -> None:
        """Check what the types cannot."""
        if self.cluster <= 0 or self.node <= 0:
            raise error_from(ErrorCode.INVALID_OPTION, "cluster and node must be positive")
        if not 0 < self.heartbeat_ticks < self.election_ticks:
            raise error_from(ErrorCode.INVALID_OPTION, "0 < heartbeat_ticks < election_ticks")
        bounds = (
            self.append_bytes_max,
            self.append_inflight_max,
            self.append_inflight_bytes_max,
            self.uncommitted_bytes_max,
        )
        if min(bounds) <= 0:
            raise error_from(ErrorCode.INVALID_OPTION, "byte and message bounds must be positive")


@attrs.frozen
class Restored:
    """What survived on this node's disk; all of it is durable.

    A new cluster starts from a snapshot of index 0, term 0 that names its first members. A node
    that joins a running cluster starts from the same with an empty membership.

    Args:
        hard_state: as last written; its commit may be behind, and is cut to the log.
        snapshot: the newest durable snapshot; the store has been loaded from it.
        entries: the log after the snapshot, without gaps; entries at or before the snapshot
            may lead it.
    """

    hard_state: HardState
    snapshot: SnapshotMeta
    entries: tuple[Entry, ...] = ()
