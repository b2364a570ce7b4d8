"""Leases: promises that end at a moment of cluster time, and the keys that hang on each.

Every lease has exactly one place in a heap. A renewal only moves the lease's own deadline; the
heap entry is put right when it surfaces, so a renewal costs no heap work. What happens to the
keys of a lease that ends is decided in claims.py.
"""

from heapq import heapify, heappop, heappush, heapreplace

import msgspec

from coord import limits
from coord.errors import ErrorCode
from coord.store.order import OrderedKeys
from coord.store.rejection import Rejection
from coord.store.scan import FrozenScan, next_int

_HEAP_SLACK = 1024  # places of leases long gone that the heap may hold beside one per lease


class Lease(msgspec.Struct, gc=False):
    """One living lease; `keys` is None until the first key is attached."""

    ttl_ms: int
    deadline_ms: int
    keys: set[bytes] | None = None


class LeaseState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A lease as it stands in a snapshot; its keys know it themselves."""

    lease: int
    ttl_ms: int
    deadline_ms: int


def freeze_lease(lease_id: int, lease: Lease) -> LeaseState:
    """Return the lasting form of a lease."""
    return LeaseState(lease_id, lease.ttl_ms, lease.deadline_ms)


LeaseScan = FrozenScan[int, Lease, LeaseState]


class Leases:
    """All living leases."""

    __slots__ = ("_heap", "_order", "scans", "table")

    def __init__(self) -> None:
        self.table: dict[int, Lease] = {}
        self._order: OrderedKeys[int] = OrderedKeys()
        self._heap: list[tuple[int, int]] = []
        self.scans: list[LeaseScan] = []

    @classmethod
    def restored(cls, states: list[LeaseState]) -> "Leases":
        """Build from snapshot rows in ascending order of id."""
        made = cls()
        made.table = {row.lease: Lease(row.ttl_ms, row.deadline_ms) for row in states}
        made._order = OrderedKeys.of_sorted([row.lease for row in states])
        made._heap = [(row.deadline_ms, row.lease) for row in states]
        heapify(made._heap)
        return made

    def scan(self) -> LeaseScan:
        """Begin a pass over all leases as they are now; the caller ends it in `scans`."""
        made: LeaseScan = FrozenScan(self._order, self.table, freeze_lease, 0, next_int)
        self.scans.append(made)
        return made

    def grant(self, lease_id: int, ttl_ms: int, now_ms: int) -> int:
        """Make a lease.

        Returns:
            The time to live in force, milliseconds: at least LEASE_TTL_MS_MIN.

        Raises:
            Rejection: the id is taken, the time is too long, or there are too many leases.
        """
        if ttl_ms > limits.LEASE_TTL_MS_MAX:
            raise Rejection(
                ErrorCode.LEASE_TTL_TOO_LARGE,
                f"{ttl_ms} ms; at most {limits.LEASE_TTL_MS_MAX} ms",
            )
        if lease_id in self.table:
            raise Rejection(ErrorCode.LEASE_EXISTS, f"lease {lease_id}")
        if len(self.table) >= limits.LEASES_MAX:
            raise Rejection(ErrorCode.TOO_MANY_LEASES, f"at most {limits.LEASES_MAX} at once")
        ttl_ms = max(ttl_ms, limits.LEASE_TTL_MS_MIN)
        for scan in self.scans:
            scan.before_change(lease_id, None)
        deadline_ms = now_ms + ttl_ms
        self.table[lease_id] = Lease(ttl_ms, deadline_ms)
        self._order.add(lease_id)
        heappush(self._heap, (deadline_ms, lease_id))
        return ttl_ms

    def renew(self, lease_id: int, now_ms: int) -> int:
        """Push a lease's end one time to live ahead; returns that time, 0 if there is none."""
        lease = self.table.get(lease_id)
        if lease is None:
            return 0
        for scan in self.scans:
            scan.before_change(lease_id, lease)
        lease.deadline_ms = now_ms + lease.ttl_ms
        return lease.ttl_ms

    def drop(self, lease_id: int) -> None:
        """Forget a lease whose keys have all been detached."""
        lease = self.table[lease_id]
        assert not lease.keys, "a lease goes after its keys"
        for scan in self.scans:
            scan.before_change(lease_id, lease)
        del self.table[lease_id]
        self._order.remove(lease_id)
        if len(self._heap) > 2 * len(self.table) + _HEAP_SLACK:
            self._heap = [(left.deadline_ms, key) for key, left in self.table.items()]
            heapify(self._heap)

    def attach(self, lease_id: int, key: bytes) -> None:
        """Hang a key on a living lease.

        Raises:
            Rejection: the lease already holds LEASE_KEYS_MAX keys.
        """
        lease = self.table[lease_id]
        if lease.keys is None:
            lease.keys = {key}
            return
        if len(lease.keys) >= limits.LEASE_KEYS_MAX:
            raise Rejection(
                ErrorCode.TOO_MANY_LEASES,
                f"lease {lease_id} holds {limits.LEASE_KEYS_MAX} keys; use another lease",
            )
        lease.keys.add(key)

    def detach(self, lease_id: int, key: bytes) -> None:
        """Take a key off its lease."""
        keys = self.table[lease_id].keys
        assert keys is not None, "an attached key is known to its lease"
        keys.remove(key)

    def next_deadline_ms(self) -> int | None:
        """Return when the soonest lease ends, None if there is no lease."""
        heap, table = self._heap, self.table
        while heap:
            deadline_ms, lease_id = heap[0]
            lease = table.get(lease_id)
            if lease is None or lease.deadline_ms < deadline_ms:
                heappop(heap)  # ended, or its id was granted anew and has its own place
            elif lease.deadline_ms > deadline_ms:
                heapreplace(heap, (lease.deadline_ms, lease_id))
            else:
                return deadline_ms
        return None

    def next_due(self, now_ms: int) -> int | None:
        """Return the lease that ended first by `now_ms`, ties by id; None if none did."""
        deadline_ms = self.next_deadline_ms()
        if deadline_ms is None or deadline_ms > now_ms:
            return None
        return self._heap[0][1]

    def soonest_first(self) -> list[int]:
        """Return all lease ids, the soonest to end first, ties by id."""
        return sorted(self.table, key=lambda lease: (self.table[lease].deadline_ms, lease))
