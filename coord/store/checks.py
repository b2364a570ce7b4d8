"""What can be refused before it is proposed: requests no state of the store could ever allow.

A node runs these on what clients send, so that the log holds only what has a chance. Each
returns the reply to give, or None. Texts say what was wrong and what is allowed.
"""

from coord import limits
from coord.errors import ErrorCode
from coord.requests import (
    Claim,
    Compare,
    CompareTarget,
    DeleteRange,
    ErrorReply,
    GiveBack,
    Invalid,
    LeaseGrant,
    Put,
    Range,
    ReadOp,
    Txn,
    TxnOp,
    WriteOp,
)
from coord.store.edits import SEQUENCE_BYTES
from coord.store.overlap import find_duplicate
from coord.store.reads import is_read_only
from coord.store.txn import wrong_value_type


def check_write(op: WriteOp) -> ErrorReply | None:
    """Return why a write can never be done, None if it may."""
    if type(op) is Put:
        return _check_put(op)
    if type(op) is Txn:
        return _check_txn(op)
    if type(op) is LeaseGrant:
        return _check_grant(op)
    if type(op) is DeleteRange or type(op) is Claim or type(op) is GiveBack:
        return _check_simple(op)
    if type(op) is Invalid:
        return _error(ErrorCode.MALFORMED, "an operation that only nodes may write")
    return None


def check_read(op: ReadOp) -> ErrorReply | None:
    """Return why a read can never be answered, None if it may."""
    if type(op) is Range:
        return _check_range(op)
    if type(op) is Txn:
        error = _check_txn(op)
        if error is None and not is_read_only(op):
            detail = "a transaction that writes must be sent as a write"
            return _error(ErrorCode.NOT_SUPPORTED, detail)
        return error
    return None


def check_key(key: bytes) -> ErrorReply | None:
    """Return why no key can have this name, None if one may."""
    if not key:
        return _error(ErrorCode.EMPTY_KEY)
    if len(key) > limits.KEY_BYTES_MAX:
        return _error(ErrorCode.KEY_TOO_LARGE, f"{len(key)} bytes; at most {limits.KEY_BYTES_MAX}")
    return None


def is_empty_span(key: bytes, range_end: bytes) -> bool:
    """Whether a range can hold no key: a watch of it is refused, a read of it finds nothing."""
    return bool(range_end) and range_end != b"\0" and key >= range_end


def _error(code: ErrorCode, detail: str = "") -> ErrorReply:
    return ErrorReply(int(code), detail)


def _check_put(op: Put) -> ErrorReply | None:
    key = op.key
    if not key or len(key) > limits.KEY_BYTES_MAX:
        return check_key(key)
    if len(op.value) > limits.VALUE_BYTES_MAX:
        detail = f"{len(op.value)} bytes; at most {limits.VALUE_BYTES_MAX}"
        return _error(ErrorCode.VALUE_TOO_LARGE, detail)
    if op.ignore_value and op.value:
        return _error(ErrorCode.VALUE_PROVIDED, "ignore_value keeps the old one")
    if op.ignore_lease and op.lease:
        return _error(ErrorCode.LEASE_PROVIDED, "ignore_lease keeps the old one")
    if op.sequence or op.same_sequence or op.claimed_from:
        return _check_sequence(op)
    return None


def _check_sequence(op: Put) -> ErrorReply | None:
    allowed = limits.KEY_BYTES_MAX - SEQUENCE_BYTES
    longest = max(len(op.key), len(op.claimed_from))
    if longest > allowed:
        detail = f"{longest} bytes; at most {allowed} for a sequenced put"
        return _error(ErrorCode.KEY_TOO_LARGE, detail)
    if op.sequence and op.same_sequence:
        return _error(ErrorCode.INVALID_OPTION, "sequence and same_sequence exclude another")
    if op.ignore_value or op.ignore_lease:
        detail = "a sequenced put makes a new key: there is no old value or lease to keep"
        return _error(ErrorCode.INVALID_OPTION, detail)
    return _check_claimed(op) if op.claimed_from else None


def _check_claimed(op: Put) -> ErrorReply | None:
    if not (op.sequence and op.lease):
        return _error(ErrorCode.INVALID_OPTION, "claimed_from needs sequence and a lease")
    return _check_apart(op.claimed_from, op.key)


