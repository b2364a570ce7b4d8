"""Keys as they are now, and the one revision being made.

Everything that changes a key goes through `write` and `remove` (the machine's loop for plain
puts repeats the simplest case of `write` in line). They act at once and note what they did in
`pending`; `commit` turns that into one revision, `rollback` undoes it, so an operation that
fails half way leaves nothing behind.

Live and deleted keys are ordered apart: a scan of what lives never wades through what was
deleted, however many keys a queue has seen come and go.
"""

from coord.model import Cause, KeyValue
from coord.store.history import Change, History, Record, plain_cause
from coord.store.leases import Leases
from coord.store.order import OrderedKeys
from coord.store.scan import FrozenScan, next_bytes

KeyScan = FrozenScan[bytes, KeyValue, KeyValue]
OriginScan = FrozenScan[bytes, bytes, tuple[bytes, bytes]]


class Keyspace:
    """The present, its indexes, and the way back to the past."""

    __slots__ = (
        "deleted", "history", "key_scans", "latest", "leases", "live", "origin_order",
        "origin_scans", "origins", "pending", "replaced", "replaced_by", "sequenced",
        "tombstones", "undone_origins",
    )  # fmt: skip

    def __init__(self, history: History, leases: Leases) -> None:
        self.history = history
        self.leases = leases
        self.latest: dict[bytes, KeyValue] = {}
        self.live: OrderedKeys[bytes] = OrderedKeys()
        self.tombstones: dict[bytes, KeyValue] = {}
        """Deleted keys the history still knows, each with the newest tombstone."""
        self.deleted: OrderedKeys[bytes] = OrderedKeys()
        self.origins: dict[bytes, bytes] = {}
        """Claimed keys, each with the key it was taken from."""
        self.origin_order: OrderedKeys[bytes] = OrderedKeys()
        self.pending: list[Change] = []
        self.undone_origins: list[bytes | None] = []
        """For each pending change, the origin its key had before."""
        self.sequenced = b""
        """The digits of the last sequenced put of the revision being made."""
        self.replaced: dict[bytes, KeyValue | None] = {}
        """What keys were before the revision being made, filled in when first asked for."""
        self.replaced_by = 0
        """So many of the pending changes have been looked at for it."""
        self.key_scans: list[KeyScan] = []
        self.origin_scans: list[OriginScan] = []

    @property
    def revision(self) -> int:
        """The newest committed revision."""
        return self.history.revision

    @property
    def making(self) -> int:
        """The revision that a change made now belongs to."""
        return self.history.revision + 1

    @property
    def shown_revision(self) -> int:
        """The revision to answer with: the one being made if anything changed in it."""
        return self.history.revision + 1 if self.pending else self.history.revision

    # --- change -----------------------------------------------------------------------------

    def write(self, kv: KeyValue, cause: Cause, origin: bytes | None = None) -> None:
        """Make `kv` the newest version of its key.

        Args:
            kv: with the revision being made; its lease, if any, must be alive.
            cause: why.
            origin: for a claimed key, where it was taken from. Otherwise a key that was claimed
                stays so only as long as its lease is the same.

        Raises:
            Rejection: the lease holds too many keys; `rollback` must follow.
        """
        key = kv.key
        before = self.latest.get(key)
        old_lease = 0
        if before is None:
            before = self.tombstones.pop(key, None)
            if before is not None:
                self.deleted.remove(key)
            self.live.add(key)
        else:
            old_lease = before.lease
        old_origin = self.origins.get(key)
        self.latest[key] = kv
        self.pending.append(Change(kv, before, cause))
        self.undone_origins.append(old_origin)
        if old_lease != kv.lease:
            if old_lease:
                self.leases.detach(old_lease, key)
            if origin is None and old_origin is not None:
                self._set_origin(key, None)
            if kv.lease:
                self.leases.attach(kv.lease, key)
        if origin is not None:
            self._set_origin(key, origin)

    def remove(self, key: bytes, cause: Cause) -> KeyValue:
        """Delete a key that lives; returns what it was."""
        before = self.latest.pop(key)
        self.live.remove(key)
        tombstone = KeyValue(key, b"", 0, self.making, 0)
        self.tombstones[key] = tombstone
        self.deleted.add(key)
        old_origin = self.origins.get(key)
        self.pending.append(Change(tombstone, before, cause))
        self.undone_origins.append(old_origin)
        if before.lease:
            self.leases.detach(before.lease, key)
            if old_origin is not None:
                self._set_origin(key, None)
        return before

    def commit(self) -> None:
        """Make the pending changes, if any, one revision."""
        pending = self.pending
        if not pending:
            return
        history = self.history
        if len(pending) == 1 and pending[0].cause is plain_cause(pending[0].kv):
            history.push(pending[0].kv, pending[0].before)
        else:
            history.push(Record(pending), None)
        history.revision += 1
        self.pending = []
        self.sequenced = b""
        self._forget_replaced()
        self.undone_origins.clear()

    def rollback(self) -> None:
        """Undo the pending changes, newest first."""
        self.sequenced = b""
        self._forget_replaced()
        while self.pending:
            change = self.pending.pop()
            self._undo(change)
            self._set_origin(change.kv.key, self.undone_origins.pop())

    def _undo(self, change: Change) -> None:
        kv, before = change.kv, change.before
        key = kv.key
        if not kv.version:
            assert before is not None, "only what lived was deleted"
            del self.tombstones[key]
            self.deleted.remove(key)
            self.live.add(key)
        else:
            if kv.lease and (kv_lease := self.leases.table[kv.lease]).keys:
                kv_lease.keys.discard(key)  # absent if attaching it is what failed
            if before is None or not before.version:
                del self.latest[key]
                self.live.remove(key)
                if before is not None:
                    self.tombstones[key] = before
                    self.deleted.add(key)
                return
        self.latest[key] = before
        if before.lease:
            keys = self.leases.table[before.lease].keys
            assert keys is not None
            keys.add(key)

    def _set_origin(self, key: bytes, origin: bytes | None) -> None:
        old = self.origins.get(key)
        if old == origin:
            return
        for scan in self.origin_scans:
            scan.before_change(key, old)
        if origin is None:
            del self.origins[key]
            self.origin_order.remove(key)
            return
        if old is None:
            self.origin_order.add(key)
        self.origins[key] = origin

    # --- past -------------------------------------------------------------------------------

    def value_at(self, key: bytes, revision: int) -> KeyValue | None:
        """Return what `key` was at a kept revision, or is now; None if absent."""
        kv = self.latest.get(key) or self.tombstones.get(key)
        if self.pending and kv is not None and kv.mod_revision > self.history.revision:
            kv = self._before_pending(key)
        return self.history.value_at(kv, revision)

    def _before_pending(self, key: bytes) -> KeyValue | None:
        """Return what a key that was changed in the revision being made was before it."""
        if self.replaced_by < len(self.pending):
            for change in self.pending[self.replaced_by :]:
                self.replaced.setdefault(change.kv.key, change.before)
            self.replaced_by = len(self.pending)
        return self.replaced[key]

    def _forget_replaced(self) -> None:
        if self.replaced_by:
            self.replaced_by = 0
            self.replaced.clear()

    def tidy(self, items_max: int) -> bool:
        """Free about `items_max` forgotten changes; returns whether more wait."""
        for tombstone in self.history.sweep(items_max):
            if self.tombstones.get(tombstone.key) is tombstone:
                del self.tombstones[tombstone.key]
                self.deleted.remove(tombstone.key)
        return self.history.has_waste

    # --- scans ------------------------------------------------------------------------------

    def scan_keys(self) -> KeyScan:
        """Begin a pass over all keys as they are now; the caller ends it in `key_scans`."""
        made: KeyScan = FrozenScan(self.live, self.latest, _same, b"", next_bytes)
        self.key_scans.append(made)
        return made

    def scan_origins(self) -> OriginScan:
        """Begin a pass over all claims as they are now; the caller ends it in `origin_scans`."""
        made: OriginScan = FrozenScan(self.origin_order, self.origins, _pair, b"", next_bytes)
        self.origin_scans.append(made)
        return made

    def tell_scans(self, first_revision: int) -> None:
        """Tell scans of keys what the revisions from `first_revision` on changed."""
        if not self.key_scans:
            return
        for key, before in self.history.replaced_since(first_revision):
            for scan in self.key_scans:
                scan.before_change(key, before if before and before.version else None)


def _same(_: bytes, kv: KeyValue) -> KeyValue:
    return kv


def _pair(key: bytes, origin: bytes) -> tuple[bytes, bytes]:
    return key, origin
