"""What a log means: hard state, mark and entries after its records were read in order. Pure.

The image may start in the middle: `base` is the index before its first entry. Entries at or
below the mark are gone; a gap between mark and entries is corruption.
"""

import attrs

from coord.errors import Corruption
from coord.raft.messages import Entry, HardState
from coord.wal.items import Item, Marked, Seal, SnapshotMark


@attrs.define
class LogImage:
    """The state of a log, changed item by item."""

    base: int = 0
    entries: list[Entry] = attrs.Factory(list)
    hard_state: HardState = attrs.Factory(HardState)
    mark: SnapshotMark | None = None
    sealed: bool = False

    @property
    def last_index(self) -> int:
        """Index of the last entry, or what stands for it."""
        return self.base + len(self.entries)

    def apply(self, item: Item) -> None:
        """Take in the next item of the log.

        Raises:
            Corruption: it cannot stand there; says what is wrong, not where.
        """
        if self.sealed:
            raise Corruption("a sealed segment goes on")
        if isinstance(item, Entry):
            self._apply_entry(item)
        elif isinstance(item, HardState):
            if item.term < self.hard_state.term:
                raise Corruption(f"term falls from {self.hard_state.term} to {item.term}")
            self.hard_state = item
        elif isinstance(item, Marked):
            self._apply_mark(item.mark, item.keep_suffix)
        else:
            assert isinstance(item, Seal)
            self.sealed = True

    def _apply_entry(self, entry: Entry) -> None:
        if entry.index > self.last_index + 1:
            raise Corruption(f"entry {entry.index} follows entry {self.last_index}")
        if self.mark is not None and entry.index <= self.mark.meta.index:
            raise Corruption(f"entry {entry.index} replaces what a snapshot already holds")
        if entry.index <= self.base:
            # What it replaces stood in segments that are gone since.
            self.base = entry.index - 1
            self.entries.clear()
        else:
            del self.entries[entry.index - self.base - 1 :]
        self.entries.append(entry)

    def _apply_mark(self, mark: SnapshotMark, keep_suffix: bool) -> None:
        index = mark.meta.index
        if self.mark is not None and index < self.mark.meta.index:
            raise Corruption(f"snapshot mark falls from {self.mark.meta.index} to {index}")
        self.mark = mark
        if not keep_suffix or index > self.last_index:
            self.base = index
            self.entries.clear()
        elif index > self.base:
            del self.entries[: index - self.base]
            self.base = index

    def check_complete(self) -> None:
        """Check that mark and entries together are the whole log.

        Raises:
            Corruption: entries are missing; names them.
        """
        reached = self.mark.meta.index if self.mark is not None else 0
        if self.base != reached:
            raise Corruption(f"entries {reached + 1} to {self.base} are missing")
