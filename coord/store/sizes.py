"""How large answers are, and the refusal of those that are too large."""

from collections.abc import Sequence

from coord import limits
from coord.errors import ErrorCode
from coord.model import KeyValue
from coord.requests import ClaimReply, DeleteReply, PutReply, RangeReply, TxnOpReply
from coord.store.rejection import Rejection


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
