"""Claims: keys taken to another place under a lease, and brought back when it ends.

A claimed key remembers its origin. It stays claimed through puts that keep its lease; a put
under another lease or none ends the claim (the key is then an ordinary one), and so does a
delete (the work is done). Otherwise it goes back, with its value as it is then, its count of
claims kept, and no lease.

A key that is itself claimed cannot be claimed: it has a holder. Nothing is ever overwritten: if
a key of the origin's name exists when a claimed key goes back, the returning one takes that name
with "~" and its claim's revision in 16 hex digits appended, right after it in the order.
"""

from coord import limits
from coord.errors import ErrorCode
from coord.model import Cause, KeyValue
from coord.requests import Claim, ClaimReply, GiveBack, GiveBackReply
from coord.store.keyspace import Keyspace
from coord.store.rejection import Rejection
from coord.store.scan import next_bytes
from coord.store.spans import high_of, prefix_end

_SAFE_KEYS = 16  # claimed together they always fit in one answer
_BLOCK_KEYS = 256  # looked at together once the first keys were not all free


assert _SAFE_KEYS * (limits.KEY_BYTES_MAX + limits.VALUE_BYTES_MAX) <= limits.REPLY_BYTES_MAX


def claim(space: Keyspace, op: Claim) -> ClaimReply:
    """Move the first free keys of a prefix into a claim prefix, under a lease.

    Passed over are keys written by this same transaction, keys that are claimed already, and
    keys whose target exists or would have too long a name.

    Raises:
        Rejection: the lease is unknown or full.
    """
    if op.lease not in space.leases.table:
        raise Rejection(ErrorCode.LEASE_NOT_FOUND, f"lease {op.lease}")
    revision = space.making
    taken: list[KeyValue] = []
    for source in _free_keys(space, op):
        before = space.remove(source, Cause.CLAIMED)
        target = op.target + source[len(op.source) :]
        made = KeyValue(
            target, before.value, revision, revision, 1, op.lease, before.claims + 1
        )  # fmt: skip
        space.write(made, Cause.CLAIMED, origin=source)
        taken.append(made)
    return ClaimReply(space.shown_revision, tuple(taken))


def _free_keys(space: Keyspace, op: Claim) -> list[bytes]:
    """Return the first keys of the source prefix that can be claimed, in order.

    They are fewer than asked for where all of them would not fit in one answer.
    """
    free: list[bytes] = []
    low, high, want = op.source, high_of(prefix_end(op.source)), op.limit
    while True:
        keys = space.live.slice(low, high, want)
        free += [key for key in keys if _is_free(space, op, key)]
        if len(keys) < want or len(free) >= op.limit:
            return _fitting(space, free[: op.limit])
        low, want = next_bytes(keys[-1]), max(op.limit, _BLOCK_KEYS)


def _fitting(space: Keyspace, keys: list[bytes]) -> list[bytes]:
    if len(keys) <= _SAFE_KEYS:
        return keys
    left_bytes = limits.REPLY_BYTES_MAX
    for at, key in enumerate(keys):
        left_bytes -= limits.KEY_BYTES_MAX + len(space.latest[key].value)
        if left_bytes < 0:
            return keys[:at]
    return keys


def _is_free(space: Keyspace, op: Claim, key: bytes) -> bool:
    target = op.target + key[len(op.source) :]
    return (
        target not in space.latest
        and key not in space.origins
        and space.latest[key].mod_revision != space.making
        and len(target) <= limits.KEY_BYTES_MAX
    )


def give_back(space: Keyspace, op: GiveBack) -> GiveBackReply:
    """Return one claimed key; nothing moves unless the claim named by its token stands."""
    kv = space.latest.get(op.key)
    if kv is None or op.key not in space.origins or kv.create_revision != op.create_revision:
        return GiveBackReply(space.shown_revision, moved=False)
    _return(space, op.key)
    return GiveBackReply(space.shown_revision, moved=True)


def end_lease(space: Keyspace, lease_id: int, cause: Cause) -> None:
    """End a living lease: claimed keys go back, the others are deleted for `cause`.

    All in the revision being made, in key order; the lease itself is forgotten.
    """
    for key in sorted(space.leases.table[lease_id].keys or ()):
        if key in space.origins:
            _return(space, key)
        else:
            space.remove(key, cause)
    space.leases.drop(lease_id)


def _return(space: Keyspace, key: bytes) -> None:
    origin = space.origins[key]
    before = space.remove(key, Cause.GIVEN_BACK)
    if origin in space.latest:
        origin = _beside(space, origin, before.create_revision)
    revision = space.making
    back = KeyValue(origin, before.value, revision, revision, 1, 0, before.claims)
    space.write(back, Cause.GIVEN_BACK)


def _beside(space: Keyspace, origin: bytes, token: int) -> bytes:
    """Return a free name that sorts right after `origin`."""
    while True:
        suffix = b"~%016x" % token
        name = origin[: limits.KEY_BYTES_MAX - len(suffix)] + suffix
        if name not in space.latest:
            return name
        token += 1
