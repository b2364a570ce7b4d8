"""What one node needs to know before it starts: who it is, who its peers are, and its bounds.

The bounds default to coord.limits; the simulator passes small ones so that snapshots,
compactions and refusals happen within seconds.
"""

import attrs

from coord import limits
from coord.ids import ClusterId, NodeId


@attrs.frozen(kw_only=True)
class NodeSettings:
    """Checked settings of one node, with units in the names."""

    cluster: ClusterId
    node: NodeId
    name: str
    client_address: str
    """Where clients reach this node; told to peers so that any node can name every other."""
    members: dict[int, tuple[str, str]]
    """Node id to (name, peer address) of the first member list, this node included."""

    tick_ms: int = limits.TICK_MS
    heartbeat_ticks: int = limits.HEARTBEAT_TICKS
    election_ticks: int = limits.ELECTION_TICKS
    append_bytes_max: int = limits.APPEND_BYTES_MAX
    append_inflight_max: int = limits.APPEND_INFLIGHT_MAX
    proposals_bytes_max: int = limits.PROPOSALS_BYTES_MAX
    log_bytes_in_memory: int = limits.LOG_BYTES_IN_MEMORY
    snapshot_log_bytes: int = limits.SNAPSHOT_LOG_BYTES
    snapshot_chunk_bytes: int = limits.SNAPSHOT_CHUNK_BYTES
    history_revisions: int = limits.HISTORY_REVISIONS
    disk_reserve_bytes: int = limits.DISK_RESERVE_BYTES
    drain_bytes_max: int = limits.DRAIN_BYTES_MAX
    drain_frames_max: int = limits.DRAIN_FRAMES_MAX
    apply_slice_entries: int = limits.APPLY_SLICE_ENTRIES
    apply_slice_ops: int = limits.APPLY_SLICE_OPS
    request_timeout_ms: int = limits.REQUEST_TIMEOUT_MS
    reads_waiting_max: int = limits.READS_WAITING_MAX
    clients_max: int = limits.CLIENTS_MAX
    watches_per_client_max: int = limits.WATCHES_PER_CLIENT_MAX
    watch_window_bytes: int = limits.WATCH_WINDOW_BYTES
    watch_batch_bytes_max: int = limits.WATCH_BATCH_BYTES_MAX
    watch_frame_bytes_max: int = limits.FRAME_BYTES_MAX
    watch_batch_revisions_max: int = limits.WATCH_BATCH_REVISIONS_MAX
    watch_silence_ms: int = limits.WATCH_SILENCE_MS
    watch_progress_ms: int = limits.WATCH_PROGRESS_MS
    reply_bytes_max: int = limits.REPLY_BYTES_MAX
    answer_window_bytes: int = limits.ANSWER_WINDOW_BYTES