def _check_apart(source: bytes, target: bytes) -> ErrorReply | None:
    """Return why a claim may not go from one prefix to another, None if it may."""
    if source.startswith(target) or target.startswith(source):
        detail = "a claim's source and target prefixes overlap; neither may begin with the other"
        return _error(ErrorCode.INVALID_OPTION, detail)
    return None


def _check_span(key: bytes, range_end: bytes) -> ErrorReply | None:
    if len(range_end) > limits.KEY_BYTES_MAX + 1:
        detail = f"range end of {len(range_end)} bytes; at most {limits.KEY_BYTES_MAX + 1}"
        return _error(ErrorCode.KEY_TOO_LARGE, detail)
    return check_key(key)


def _check_range(op: Range) -> ErrorReply | None:
    if op.revision < 0:
        detail = f"revision {op.revision} is negative; 0 reads the newest"
        return _error(ErrorCode.INVALID_OPTION, detail)
    if op.limit < 0:
        return _error(ErrorCode.INVALID_OPTION, f"limit {op.limit} is negative; 0 is no limit")
    bounds = (
        op.min_mod_revision, op.max_mod_revision, op.min_create_revision, op.max_create_revision,
    )  # fmt: skip
    if min(bounds) < 0:
        detail = f"revision bound {min(bounds)} is negative; 0 is no bound"
        return _error(ErrorCode.INVALID_OPTION, detail)
    return _check_span(op.key, op.range_end)


def _check_grant(op: LeaseGrant) -> ErrorReply | None:
    if op.ttl_ms > limits.LEASE_TTL_MS_MAX:
        detail = f"{op.ttl_ms} ms; at most {limits.LEASE_TTL_MS_MAX} ms"
        return _error(ErrorCode.LEASE_TTL_TOO_LARGE, detail)
    return None


def _check_simple(op: DeleteRange | Claim | GiveBack) -> ErrorReply | None:
    if type(op) is DeleteRange:
        return _check_span(op.key, op.range_end)
    if type(op) is GiveBack:
        return check_key(op.key)
    assert type(op) is Claim
    if (error := _check_apart(op.source, op.target)) is not None:
        return error
    if not 1 <= op.limit <= limits.CLAIM_KEYS_MAX:
        detail = f"claim of {op.limit} keys; 1 to {limits.CLAIM_KEYS_MAX}"
        return _error(ErrorCode.INVALID_OPTION, detail)
    return check_key(op.source) or check_key(op.target)


# --- transactions -------------------------------------------------------------------------------


def _check_txn(op: Txn) -> ErrorReply | None:
    return _check_lists(op, limits.TXN_OPS_MAX, 1) or _check_duplicates(op)


def _check_duplicates(op: Txn) -> ErrorReply | None:
    key = find_duplicate(op)
    if key is None:
        return None
    return _error(ErrorCode.DUPLICATE_KEY, f"{key!r} is put more than once, or put and deleted")


def _check_lists(op: Txn, budget: int, depth: int) -> ErrorReply | None:
    """Check each list on its own; nested transactions get what their parent's lists left."""
    if depth > limits.TXN_DEPTH_MAX:
        detail = f"nested deeper than {limits.TXN_DEPTH_MAX}"
        return _error(ErrorCode.TOO_MANY_OPS, detail)
    longest = max(len(op.compare), len(op.success), len(op.failure))
    if longest > budget:
        detail = f"a list of {longest}; at most {budget} here"
        return _error(ErrorCode.TOO_MANY_OPS, detail)
    for compare in op.compare:
        if (error := _check_compare(compare)) is not None:
            return error
    for branch in (op.success, op.failure):
        for each in branch:
            if (error := _check_txn_op(each, budget - longest, depth)) is not None:
                return error
    return None


def _check_txn_op(op: TxnOp, budget: int, depth: int) -> ErrorReply | None:
    if isinstance(op, Txn):
        return _check_lists(op, budget, depth + 1)
    if isinstance(op, Put):
        return _check_put(op)
    if isinstance(op, Range):
        return _check_range(op)
    return _check_simple(op)


def _check_compare(compare: Compare) -> ErrorReply | None:
    wants_bytes = compare.target is CompareTarget.VALUE
    if isinstance(compare.value, bytes) is not wants_bytes:
        return _error(ErrorCode.INVALID_OPTION, wrong_value_type(compare))
    return _check_span(compare.key, compare.range_end)
