"""Put and delete, with every option of etcd's.

They note their changes in the keyspace; committing them, alone or with the rest of a
transaction, is the caller's.
"""

from coord.errors import ErrorCode
from coord.model import Cause, KeyValue
from coord.requests import DeleteRange, DeleteReply, Put, PutReply
from coord.store.keyspace import Keyspace
from coord.store.rejection import Rejection
from coord.store.sizes import check_bytes, check_count, kvs_bytes
from coord.store.spans import high_of

SEQUENCE_BYTES = 20  # what a sequenced put appends: 16 hex digits of revision, 4 of place
_PLACES_MAX = 0xFFFF


def put(space: Keyspace, op: Put) -> PutReply:
    """Write one key.

    Raises:
        Rejection: the lease is unknown or full, or an option needs the key to exist.
    """
    key = op.key
    if op.sequence:
        key += _sequence(space)
    elif op.same_sequence:
        key = _same_sequence(space, key)
    if op.lease and op.lease not in space.leases.table:
        raise Rejection(ErrorCode.LEASE_NOT_FOUND, f"lease {op.lease}")
    before = space.latest.get(key)
    revision = space.making
    if before is None:
        if op.ignore_value or op.ignore_lease:
            option = "ignore_value" if op.ignore_value else "ignore_lease"
            raise Rejection(ErrorCode.KEY_NOT_FOUND, f"{option} keeps what the key has")
        kv = KeyValue(key, op.value, revision, revision, 1, op.lease)
    else:
        kv = KeyValue(
            before.key,
            before.value if op.ignore_value else op.value,
            before.create_revision,
            revision,
            before.version + 1,
            before.lease if op.ignore_lease else op.lease,
            before.claims,
        )
    if op.claimed_from:
        _write_claimed(space, op, kv)
    else:
        space.write(kv, Cause.WRITTEN)
    return PutReply(revision, before if op.prev_kv else None, _made(op, key))


def _sequence(space: Keyspace) -> bytes:
    place = len(space.pending)
    if place > _PLACES_MAX:
        detail = f"a sequenced put after {place} changes; at most {_PLACES_MAX}"
        raise Rejection(ErrorCode.TOO_MANY_OPS, detail)
    space.sequenced = b"%016x%04x" % (space.making, place)
    return space.sequenced


def _same_sequence(space: Keyspace, prefix: bytes) -> bytes:
    if not space.sequenced:
        detail = "same_sequence without a sequenced put before it in the transaction"
        raise Rejection(ErrorCode.INVALID_OPTION, detail)
    key = prefix + space.sequenced
    before = space.latest.get(key)
    if before is not None and before.mod_revision == space.making:
        raise Rejection(ErrorCode.DUPLICATE_KEY, f"{key!r} is put twice")
    return key


def _write_claimed(space: Keyspace, op: Put, kv: KeyValue) -> None:
    """Write a key just made as one that was claimed, for the first time, from where it belongs."""
    revision = kv.mod_revision
    claimed = KeyValue(kv.key, kv.value, revision, revision, 1, kv.lease, claims=1)
    space.write(claimed, Cause.CLAIMED, origin=op.claimed_from + space.sequenced)


def _made(op: Put, key: bytes) -> bytes:
    """Return the key the store made, where it made one."""
    return key if op.sequence or op.same_sequence else b""


def delete(space: Keyspace, op: DeleteRange) -> DeleteReply:
    """Delete a key or a range.

    Raises:
        Rejection: the deleted keys were asked for and are too many for one answer.
    """
    if op.range_end:
        keys = space.live.slice(op.key, high_of(op.range_end))
    else:
        keys = [op.key] if op.key in space.latest else []
    if op.prev_kv:
        check_count(len(keys))
        check_bytes(kvs_bytes([space.latest[key] for key in keys]))
    gone = [space.remove(key, Cause.DELETED) for key in keys]
    return DeleteReply(space.shown_revision, len(keys), tuple(gone) if op.prev_kv else ())
