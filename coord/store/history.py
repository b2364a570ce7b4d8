"""What every kept revision changed, so that the past can be read, replayed and forgotten.

One record per revision. The commonest, a lone put or delete, is just the KeyValue it made, with
what stood before in a list alongside; any other is a `Record` of changes with their causes.
What stood before a change links to the version before it: reading key k at revision r walks
those links back from the newest version, so no index of old versions exists, a put pays two
list appends, and compaction is dropping chunks of records off the front.

A link to a tombstone (`version` 0) lets the walk pass a deletion. A link to anything made before
the compacted revision, other than the value a live key had there, counts as "did not exist".

Cost of a read of the past: one step per later version of each key read; for a key changed very
often, the walk back takes turns with a look forward from the revision asked for.
"""

from collections.abc import Iterator

import msgspec

from coord.model import Cause, Event, EventKind, KeyValue

CHUNK_REVISIONS = 1024
PATIENCE_STEPS = 128  # of a walk back before it also looks forward
_INDEX_CHANGES = 8  # a record of more changes than this is indexed by key when searched
_SHIFT = CHUNK_REVISIONS.bit_length() - 1
_MASK = CHUNK_REVISIONS - 1


class Change(msgspec.Struct, frozen=True, gc=False):
    """One change of one key: what it made, what stood before (maybe a tombstone), and why."""

    kv: KeyValue
    before: KeyValue | None
    cause: Cause


class Record(msgspec.Struct, gc=False):
    """All changes of one revision, in order; `first` finds a key's first change."""

    changes: list[Change]
    first: dict[bytes, Change] | None = None

    def change_of(self, key: bytes) -> Change | None:
        """Return the first change of `key`, None if it was not changed."""
        if len(self.changes) <= _INDEX_CHANGES:
            for change in self.changes:
                if change.kv.key == key:
                    return change
            return None
        if self.first is None:
            self.first = {change.kv.key: change for change in reversed(self.changes)}
        return self.first.get(key)

    def before(self, key: bytes) -> KeyValue | None:
        """Return what `key` was before this revision, which changed it."""
        change = self.change_of(key)
        assert change is not None, "a version is made by the revision it names"
        return change.before


Entry = KeyValue | Record | None
"""A record; None fills the places of revisions that were never written or were forgotten."""


def plain_cause(kv: KeyValue) -> Cause:
    """Return the cause that a lone change has unless its record says otherwise."""
    return Cause.WRITTEN if kv.version else Cause.DELETED


