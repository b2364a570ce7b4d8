"""coord: a replicated store of revisioned keys with leases, watches and transactions.

    import coord

    with coord.connect() as client:
        client.put("greeting", "hello")

This module is the whole public face of the store's client; `coord.aio` is the same for asyncio,
and `coord.ops` builds the parts of transactions.
"""

from coord import aio
from coord.client import ops
from coord.client.blocking import Client, Session, Watch, connect
from coord.client.watch import WatchBatch
from coord.errors import (
    CoordError,
    Corruption,
    ErrorCode,
    HistoryCompacted,
    MaybeDone,
    Misuse,
    NotDone,
    ProtocolError,
    Refused,
    Unavailable,
)
from coord.model import Cause, Event, EventKind, KeyValue
from coord.requests import (
    Claim,
    ClaimReply,
    CompactReply,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    DeleteReply,
    GiveBack,
    GiveBackReply,
    HashReply,
    LeaseGrantReply,
    LeaseKeepAliveReply,
    LeaseListReply,
    LeaseRevokeReply,
    LeaseTimeToLiveReply,
    MemberStatus,
    Put,
    PutReply,
    Range,
    RangeReply,
    SortOrder,
    SortTarget,
    StatusReply,
    TransferReply,
    Txn,
    TxnOp,
    TxnReply,
)

__all__ = [
    "Cause",
    "Claim",
    "ClaimReply",
    "Client",
    "CompactReply",
    "Compare",
    "CompareResult",
    "CompareTarget",
    "CoordError",
    "Corruption",
    "DeleteRange",
    "DeleteReply",
    "ErrorCode",
    "Event",
    "EventKind",
    "GiveBack",
    "GiveBackReply",
    "HashReply",
    "HistoryCompacted",
    "KeyValue",
    "LeaseGrantReply",
    "LeaseKeepAliveReply",
    "LeaseListReply",
    "LeaseRevokeReply",
    "LeaseTimeToLiveReply",
    "MaybeDone",
    "MemberStatus",
    "Misuse",
    "NotDone",
    "ProtocolError",
    "Put",
    "PutReply",
    "Range",
    "RangeReply",
    "Refused",
    "Session",
    "SortOrder",
    "SortTarget",
    "StatusReply",
    "TransferReply",
    "Txn",
    "TxnOp",
    "TxnReply",
    "Unavailable",
    "Watch",
    "WatchBatch",
    "aio",
    "connect",
    "ops",
]
