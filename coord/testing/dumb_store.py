"""The store as plainly as it can be said: a whole copy of all keys for every revision.

A twin to hold the real store to. It shares no code with coord.store, has no index, no fast path
and no compaction of memory, and is slow on purpose. It answers with the same replies, but for
the words of an error. Writers (once) and snapshots are left out.
"""

from collections.abc import Callable
from typing import Any

from coord import limits
from coord.errors import ErrorCode
from coord.model import Cause, Event, EventKind, KeyValue
from coord.requests import (
    AlarmReply,
    Claim,
    ClaimReply,
    Compact,
    CompactReply,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    DeleteReply,
    ErrorReply,
    GiveBack,
    GiveBackReply,
    LeaseGrant,
    LeaseGrantReply,
    LeaseKeepAlive,
    LeaseKeepAliveReply,
    LeaseList,
    LeaseListReply,
    LeaseRevoke,
    LeaseRevokeReply,
    LeaseTimeToLive,
    LeaseTimeToLiveReply,
    Put,
    PutReply,
    Range,
    RangeReply,
    Reply,
    SetAlarm,
    SortOrder,
    SortTarget,
    Txn,
    TxnReply,
)


class _No(Exception):
    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code)
        self.code = code


def covers(key: bytes, start: bytes, range_end: bytes) -> bool:
    """Whether [start, range_end), by etcd's conventions, holds a key."""
    if not range_end:
        return key == start
    return key >= start and (range_end == b"\0" or key < range_end)


