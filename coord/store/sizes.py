"""How large answers are, and the refusal of those that are too large."""

from collections.abc import Sequence

from coord import limits
from coord.errors import ErrorCode
from coord.model import KeyValue
from coord.requests import (
    ClaimReply,
    DeleteReply,
    ErrorReply,
    LeaseTimeToLiveReply,
    PutReply,
    RangeReply,
    Reply,
    SnapshotPartReply,
    TxnOpReply,
    TxnReply,
)
from coord.store.rejection import Rejection

_KEY_VALUE_BYTES = 48  # beside key and value at most: revisions, version, lease, heads
_KEY_BYTES = 3
_ANSWER_BYTES = 32


def kvs_bytes(kvs: Sequence[KeyValue]) -> int:
    """Return the bytes of keys and values."""
    return sum([len(kv.key) + len(kv.value) for kv in kvs])


def reply_bytes(reply: TxnOpReply) -> int:
    """Return the bytes of keys and values that one reply carries; a nested one counts itself."""
    if type(reply) is RangeReply or type(reply) is ClaimReply:
        return kvs_bytes(reply.kvs)
    if type(reply) is DeleteReply:
        return kvs_bytes(reply.prev_kvs)
    if type(reply) is PutReply and reply.prev_kv is not None:
        return kvs_bytes((reply.prev_kv,))
    return 0


def answer_bytes(reply: Reply) -> int:
    """Return about how many bytes an answer has, what is nested in it included."""
    if type(reply) is RangeReply:
        return _ANSWER_BYTES + kvs_bytes(reply.kvs) + _KEY_VALUE_BYTES * len(reply.kvs)
    if type(reply) is TxnReply:
        return _ANSWER_BYTES + sum([answer_bytes(each) for each in reply.replies])
    if type(reply) is ClaimReply:
        return _ANSWER_BYTES + kvs_bytes(reply.kvs) + _KEY_VALUE_BYTES * len(reply.kvs)
    if type(reply) is DeleteReply:
        return _ANSWER_BYTES + kvs_bytes(reply.prev_kvs) + _KEY_VALUE_BYTES * len(reply.prev_kvs)
    if type(reply) is PutReply:
        kv = reply.prev_kv
        return _ANSWER_BYTES if kv is None else 2 * _ANSWER_BYTES + len(kv.value)
    if type(reply) is SnapshotPartReply:
        return _ANSWER_BYTES + len(reply.chunk)
    if type(reply) is LeaseTimeToLiveReply:
        return _ANSWER_BYTES + sum(map(len, reply.keys)) + _KEY_BYTES * len(reply.keys)
    if type(reply) is ErrorReply:
        return _ANSWER_BYTES + len(reply.detail)
    return _ANSWER_BYTES


def check_count(count: int, what: str = "keys") -> None:
    """Refuse an answer with more things than one may hold.

    Raises:
        Rejection: there are more than RANGE_LIMIT_MAX.
    """
    if count > limits.RANGE_LIMIT_MAX:
        detail = f"{count} {what}; at most {limits.RANGE_LIMIT_MAX} in one answer"
        raise Rejection(ErrorCode.REPLY_TOO_LARGE, detail)


def check_bytes(size_bytes: int) -> None:
    """Refuse an answer with more bytes than one may hold.

    Raises:
        Rejection: there are more than REPLY_BYTES_MAX.
    """
    if size_bytes > limits.REPLY_BYTES_MAX:
        detail = f"{size_bytes} bytes; at most {limits.REPLY_BYTES_MAX} in one answer"
        raise Rejection(ErrorCode.REPLY_TOO_LARGE, detail)
