"""Every bound and default, with its unit in the name and one line of why.

Relations between them are asserted at import, so a careless edit cannot start a node.
"""

KIB = 1024
MIB = 1024 * KIB

# --- what a client may send -------------------------------------------------------------------
KEY_BYTES_MAX = 4 * KIB  # keys live in memory on every member, in an index
VALUE_BYTES_MAX = 1 * MIB  # larger things belong in files; the key should point at them
REQUEST_BYTES_MAX = 1536 * KIB  # one encoded operation, a transaction included (etcd: 1.5 MiB)
FRAME_BYTES_MAX = 8 * MIB  # one message on a client socket: many packed requests
FRAME_OPS_MAX = 4096  # operations in one frame; bounds the time of one decode
TXN_OPS_MAX = 1024  # per list, compares and operations alike (etcd: 128)
TXN_DEPTH_MAX = 8  # nested transactions
RANGE_LIMIT_MAX = 100_000  # keys in one answer; more are reached by paging
REPLY_BYTES_MAX = 32 * MIB  # one range answer; more is refused with advice to page
ANSWER_WINDOW_BYTES = 64 * MIB  # answers sent and not yet taken, per connection; then it waits
CLAIM_KEYS_MAX = 1024  # keys taken by one claim
LEASE_TTL_MS_MIN = 100  # below this, a heart-beat of the cluster would outlive the lease
LEASE_TTL_MS_MAX = 9_000_000_000_000  # etcd's cap of 9e9 seconds
LEASES_MAX = 1_000_000  # leases alive at once
LEASE_KEYS_MAX = 1_000_000  # keys attached to one lease

# --- numbered writes --------------------------------------------------------------------------
WRITER_TTL_MS = 600_000  # a silent writer is forgotten after this much cluster time
WRITERS_MAX = 100_000  # registered writers at once
WRITER_PENDING_MAX = 16_384  # answers kept for one writer until it acknowledges them

# --- snapshots taken by clients ---------------------------------------------------------------
SNAPSHOT_FETCHES_MAX = 2  # at once, per node: each pins history
SNAPSHOT_FETCH_IDLE_MS = 30_000  # a client that stopped asking

# --- watches ----------------------------------------------------------------------------------
WATCHES_PER_CLIENT_MAX = 10_000
WATCH_WINDOW_BYTES = 8 * MIB  # sent and not yet consumed, per connection; then the watch lags
WATCH_BATCH_REVISIONS_MAX = 1000  # catch-up reads at most this many revisions at a time
WATCH_BATCH_BYTES_MAX = 1 * MIB
WATCH_SILENCE_MS = 30_000  # a client with watches that says nothing for so long is let go
WATCH_PROGRESS_MS = 1_000  # an idle watch learns the revision it is complete up to

# --- history ----------------------------------------------------------------------------------
HISTORY_REVISIONS = 100_000  # kept behind the newest by automatic compaction; 0 keeps all

# --- the loop ---------------------------------------------------------------------------------
CLIENTS_MAX = 10_000  # connections with live requests or watches on one node
CLIENT_QUEUE_MESSAGES = 10_000  # waiting on one client socket before it counts as slow
PEER_QUEUE_MESSAGES = 4096  # waiting towards one peer; more are dropped, Raft repeats them
DRAIN_BYTES_MAX = 2 * MIB  # client bytes taken in one turn: bounds entry size and turn time
DRAIN_FRAMES_MAX = 4096
PROPOSALS_BYTES_MAX = 64 * MIB  # proposed and not yet applied; more gets "too many requests"
APPLY_SLICE_ENTRIES = 64  # entries applied before the loop looks at its sockets again
APPLY_SLICE_OPS = 4096  # likewise operations: about ten milliseconds
READS_WAITING_MAX = 500_000  # reads that wait for a leader or for the store, per node: about 100 MB
REQUEST_TIMEOUT_MS = 7_000  # a request without an answer by then ends as "maybe done"

# --- Raft -------------------------------------------------------------------------------------
TICK_MS = 20
HEARTBEAT_TICKS = 5  # 100 ms: etcd's default for a LAN
ELECTION_TICKS = 30  # 600 ms at least, twice that at most, drawn anew each time
APPEND_BYTES_MAX = 4 * MIB  # entries in one message to a peer
APPEND_INFLIGHT_MAX = 64  # messages to one peer not yet acknowledged
APPEND_INFLIGHT_BYTES_MAX = 16 * MIB  # the same in payload bytes: bounds memory and queues
ENTRY_BYTES_MAX = 12 * MIB  # one log entry, all frames of a drain
LOG_BYTES_IN_MEMORY = 32 * MIB  # applied entries kept for slow followers; then a snapshot
SNAPSHOT_CHUNK_BYTES = 1 * MIB
LEARNERS_MAX = 4

# --- disk -------------------------------------------------------------------------------------
SEGMENT_BYTES = 64 * MIB
SNAPSHOT_LOG_BYTES = 128 * MIB  # log written since the last snapshot before the next one
DISK_RESERVE_BYTES = 64 * MIB  # below this much free space only deletes and reads are served
ALARM_SILENCE_MS = 60_000  # a member unheard of for so long holds up nobody with its full disk

assert KEY_BYTES_MAX < VALUE_BYTES_MAX < REQUEST_BYTES_MAX < FRAME_BYTES_MAX
assert REPLY_BYTES_MAX < ANSWER_WINDOW_BYTES  # one answer is never too much
assert DRAIN_BYTES_MAX + FRAME_BYTES_MAX < ENTRY_BYTES_MAX < PROPOSALS_BYTES_MAX
assert ENTRY_BYTES_MAX < SEGMENT_BYTES
assert 2 * HEARTBEAT_TICKS < ELECTION_TICKS
