"""Transactions: if every compare holds do one list of operations, else the other.

As etcd: all compares, nested ones included, look at the state before any operation runs; the
operations then run in order and see each other's writes; whatever fails, nothing happened.
"""

from collections.abc import Callable
from typing import Any

from coord import limits
from coord.errors import ErrorCode
from coord.model import KeyValue
from coord.requests import (
    Claim,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    GiveBack,
    Put,
    Range,
    Txn,
    TxnOp,
    TxnOpReply,
    TxnReply,
)
from coord.store.claims import claim, give_back
from coord.store.edits import delete, put
from coord.store.keyspace import Keyspace
from coord.store.ranges import read_range
from coord.store.rejection import Rejection
from coord.store.scan import next_bytes
from coord.store.sizes import check_bytes, reply_bytes
from coord.store.spans import high_of

_NOTHING = KeyValue(b"", b"", 0, 0, 0)
_BLOCK_KEYS = 64


def run_txn(space: Keyspace, op: Txn) -> TxnReply:
    """Run a transaction; the caller commits, or rolls back.

    Raises:
        Rejection: an operation cannot be done, the transaction is nested too deep, a compare's
            value has the wrong type, or the answers together are too large.
    """
    path: list[bool] = []
    _choose(space, op, path, 1)
    run = _Run(space, path)
    succeeded, replies = run.branch(op)
    return TxnReply(space.shown_revision, succeeded, replies)


def _choose(space: Keyspace, op: Txn, path: list[bool], depth: int) -> None:
    """Evaluate compares along the branches taken, depth first, into `path`."""
    if depth > limits.TXN_DEPTH_MAX:
        raise Rejection(ErrorCode.TOO_MANY_OPS, f"nested deeper than {limits.TXN_DEPTH_MAX}")
    succeeded = True
    for compare in op.compare:
        if not _holds(space, compare):
            succeeded = False
            break
    path.append(succeeded)
    for each in op.success if succeeded else op.failure:
        if type(each) is Txn:
            _choose(space, each, path, depth + 1)


class _Run:
    """One pass through the branches chosen; all its answers together are one answer."""

    def __init__(self, space: Keyspace, path: list[bool]) -> None:
        self._space = space
        self._path = iter(path)
        self._size_bytes = 0

    def branch(self, op: Txn) -> tuple[bool, tuple[TxnOpReply, ...]]:
        """Run the branch chosen of a transaction; returns which it was, and its replies."""
        succeeded = next(self._path)
        replies: list[TxnOpReply] = []
        for each in op.success if succeeded else op.failure:
            if type(each) is Txn:
                nested, inner = self.branch(each)
                replies.append(TxnReply(self._space.shown_revision, nested, inner))
                continue
            reply = _HANDLERS[type(each)](self._space, each)
            self._size_bytes += reply_bytes(reply)
            check_bytes(self._size_bytes)
            replies.append(reply)
        return succeeded, tuple(replies)


_HANDLERS: dict[type[TxnOp], Callable[[Keyspace, Any], TxnOpReply]] = {
    Put: put,
    DeleteRange: delete,
    Range: read_range,
    Claim: claim,
    GiveBack: give_back,
}


def _holds(space: Keyspace, compare: Compare) -> bool:
    """Whether a compare holds, for every key of its range if it has one."""
    wants_bytes = compare.target is CompareTarget.VALUE
    if isinstance(compare.value, bytes) is not wants_bytes:
        raise Rejection(ErrorCode.INVALID_OPTION, wrong_value_type(compare))
    if not compare.range_end:
        kv = space.latest.get(compare.key)
        return _relates(compare, kv)
    low, high = compare.key, high_of(compare.range_end)
    keys = space.live.slice(low, high, _BLOCK_KEYS)
    if not keys:
        return _relates(compare, None)
    # Block by block: what fails at the first key must not cost a list of a million.
    while all(_relates(compare, space.latest[key]) for key in keys):
        if len(keys) < _BLOCK_KEYS:
            return True
        keys = space.live.slice(next_bytes(keys[-1]), high, _BLOCK_KEYS)
    return False


def wrong_value_type(compare: Compare) -> str:
    """Say what is wrong with a compare whose value does not fit its target."""
    allowed = "bytes" if compare.target is CompareTarget.VALUE else "an int"
    given = type(compare.value).__name__
    return f"compare of {compare.target.name} with a value of type {given}; it must be {allowed}"


def _relates(compare: Compare, kv: KeyValue | None) -> bool:
    """Whether a key's field stands as asked; a missing key has zeros, and no value at all."""
    target, result = compare.target, compare.result
    found: Any
    if kv is None:
        if target is CompareTarget.VALUE:
            return False
        kv = _NOTHING
    if target is CompareTarget.MOD:
        found = kv.mod_revision
    elif target is CompareTarget.VERSION:
        found = kv.version
    elif target is CompareTarget.VALUE:
        found = kv.value
    elif target is CompareTarget.CREATE:
        found = kv.create_revision
    else:
        found = kv.lease
    given: Any = compare.value
    if result is CompareResult.EQUAL:
        return bool(found == given)
    if result is CompareResult.GREATER:
        return bool(found > given)
    if result is CompareResult.LESS:
        return bool(found < given)
    return bool(found != given)
