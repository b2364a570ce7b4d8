"""History made anew from a snapshot: the present is undone, change by change, newest first."""

from coord.errors import ErrorCode, ProtocolError
from coord.model import Cause, KeyValue
from coord.store.blocks import UNDO_CAUSE_SHIFT, UNDO_DELETE, UNDO_MORE, Undo
from coord.store.history import Change, Entry, History, Record, plain_cause


class Replay:
    """Walks back from the present and notes what it passes.

    Args:
        latest: every live key at `revision`; only read.
        revision: the newest one.
        compact_revision: the oldest one that has a record, unless it is below 2.
    """

    def __init__(self, latest: dict[bytes, KeyValue], revision: int, compact_revision: int) -> None:
        self._latest = latest
        self._revision = revision
        self._compact_revision = compact_revision
        self._at = revision  # the revision undone next
        self._older: dict[bytes, KeyValue] = {}  # keys that differ from `latest` just after `_at`
        self._open: list[Change] = []  # changes of a revision not yet wholly undone, newest first
        self._entries: list[Entry] = []
        self._befores: list[KeyValue | None] = []
        self.tombstones: dict[bytes, KeyValue] = {}

    def undo(self, rows: list[Undo | bytes]) -> None:
        """Undo the next changes.

        Raises:
            ProtocolError: a change does not fit what stands after it.
        """
        latest, older = self._latest, self._older
        entries, befores = self._entries, self._befores
        for row in rows:
            if type(row) is not bytes:
                assert type(row) is Undo
                self._undo_one(row)
                continue
            kv = (older.pop(row, None) if older else None) or latest.get(row)
            if kv is None or kv.mod_revision != self._at or not kv.version or self._open:
                raise self._unfit(row)
            entries.append(kv)
            befores.append(None)
            self._at -= 1

    def _undo_one(self, row: Undo) -> None:
        before = row.before if isinstance(row.before, KeyValue) else None
        key = row.before.key if isinstance(row.before, KeyValue) else row.before
        is_delete = bool(row.what & UNDO_DELETE)
        kv = self._older.get(key) or self._latest.get(key)
        if kv is None and is_delete:
            kv = self.tombstones[key] = KeyValue(key, b"", 0, self._at, 0)
        if kv is None or kv.mod_revision != self._at or bool(kv.version) is is_delete:
            raise self._unfit(key)
        if before is None:
            self._older.pop(key, None)
        else:
            self._older[key] = before
        try:
            cause = Cause(row.what >> UNDO_CAUSE_SHIFT)
        except ValueError as error:
            raise self._unfit(key) from error
        self._open.append(Change(kv, before, cause))
        if not row.what & UNDO_MORE:
            self._close_revision()

    def _close_revision(self) -> None:
        changes = self._open[::-1]
        self._open = []
        first = changes[0]
        if len(changes) == 1 and first.cause is plain_cause(first.kv):
            self._entries.append(first.kv)
            self._befores.append(first.before)
        else:
            self._entries.append(Record(changes))
            self._befores.append(None)
        self._at -= 1

    def _unfit(self, key: bytes) -> ProtocolError:
        return ProtocolError(
            f"damaged snapshot: revision {self._at} does not fit key {key!r}", ErrorCode.MALFORMED
        )

    def history(self) -> History:
        """Return the history.

        Raises:
            ProtocolError: revisions are missing or too many.
        """
        if self._open or self._at != max(self._compact_revision, 2) - 1:
            raise ProtocolError(
                f"damaged snapshot: history goes back to {self._at + 1}, "
                f"not to {self._compact_revision}",
                ErrorCode.MALFORMED,
            )
        made = History(self._revision, self._compact_revision)
        for entry, before in zip(reversed(self._entries), reversed(self._befores), strict=True):
            made.push(entry, before)
        return made