class History:
    """Records of the revisions after `compact_revision`, and the one at it."""

    __slots__ = ("_cursor", "base", "befores", "compact_revision", "records", "revision")

    def __init__(self, revision: int = 1, compact_revision: int = 0) -> None:
        self.revision = revision
        """The newest revision recorded; an empty store is at 1."""
        self.compact_revision = compact_revision
        """Reads before this revision are refused; 0 when history was never compacted."""
        self.base = compact_revision & ~_MASK
        self.records: list[list[Entry]] = [[]]
        self.befores: list[list[KeyValue | None]] = [[]]
        self._cursor = 0  # records of the first chunk already swept by tidy()
        for _ in range(self.base, max(compact_revision, 2)):
            self.push(None, None)

    def push(self, entry: Entry, before: KeyValue | None) -> None:
        """Append the record of the next revision; the caller counts `revision`."""
        records = self.records[-1]
        if len(records) == CHUNK_REVISIONS:
            records = []
            self.records.append(records)
            self.befores.append([])
        records.append(entry)
        self.befores[-1].append(before)

    def changes(self, revision: int) -> list[Change]:
        """Return the changes of a kept revision, in order, as they were made."""
        at = revision - self.base
        entry = self.records[at >> _SHIFT][at & _MASK]
        assert entry is not None, "revision is not kept"
        if type(entry) is Record:
            return entry.changes
        assert type(entry) is KeyValue
        return [Change(entry, self.befores[at >> _SHIFT][at & _MASK], plain_cause(entry))]

    def replaced_since(self, first_revision: int) -> Iterator[tuple[bytes, KeyValue | None]]:
        """Yield each change from a kept revision on: the key, and what stood before."""
        for at in range(first_revision - self.base, self.revision - self.base + 1):
            entry = self.records[at >> _SHIFT][at & _MASK]
            if type(entry) is KeyValue:
                yield entry.key, self.befores[at >> _SHIFT][at & _MASK]
            elif type(entry) is Record:
                for change in entry.changes:
                    yield change.kv.key, change.before

    def value_at(self, kv: KeyValue | None, revision: int) -> KeyValue | None:
        """Walk from a key's newer version `kv` to what it was at `revision`; None if absent."""
        steps, patience, looked = 0, PATIENCE_STEPS, revision
        while kv is not None and kv.mod_revision > revision:
            if steps == patience:  # a key changed often: the change sought is then not far ahead
                stop = min(looked + 2 * patience, kv.mod_revision)
                found = self._change_in(kv.key, looked + 1, stop)
                if found is not None:
                    kv = found.before
                    break
                looked, patience = stop, 4 * patience
            steps += 1
            kv = self._before(kv)
        return kv if kv is not None and kv.version else None

    def _before(self, kv: KeyValue) -> KeyValue | None:
        at = kv.mod_revision - self.base
        entry = self.records[at >> _SHIFT][at & _MASK]
        if type(entry) is Record:
            return entry.before(kv.key)
        return self.befores[at >> _SHIFT][at & _MASK]

    def _change_in(self, key: bytes, first: int, last: int) -> Change | None:
        """Return the first change of `key` in the revisions from first to last."""
        for at in range(first - self.base, last - self.base + 1):
            entry = self.records[at >> _SHIFT][at & _MASK]
            if type(entry) is Record:
                found = entry.change_of(key)
                if found is not None:
                    return found
            elif type(entry) is KeyValue and entry.key == key:
                return Change(entry, self.befores[at >> _SHIFT][at & _MASK], plain_cause(entry))
        return None

    def events(self, revision: int) -> list[Event]:
        """Return a kept revision's changes as events, `prev_kv` filled as etcd defines it.

        `prev_kv` is the key at `revision` - 1, absent where that is compacted.
        """
        at = revision - self.base
        entry = self.records[at >> _SHIFT][at & _MASK]
        if type(entry) is KeyValue:  # by far the commonest: spelt out
            before = self.befores[at >> _SHIFT][at & _MASK]
            if before is not None and (revision == self.compact_revision or not before.version):
                before = None
            if entry.version:
                return [Event(EventKind.PUT, Cause.WRITTEN, entry, before)]
            return [Event(EventKind.DELETE, Cause.DELETED, entry, before)]
        changes = self.changes(revision)
        return [self._event(change, changes, revision) for change in changes]

    def _event(self, change: Change, changes: list[Change], revision: int) -> Event:
        kv, before = change.kv, change.before
        if before is not None and before.mod_revision == revision:
            before = next(other.before for other in changes if other.kv.key == kv.key)
        if before is not None and (not before.version or revision <= self.compact_revision):
            before = None
        kind = EventKind.PUT if kv.version else EventKind.DELETE
        return Event(kind, change.cause, kv, before)

    # --- compaction -------------------------------------------------------------------------

    def sweep(self, items_max: int) -> Iterator[KeyValue]:
        """Take up to about `items_max` changes off the front and yield their tombstones.

        Only chunks wholly below the compacted revision go. To be exhausted by the caller.
        """
        while items_max > 0 and self.has_waste:
            records = self.records[0]
            while self._cursor < len(records) and items_max > 0:
                entry = records[self._cursor]
                if type(entry) is Record:
                    for change in entry.changes[-items_max:]:
                        if not change.kv.version:
                            yield change.kv
                    taken = len(entry.changes[-items_max:])
                    del entry.changes[-items_max:]
                    items_max -= taken
                    if entry.changes:
                        return
                elif type(entry) is KeyValue and not entry.version:
                    yield entry
                self._cursor += 1
                items_max -= 1
            if self._cursor == len(records):
                del self.records[0], self.befores[0]
                self.base += CHUNK_REVISIONS
                self._cursor = 0

    @property
    def has_waste(self) -> bool:
        """Whether records wait to be swept."""
        return self.base + CHUNK_REVISIONS <= self.compact_revision
