"""Reads that do not go through the log, answered from what is applied."""

from coord import limits
from coord.errors import ErrorCode
from coord.requests import (
    LeaseList,
    LeaseListReply,
    LeaseTimeToLive,
    LeaseTimeToLiveReply,
    Range,
    RangeReply,
    ReadOp,
    Reply,
    Txn,
)
from coord.store.ranges import read_range
from coord.store.rejection import Rejection
from coord.store.sizes import check_count
from coord.store.state import State
from coord.store.txn import run_txn


def is_read_only(op: Txn, depth: int = 1) -> bool:
    """Whether a transaction, nested ones included, can change nothing and may run at all."""
    for branch in (op.success, op.failure):
        for each in branch:
            if type(each) is Txn:
                if depth == limits.TXN_DEPTH_MAX or not is_read_only(each, depth + 1):
                    return False
            elif type(each) is not Range:
                return False
    return True


def answer_read(state: State, op: ReadOp) -> Reply:
    """Answer one read.

    Raises:
        Rejection: it cannot be answered, or not by the store.
    """
    if type(op) is Range:
        if not op.range_end and op == Range(op.key):
            kv = state.space.latest.get(op.key)
            revision = state.space.history.revision
            return RangeReply(revision) if kv is None else RangeReply(revision, (kv,), False, 1)
        return read_range(state.space, op)
    if type(op) is Txn:
        if not is_read_only(op):
            raise Rejection(ErrorCode.NOT_SUPPORTED, "a transaction that writes is no read")
        return run_txn(state.space, op)
    if type(op) is LeaseTimeToLive:
        return _time_to_live(state, op)
    if type(op) is LeaseList:
        return _lease_list(state)
    raise Rejection(ErrorCode.NOT_SUPPORTED, f"{type(op).__name__} is not answered by the store")


def _time_to_live(state: State, op: LeaseTimeToLive) -> LeaseTimeToLiveReply:
    lease = state.space.leases.table.get(op.lease)
    if lease is None:
        return LeaseTimeToLiveReply(op.lease, -1, 0)
    keys: list[bytes] = []
    if op.keys and lease.keys:
        check_count(len(lease.keys))
        keys = sorted(lease.keys)
    remaining_ms = max(lease.deadline_ms - state.time_ms, 0)
    return LeaseTimeToLiveReply(op.lease, remaining_ms, lease.ttl_ms, tuple(keys))


def _lease_list(state: State) -> LeaseListReply:
    check_count(len(state.space.leases.table), "leases")
    return LeaseListReply(tuple(state.space.leases.soonest_first()))
