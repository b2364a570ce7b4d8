"""What a node tells about itself."""

from coord.node.applying import Applying
from coord.node.consensus import Consensus
from coord.node.directory import Directory
from coord.node.settings import NodeSettings
from coord.requests import StatusReply
from coord.version import VERSION


def describe(
    settings: NodeSettings,
    consensus: Consensus,
    applying: Applying,
    directory: Directory,
    watches: int,
    cluster_time_ms: int,
    longest_turn_ms: float,
) -> StatusReply:
    """Build the answer to a Status request from where everything stands now."""
    store = applying.store
    standing = consensus.standing
    return StatusReply(
        cluster=settings.cluster,
        node=settings.node,
        name=settings.name,
        role=standing.role.name.lower(),
        leader=standing.leader,
        term=standing.term,
        commit_index=consensus.core.commit,
        applied_index=applying.index,
        revision=store.revision,
        compact_revision=store.compact_revision,
        keys=store.key_count,
        leases=store.lease_count,
        watches=watches,
        cluster_time_ms=cluster_time_ms,
        alarms=tuple(f"no space on member {member:x}" for member in sorted(store.alarms)),
        members=directory.for_status(applying.membership.voters),
        version=VERSION,
        longest_turn_ms=round(longest_turn_ms, 3),
    )
