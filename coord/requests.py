"""Verbs of the store and their replies, as they travel and as they stand in the log.

Each is a frozen msgspec struct, encoded as an array headed by its tag. Tags and field order are
the wire and log format: fields are only ever added at the end, with a default; a tag is never
reused. Bounds a decoder can check are in the types, so an oversized key never becomes an object.

Writes go through the log (`WriteOp`); reads do not (`ReadOp`). Semantics are those of etcd's v3
API (rpc.proto, etcd 3.6) unless a docstring says otherwise.
"""

from enum import IntEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from coord import limits
from coord.model import KeyValue

Key = Annotated[bytes, Meta(min_length=1, max_length=limits.KEY_BYTES_MAX)]
RangeEnd = Annotated[bytes, Meta(max_length=limits.KEY_BYTES_MAX + 1)]
Value = Annotated[bytes, Meta(max_length=limits.VALUE_BYTES_MAX)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class SortOrder(IntEnum):
    """Order of a range's answer; NONE with a target other than KEY means ASCEND."""

    NONE = 0
    ASCEND = 1
    DESCEND = 2


class SortTarget(IntEnum):
    """What a range's answer is sorted by."""

    KEY = 0
    VERSION = 1
    CREATE = 2
    MOD = 3
    VALUE = 4


class CompareTarget(IntEnum):
    """Which field of a key a compare looks at."""

    VERSION = 0
    CREATE = 1
    MOD = 2
    VALUE = 3
    LEASE = 4


class CompareResult(IntEnum):
    """How the field must relate to the given value."""

    EQUAL = 0
    GREATER = 1
    LESS = 2
    NOT_EQUAL = 3


# --- operations on keys -------------------------------------------------------------------------


class Put(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """Write one key.

    With `sequence`, the stored key is `key` followed by 20 hexadecimal digits: 16 of the
    revision, 4 of the place within the transaction; strict order of arrival without clocks.
    With `same_sequence` it is followed by the digits of the sequenced put before it in the same
    transaction: an index entry for what that one made.

    With `claimed_from`, a sequenced put makes a key that is claimed from the start, in one step
    what putting it under that prefix and claiming it from there would make: it needs a lease, and
    when that ends the key stands under `claimed_from` with the same digits.
    """

    key: Key
    value: Value = b""
    lease: Id = 0
    prev_kv: bool = False
    ignore_value: bool = False
    ignore_lease: bool = False
    sequence: bool = False
    same_sequence: bool = False
    claimed_from: Annotated[bytes, Meta(max_length=limits.KEY_BYTES_MAX)] = b""


class DeleteRange(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """Delete a key, or all keys of [key, range_end)."""

    key: Key
    range_end: RangeEnd = b""
    prev_kv: bool = False


class Range(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    r"""Read a key, or the keys of [key, range_end). `range_end` b"\0" means "from key on"."""

    key: Key
    range_end: RangeEnd = b""
    limit: Count = 0
    revision: int = 0
    sort_order: SortOrder = SortOrder.NONE
    sort_target: SortTarget = SortTarget.KEY
    keys_only: bool = False
    count_only: bool = False
    min_mod_revision: Count = 0
    max_mod_revision: Count = 0
    min_create_revision: Count = 0
    max_create_revision: Count = 0


class Compare(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One condition of a transaction; with `range_end`, every key of the range must satisfy it.

    `value` is bytes for CompareTarget.VALUE and an int for every other target.
    """

    key: Key
    target: CompareTarget
    result: CompareResult
    value: bytes | int
    range_end: RangeEnd = b""


class Claim(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """Take the first `limit` keys under prefix `source`, in key order, to `target` under a lease.

    Each key moves to `target` + what followed `source`, keeps its value, and has `claims` one
    higher. When the lease ends the key returns to where it was, in the same revision. Keys that
    this same transaction already wrote are passed over, as are keys whose target exists.
    """

    source: Key
    target: Key
    lease: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    limit: Annotated[int, Meta(ge=1, le=limits.CLAIM_KEYS_MAX)] = 1


class GiveBack(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """Return one claimed key to where it was taken from, before its lease ends.

    `create_revision` is that of the claimed key: the claim's token. A mismatch moves nothing.
    """

    key: Key
    create_revision: Count


class Txn(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """If every compare holds, do `success` in order, else `failure`; all at one revision."""

    compare: Annotated[tuple[Compare, ...], Meta(max_length=limits.TXN_OPS_MAX)] = ()
    success: Annotated[
        tuple["Put | DeleteRange | Range | Txn | Claim | GiveBack", ...],
        Meta(max_length=limits.TXN_OPS_MAX),
    ] = ()
    failure: Annotated[
        tuple["Put | DeleteRange | Range | Txn | Claim | GiveBack", ...],
        Meta(max_length=limits.TXN_OPS_MAX),
    ] = ()


# --- operations on leases, writers and history --------------------------------------------------


class Compact(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """Forget history before `revision`."""

    revision: int


class LeaseGrant(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """Make a lease of `ttl_ms` cluster milliseconds. `lease` 0 lets the store choose the id."""

    ttl_ms: int
    lease: Id = 0


class LeaseRevoke(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """End a lease now: its keys go (claimed keys return) in one revision."""

    lease: Id


class LeaseKeepAlive(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """Push a lease's end one full time to live ahead."""

    lease: Id


class OpenWriter(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """Register the frame's writer, so that its numbered writes are applied once."""

    ttl_ms: Annotated[int, Meta(ge=1000, le=limits.WRITER_TTL_MS * 100)] = limits.WRITER_TTL_MS


class CloseWriter(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """Forget the frame's writer and its kept answers."""


class Invalid(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=13):
    """A place holder for an operation refused before it was proposed; applies as that error.

    Keeps the numbers of its frame-mates in step.
    """

    code: int
    detail: str = ""


class SetAlarm(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=14):
    """Raise or clear a member's "no space" alarm; while any stands, growth is refused."""

    member: Id
    raised: bool


# --- reads beside Range -------------------------------------------------------------------------


class LeaseTimeToLive(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """Ask what remains of a lease, and with `keys` which keys hang on it."""

    lease: Id
    keys: bool = False


class LeaseList(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=21):
    """Ask for all lease ids."""


class Status(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=22):
    """Ask the answering node about itself and the cluster; always served locally."""


class HashState(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=23):
    """Ask the answering node for the hash of its store at its applied index."""


class TransferLeader(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=24):
    """Ask the cluster to be led by `target`; 0 lets the leader choose."""

    target: Id = 0


class SnapshotNext(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=25):
    """Ask the answering node for part number `part` of a snapshot; snapshot 0 starts one now.

    Parts are asked for in order; the last one given may be asked for again, so a lost answer
    loses nothing. A snapshot not asked on for SNAPSHOT_FETCH_IDLE_MS is given up.
    """

    snapshot: Id = 0
    part: Id = 0


TxnOp = Put | DeleteRange | Range | Txn | Claim | GiveBack
WriteOp = (
    Put
    | DeleteRange
    | Txn
    | Claim
    | GiveBack
    | Compact
    | LeaseGrant
    | LeaseRevoke
    | LeaseKeepAlive
    | OpenWriter
    | CloseWriter
    | Invalid
    | SetAlarm
)
ReadOp = (
    Range | Txn | LeaseTimeToLive | LeaseList | Status | HashState | TransferLeader | SnapshotNext
)

# --- replies ------------------------------------------------------------------------------------


class PutReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """`key` is set for a sequenced put only: the key that was made."""

    revision: int
    prev_kv: KeyValue | None = None
    key: bytes = b""


class DeleteReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """`revision` is the current one if nothing was deleted."""

    revision: int
    deleted: int
    prev_kvs: tuple[KeyValue, ...] = ()


class RangeReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """`revision` is the store's at the time of the read, even when an older one was asked for."""

    revision: int
    kvs: tuple[KeyValue, ...] = ()
    more: bool = False
    count: int = 0


class TxnReply(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Replies are those of the branch taken, in its order."""

    revision: int
    succeeded: bool
    replies: tuple[
        "PutReply | DeleteReply | RangeReply | TxnReply | ClaimReply | GiveBackReply", ...
    ]


class ClaimReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """The claimed keys at their target; each one's create_revision is its claim's token."""

    revision: int
    kvs: tuple[KeyValue, ...] = ()


class GiveBackReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """`moved` tells whether the claim still stood and the key went back."""

    revision: int
    moved: bool


class CompactReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """History before the asked revision is gone."""

    revision: int


class LeaseGrantReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """`ttl_ms` is the time to live in force, after raising it to the minimum."""

    lease: int
    ttl_ms: int


class LeaseRevokeReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """The lease is gone, and its keys with it."""

    revision: int


class LeaseKeepAliveReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """`ttl_ms` 0 means the lease is unknown or has ended (etcd's convention)."""

    lease: int
    ttl_ms: int


class WriterReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """The writer is registered, or closed."""

    ttl_ms: int


class AlarmReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """Members whose alarm stands."""

    members: tuple[int, ...]


class LeaseTimeToLiveReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """`remaining_ms` -1 means the lease is unknown (etcd's convention)."""

    lease: int
    remaining_ms: int
    granted_ms: int
    keys: tuple[bytes, ...] = ()


class LeaseListReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=21):
    """Lease ids, the soonest to end first."""

    leases: tuple[int, ...]


class MemberStatus(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One member as the answering node sees it."""

    node: int
    name: str
    peer: str
    client: str
    voter: bool


class StatusReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=22):
    """The answering node, now."""

    cluster: int
    node: int
    name: str
    role: str
    leader: int
    term: int
    commit_index: int
    applied_index: int
    revision: int
    compact_revision: int
    keys: int
    leases: int
    watches: int
    cluster_time_ms: int
    alarms: tuple[str, ...]
    members: tuple[MemberStatus, ...]
    version: str
    longest_turn_ms: float = 0.0
    """Longest stall of the node's loop since a status was last asked for."""


class HashReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=23):
    """`digest` is over the canonical snapshot bytes at `applied_index`."""

    applied_index: int
    revision: int
    digest: bytes


class TransferReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=24):
    """The transfer was started towards `target`."""

    target: int


class SnapshotPartReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=25):
    """One part; the parts in order are the canonical snapshot of the store at `index`."""

    snapshot: int
    index: int
    term: int
    revision: int
    chunk: bytes
    last: bool


class ErrorReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=31):
    """An ErrorCode and what was wrong; stands where the reply would."""

    code: int
    detail: str = ""


TxnOpReply = PutReply | DeleteReply | RangeReply | TxnReply | ClaimReply | GiveBackReply
Reply = (
    PutReply
    | DeleteReply
    | RangeReply
    | TxnReply
    | ClaimReply
    | GiveBackReply
    | CompactReply
    | LeaseGrantReply
    | LeaseRevokeReply
    | LeaseKeepAliveReply
    | WriterReply
    | AlarmReply
    | LeaseTimeToLiveReply
    | LeaseListReply
    | StatusReply
    | HashReply
    | TransferReply
    | SnapshotPartReply
    | ErrorReply
)
