"""The log in memory: a base that a snapshot replaces, the entries after it, two watermarks.

Leaves out disk and messages. Every entry's term is one list access away; dropping the front is
amortised O(1).

Invariants: base_index <= commit <= last_index; durable <= last_index; terms never fall;
nothing at or below commit is ever cut (State Machine Safety, figure 3).
"""

from collections import deque
from collections.abc import Sequence

from coord.raft.messages import Entry

NO_TERM = -1
"""The term of an index that is not in the log; equal to no real term."""

ENTRY_OVERHEAD_BYTES = 16
"""Added to each payload when batches are sized, so that empty entries are not free."""

_DEAD_MIN = 64


class Log:
    """Entries base_index + 1 to last_index, and which of them are durable and committed."""

    __slots__ = (
        "_entries",
        "_offset",
        "_writes",
        "base_index",
        "base_term",
        "commit",
        "durable",
        "last_index",
    )

    def __init__(self, base_index: int, base_term: int, entries: Sequence[Entry]) -> None:
        """Start from a durable base and durable entries that follow it without a gap."""
        self._entries: list[Entry] = list(entries)
        self._offset = base_index + 1  # index of _entries[0]; smaller than first once compacted
        self._writes: deque[tuple[int, int]] = deque()  # (ticket, last index it makes durable)
        self.base_index = base_index
        self.base_term = base_term
        self.commit = base_index
        self.last_index = base_index + len(self._entries)
        self.durable = self.last_index
        for place, entry in enumerate(self._entries):
            assert entry.index == self._offset + place, "a log has no gaps"

    @property
    def last_term(self) -> int:
        """Term of the last entry, or of the base when there is none."""
        if self.last_index == self.base_index:
            return self.base_term
        return self._entries[-1].term

    def term_at(self, index: int) -> int:
        """Return the term at `index`, NO_TERM when it is compacted away or not yet there."""
        if self.base_index < index <= self.last_index:
            return self._entries[index - self._offset].term
        return self.base_term if index == self.base_index else NO_TERM

    def entry(self, index: int) -> Entry:
        """Return the entry at `index`, which must be kept."""
        assert self.base_index < index <= self.last_index
        return self._entries[index - self._offset]

    def between(self, first: int, last: int) -> tuple[Entry, ...]:
        """Return entries `first` to `last`, both kept and included."""
        assert self.base_index < first
        assert last <= self.last_index
        return tuple(self._entries[first - self._offset : last - self._offset + 1])

    def batch(self, first: int, bytes_max: int) -> tuple[tuple[Entry, ...], int]:
        """Return entries from `first` on, at least one, and their bytes; one may exceed the max."""
        entries = self._entries
        place = first - self._offset
        total = len(entries[place].payload) + ENTRY_OVERHEAD_BYTES
        end = place + 1
        while end < len(entries):
            size_bytes = len(entries[end].payload) + ENTRY_OVERHEAD_BYTES
            if total + size_bytes > bytes_max:
                break
            total += size_bytes
            end += 1
        return tuple(entries[place:end]), total

    def payload_bytes(self, first: int, last: int) -> int:
        """Return the payload bytes of entries `first` to `last`."""
        entries = self._entries
        if first == last:
            return len(entries[first - self._offset].payload)
        places = range(first - self._offset, last - self._offset + 1)
        return sum([len(entries[place].payload) for place in places])

    def last_with_term_at_most(self, index: int, term: int) -> int:
        """Find where to probe after a rejection: terms never fall, so bisect.

        Returns:
            The highest kept index (the base included) at or below `index` whose term is at
            most `term`; base_index - 1 when every kept one is newer; `index` itself when it is
            already below the base.
        """
        high = min(index, self.last_index)
        if high < self.base_index:
            return high
        if self.base_term > term:
            return self.base_index - 1
        low = self.base_index
        while low < high:
            middle = (low + high + 1) // 2
            if self._entries[middle - self._offset].term <= term:
                low = middle
            else:
                high = middle - 1
        return low

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries after the last one."""
        assert entries[0].index == self.last_index + 1
        self._entries.extend(entries)
        self.last_index += len(entries)

    def truncate_after(self, index: int) -> None:
        """Cut everything after `index`, which is at or above commit."""
        assert self.commit <= index <= self.last_index, "a committed entry is never cut"
        del self._entries[index + 1 - self._offset :]
        self.last_index = index
        self._forget_durable_after(index)

    def _forget_durable_after(self, index: int) -> None:
        # A write still under way for entries now cut must not count for those that replace
        # them at the same places (the ABA case), so its reach is cut as well.
        self.durable = min(self.durable, index)
        self._writes = deque((ticket, min(last, index)) for ticket, last in self._writes)

    def commit_to(self, index: int) -> None:
        """Move commit forward to `index`, which is in the log."""
        assert self.commit <= index <= self.last_index
        self.commit = index

    def begin_write(self, ticket: int) -> None:
        """Note that write `ticket` carries everything up to the last entry."""
        self._writes.append((ticket, self.last_index))

    def end_write(self, ticket: int) -> None:
        """Note that `ticket` and all before it are durable."""
        writes = self._writes
        while writes and writes[0][0] <= ticket:
            _, last = writes.popleft()
            self.durable = max(self.durable, last)

    @property
    def is_writing(self) -> bool:
        """Whether a write of entries has not ended."""
        return bool(self._writes)

    def compact(self, index: int) -> None:
        """Drop entries up to `index`, which is committed; an index already dropped is ignored."""
        if index <= self.base_index:
            return
        assert index <= self.commit, "only committed entries are dropped"
        self.base_term = self.term_at(index)
        self.base_index = index
        dead = index + 1 - self._offset
        # Moving the living is cheap beside making them; an eighth keeps both cost and waste low.
        if dead >= max(_DEAD_MIN, (len(self._entries) - dead) // 8):
            del self._entries[:dead]
            self._offset = index + 1

    def restart_at(self, index: int, term: int) -> None:
        """Replace everything by an installed, durable snapshot at `index`, beyond commit."""
        assert index > self.commit, "a snapshot never takes back what is committed"
        self._entries = []
        self._writes.clear()
        self._offset = index + 1
        self.base_index = self.commit = self.last_index = self.durable = index
        self.base_term = term