class DumbStore:
    """One member's store, by copies."""

    def __init__(self) -> None:
        self.revision = 1
        self.compact_revision = 0
        self.time_ms = 0
        self.keys: dict[bytes, KeyValue] = {}
        self.origins: dict[bytes, bytes] = {}
        self.leases: dict[int, tuple[int, int]] = {}  # time to live, deadline
        self.alarms: set[int] = set()
        self.past: dict[int, dict[bytes, KeyValue]] = {1: {}}
        self.log: dict[int, list[tuple[Cause, KeyValue]]] = {}
        self.made: list[tuple[Cause, KeyValue]] = []  # by the operation under way
        self.sequenced = b""  # the digits of its last sequenced put

    # --- one operation ----------------------------------------------------------------------

    def move_time(self, time_ms: int) -> None:
        """Move cluster time forward and end the leases that are due."""
        self.time_ms = max(self.time_ms, time_ms)
        while self.leases:
            deadline, lease = min((deadline, lease) for lease, (_, deadline) in self.leases.items())
            if deadline > self.time_ms:
                return
            self._end_lease(lease, Cause.EXPIRED)
            self._commit()

    def apply(self, op: Any, lease_id: int = 0) -> Reply:
        """Apply one write. `lease_id` is what the real store chose, for a grant without an id."""
        if self.alarms and self._grows(op):
            return ErrorReply(ErrorCode.NO_SPACE)
        keys, origins, leases = dict(self.keys), dict(self.origins), dict(self.leases)
        try:
            reply: Reply = self._do(op, lease_id)
        except _No as no:
            self.keys, self.origins, self.leases = keys, origins, leases
            self.made, self.sequenced = [], b""
            return ErrorReply(int(no.code))
        self._commit()
        return reply

    def _grows(self, op: Any) -> bool:
        if isinstance(op, Txn):
            return any(self._grows(each) for each in op.success + op.failure)
        return isinstance(op, Put | LeaseGrant)

    def _commit(self) -> None:
        if self.made:
            self.revision += 1
            self.past[self.revision] = dict(self.keys)
            self.log[self.revision] = self.made
            self.made, self.sequenced = [], b""

    @property
    def _shown(self) -> int:
        return self.revision + bool(self.made)

    def _do(self, op: Any, lease_id: int = 0) -> Any:
        if isinstance(op, LeaseGrant):
            return self._grant(op, lease_id)
        handlers: dict[type, Callable[[Any], Any]] = {
            Put: self._put,
            DeleteRange: self._delete,
            Range: self.read_range,
            Txn: self._txn,
            Claim: self._claim,
            GiveBack: self._give_back,
            LeaseRevoke: self._revoke,
            LeaseKeepAlive: self._keep_alive,
            Compact: self._compact,
            SetAlarm: self._set_alarm,
        }
        return handlers[type(op)](op)

    # --- keys -------------------------------------------------------------------------------

    def _write(self, kv: KeyValue, cause: Cause) -> None:
        self.keys[kv.key] = kv
        self.made.append((cause, kv))

    def _remove(self, key: bytes, cause: Cause) -> KeyValue:
        self.origins.pop(key, None)
        old = self.keys.pop(key)
        self.made.append((cause, KeyValue(key, b"", 0, self.revision + 1, 0)))
        return old

    def _put(self, op: Put) -> PutReply:
        new = self.revision + 1
        key = op.key
        if op.sequence:
            self.sequenced = b"%016x%04x" % (new, len(self.made))
            key += self.sequenced
        elif op.same_sequence:
            if not self.sequenced:
                raise _No(ErrorCode.INVALID_OPTION)
            key += self.sequenced
            if key in self.keys and self.keys[key].mod_revision == new:
                raise _No(ErrorCode.DUPLICATE_KEY)
        if op.lease and op.lease not in self.leases:
            raise _No(ErrorCode.LEASE_NOT_FOUND)
        old = self.keys.get(key)
        if old is None and (op.ignore_value or op.ignore_lease):
            raise _No(ErrorCode.KEY_NOT_FOUND)
        value, lease, created, version, claims = op.value, op.lease, new, 1, 0
        if old is not None:
            value = old.value if op.ignore_value else value
            lease = old.lease if op.ignore_lease else lease
            created, version, claims = old.create_revision, old.version + 1, old.claims
            if lease != old.lease:
                self.origins.pop(key, None)
        cause = Cause.WRITTEN
        if op.claimed_from:
            self.origins[key] = op.claimed_from + self.sequenced
            cause, created, version, claims = Cause.CLAIMED, new, 1, 1
        self._write(KeyValue(key, value, created, new, version, lease, claims), cause)
        return PutReply(new, old if op.prev_kv else None, key if key != op.key else b"")

    def _delete(self, op: DeleteRange) -> DeleteReply:
        doomed = sorted(key for key in self.keys if covers(key, op.key, op.range_end))
        gone = tuple(self._remove(key, Cause.DELETED) for key in doomed)
        return DeleteReply(self._shown, len(gone), gone if op.prev_kv else ())

    def read_range(self, op: Range) -> RangeReply:
        """Answer a range read."""
        if op.revision > self.revision:
            raise _No(ErrorCode.FUTURE_REVISION)
        if 0 < op.revision < self.compact_revision:
            raise _No(ErrorCode.COMPACTED)
        state = self.past[op.revision] if op.revision > 0 else self.keys
        kvs = [state[key] for key in sorted(state) if covers(key, op.key, op.range_end)]
        count = len(kvs)
        if op.count_only:
            return RangeReply(self._shown, (), False, count)
        low_mod, high_mod = op.min_mod_revision, op.max_mod_revision
        low_new, high_new = op.min_create_revision, op.max_create_revision
        all_first = op.sort_order or low_mod or high_mod or low_new or high_new
        if op.limit and not all_first:
            kvs = kvs[: op.limit + 1]
        kvs = [
            kv
            for kv in kvs
            if kv.mod_revision >= low_mod
            and (not high_mod or kv.mod_revision <= high_mod)
            and kv.create_revision >= low_new
            and (not high_new or kv.create_revision <= high_new)
        ]
        fields = {
            SortTarget.KEY: "key",
            SortTarget.VERSION: "version",
            SortTarget.CREATE: "create_revision",
            SortTarget.MOD: "mod_revision",
            SortTarget.VALUE: "value",
        }
        field = fields[op.sort_target]
        kvs.sort(key=lambda kv: getattr(kv, field), reverse=op.sort_order is SortOrder.DESCEND)
        more = bool(op.limit) and len(kvs) > op.limit
        kvs = kvs[: op.limit] if op.limit else kvs
        if op.keys_only:
            kvs = [
                KeyValue(kv.key, b"", kv.create_revision, kv.mod_revision, kv.version, kv.lease,
                         kv.claims)
                for kv in kvs
            ]  # fmt: skip
        return RangeReply(self._shown, tuple(kvs), more, count)

    # --- transactions -----------------------------------------------------------------------

    def _txn(self, op: Txn) -> TxnReply:
        before = dict(self.keys)
        if self._depth(op, before) > limits.TXN_DEPTH_MAX:
            raise _No(ErrorCode.TOO_MANY_OPS)
        return self._run_txn(op, before)

    def _depth(self, op: Txn, before: dict[bytes, KeyValue]) -> int:
        branch = op.success if self._all_hold(op, before) else op.failure
        return 1 + max([0, *(self._depth(each, before) for each in branch if type(each) is Txn)])

    def _run_txn(self, op: Txn, before: dict[bytes, KeyValue]) -> TxnReply:
        succeeded = self._all_hold(op, before)
        replies = []
        for each in op.success if succeeded else op.failure:
            replies.append(
                self._run_txn(each, before) if isinstance(each, Txn) else self._do(each)
            )  # fmt: skip
        return TxnReply(self._shown, succeeded, tuple(replies))

    def _all_hold(self, op: Txn, before: dict[bytes, KeyValue]) -> bool:
        return all(self._holds(compare, before) for compare in op.compare)

    def _holds(self, compare: Compare, before: dict[bytes, KeyValue]) -> bool:
        wants_bytes = compare.target is CompareTarget.VALUE
        if isinstance(compare.value, bytes) is not wants_bytes:
            raise _No(ErrorCode.INVALID_OPTION)
        kvs = [kv for key, kv in before.items() if covers(key, compare.key, compare.range_end)]
        if not kvs and wants_bytes:
            return False
        fields = {
            CompareTarget.VERSION: "version",
            CompareTarget.CREATE: "create_revision",
            CompareTarget.MOD: "mod_revision",
            CompareTarget.VALUE: "value",
            CompareTarget.LEASE: "lease",
        }
        tests: dict[CompareResult, Callable[[Any, Any], bool]] = {
            CompareResult.EQUAL: lambda found, given: found == given,
            CompareResult.NOT_EQUAL: lambda found, given: found != given,
            CompareResult.GREATER: lambda found, given: found > given,
            CompareResult.LESS: lambda found, given: found < given,
        }
        found = [getattr(kv, fields[compare.target]) for kv in kvs] or [0]
        return all(tests[compare.result](each, compare.value) for each in found)

    # --- claims -----------------------------------------------------------------------------

    def _claim(self, op: Claim) -> ClaimReply:
        if op.lease not in self.leases:
            raise _No(ErrorCode.LEASE_NOT_FOUND)
        new = self.revision + 1
        free = [
            key
            for key in sorted(self.keys)
            if key.startswith(op.source)
            and key not in self.origins
            and self.keys[key].mod_revision != new
            and op.target + key[len(op.source) :] not in self.keys
            and len(op.target) + len(key) - len(op.source) <= limits.KEY_BYTES_MAX
        ]
        taken = []
        for key in free[: op.limit]:
            old = self._remove(key, Cause.CLAIMED)
            target = op.target + key[len(op.source) :]
            kv = KeyValue(target, old.value, new, new, 1, op.lease, old.claims + 1)
            self._write(kv, Cause.CLAIMED)
            self.origins[target] = key
            taken.append(kv)
        return ClaimReply(self._shown, tuple(taken))

    def _give_back(self, op: GiveBack) -> GiveBackReply:
        kv = self.keys.get(op.key)
        stands = kv is not None and kv.create_revision == op.create_revision
        if not stands or op.key not in self.origins:
            return GiveBackReply(self._shown, False)
        self._return(op.key)
        return GiveBackReply(self._shown, True)

    def _return(self, key: bytes) -> None:
        origin, new = self.origins[key], self.revision + 1
        old = self._remove(key, Cause.GIVEN_BACK)
        token, name = old.create_revision, origin
        while name in self.keys:
            name = origin[: limits.KEY_BYTES_MAX - 17] + b"~%016x" % token
            token += 1
        self._write(KeyValue(name, old.value, new, new, 1, 0, old.claims), Cause.GIVEN_BACK)

    # --- leases and the rest ----------------------------------------------------------------

    def _keys_of(self, lease: int) -> list[bytes]:
        return sorted(key for key, kv in self.keys.items() if kv.lease == lease)

    def _end_lease(self, lease: int, cause: Cause) -> None:
        for key in self._keys_of(lease):
            if key in self.origins:
                self._return(key)
            else:
                self._remove(key, cause)
        del self.leases[lease]

    def _grant(self, op: LeaseGrant, chosen: int) -> LeaseGrantReply:
        lease = op.lease or chosen
        if op.ttl_ms > limits.LEASE_TTL_MS_MAX:
            raise _No(ErrorCode.LEASE_TTL_TOO_LARGE)
        if lease in self.leases:
            raise _No(ErrorCode.LEASE_EXISTS)
        ttl_ms = max(op.ttl_ms, limits.LEASE_TTL_MS_MIN)
        self.leases[lease] = (ttl_ms, self.time_ms + ttl_ms)
        return LeaseGrantReply(lease, ttl_ms)

    def _revoke(self, op: LeaseRevoke) -> LeaseRevokeReply:
        if op.lease not in self.leases:
            raise _No(ErrorCode.LEASE_NOT_FOUND)
        self._end_lease(op.lease, Cause.REVOKED)
        return LeaseRevokeReply(self._shown)

    def _keep_alive(self, op: LeaseKeepAlive) -> LeaseKeepAliveReply:
        if op.lease not in self.leases:
            return LeaseKeepAliveReply(op.lease, 0)
        ttl_ms = self.leases[op.lease][0]
        self.leases[op.lease] = (ttl_ms, self.time_ms + ttl_ms)
        return LeaseKeepAliveReply(op.lease, ttl_ms)

    def _compact(self, op: Compact) -> CompactReply:
        if op.revision <= self.compact_revision:
            raise _No(ErrorCode.COMPACTED)
        if op.revision > self.revision:
            raise _No(ErrorCode.FUTURE_REVISION)
        self.compact_revision = op.revision
        return CompactReply(self.revision)

    def _set_alarm(self, op: SetAlarm) -> AlarmReply:
        if op.raised:
            self.alarms.add(op.member)
        else:
            self.alarms.discard(op.member)
        return AlarmReply(tuple(sorted(self.alarms)))

    # --- reads and events -------------------------------------------------------------------

    def read(self, op: Any) -> Reply:
        """Answer one read."""
        try:
            if isinstance(op, LeaseTimeToLive):
                return self._time_to_live(op)
            if isinstance(op, LeaseList):
                rows = sorted((deadline, lease) for lease, (_, deadline) in self.leases.items())
                return LeaseListReply(tuple(lease for _, lease in rows))
            reply: Reply = self._do(op)
        except _No as no:
            return ErrorReply(int(no.code))
        assert not self.made, "a read changes nothing"
        return reply

    def _time_to_live(self, op: LeaseTimeToLive) -> LeaseTimeToLiveReply:
        if op.lease not in self.leases:
            return LeaseTimeToLiveReply(op.lease, -1, 0)
        ttl_ms, deadline_ms = self.leases[op.lease]
        keys = tuple(self._keys_of(op.lease)) if op.keys else ()
        return LeaseTimeToLiveReply(op.lease, deadline_ms - self.time_ms, ttl_ms, keys)

    def events(self, revision: int) -> list[Event]:
        """Return the events of one revision."""
        found = []
        before = self.past[revision - 1] if revision > self.compact_revision else {}
        for cause, kv in self.log[revision]:
            kind = EventKind.PUT if kv.version else EventKind.DELETE
            found.append(Event(kind, cause, kv, before.get(kv.key)))
        return found
